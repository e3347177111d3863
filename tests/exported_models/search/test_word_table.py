"""Nearest words in a model's own embeddings, against cosines of the checkpoint's tables."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from exported_models.contract.errors import ModelError, RequestError
from exported_models.runtime.model import ExportedModel
from exported_models.search.word_table import WordTable
from pipeline.models.luong import LuongModel
from tests.exported_models.conftest import SOURCE_TOKENS, TARGET_TOKENS


@pytest.mark.parametrize(
    ("space", "tokens"), [("source_embedding", SOURCE_TOKENS), ("target_embedding", TARGET_TOKENS)]
)
def test_nearest_words_are_those_of_the_largest_cosine(
    space: str, tokens: tuple[str, ...], model: ExportedModel, random_torch_model: LuongModel
) -> None:
    weights = getattr(random_torch_model, space).weight.detach()
    table, special = WordTable.open(model, space), set(model.manifest.special_ids)
    asked = len(tokens) - 2
    cosines = torch.nn.functional.cosine_similarity(weights[asked][None], weights).numpy()
    others = [token_id for token_id in range(len(tokens)) if token_id not in {asked, *special}]
    wanted = sorted(others, key=lambda token_id: -cosines[token_id])

    found = table.nearest(asked, 4)

    assert [word.token_id for word in found] == wanted[:4]
    assert [word.token for word in found] == [tokens[token_id] for token_id in wanted[:4]]
    np.testing.assert_allclose([word.similarity for word in found], cosines[wanted[:4]], atol=1e-6)
    np.testing.assert_array_equal(table.vectors, weights.numpy())
    assert [word.token_id for word in table.nearest(asked, 1000)] == wanted


def test_a_token_without_an_embedding_is_near_to_nothing(model: ExportedModel) -> None:
    table = WordTable.open(model, "source_embedding")
    assert model.manifest.pad_id not in {word.token_id for word in table.nearest(5, 1000)}
    assert all(word.similarity == 0 for word in table.nearest(model.manifest.pad_id, 3))


def test_what_is_no_table_or_no_token_is_refused(model: ExportedModel) -> None:
    with pytest.raises(ModelError, match=r"'encoder' of 'random' is no table \(tables: source_embedding, target_emb"):
        WordTable.open(model, "encoder")
    with pytest.raises(ModelError, match="no space 'words'"):
        WordTable.open(model, "words")
    with pytest.raises(RequestError, match=r"no token 99: the vocabulary has 13"):
        WordTable.open(model, "source_embedding").nearest(99, 1)
