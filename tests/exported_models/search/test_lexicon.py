"""Words near to a word, against cosines of the checkpoint's embeddings."""

from __future__ import annotations

import numpy as np
import torch

from exported_models.runtime.model import ExportedModel
from exported_models.search.lexicon import Lexicon, WordIndex, is_whole_word, mean_embedding, nearest_tokens, table_of
from exported_models.search.word_table import WordTable
from pipeline.models.luong import LuongModel
from tests.exported_models.conftest import SOURCE_TOKENS

COUNTS = {"ab": 9, "cab": 2, "b": 4, "gh": 2, "once": 1, "xyz": 7, "a?": 5}


def test_words_of_a_corpus_are_near_by_the_mean_of_their_tokens(
    model: ExportedModel, random_torch_model: LuongModel
) -> None:
    weights = random_torch_model.source_embedding.weight.detach()
    table = WordTable.open(model, table_of(model, "source"))
    lexicon = Lexicon.open(table, model.source_tokenizer, COUNTS)

    def embed(word: str) -> torch.Tensor:
        return weights[[SOURCE_TOKENS.index(character) for character in word]].mean(dim=0)

    asked = embed("ba")
    cosines = {word: float(torch.cosine_similarity(asked, embed(word), dim=0)) for word in ("ab", "cab", "b", "gh")}
    near = lexicon.nearest(mean_embedding(table, [SOURCE_TOKENS.index("b"), SOURCE_TOKENS.index("a")]), 9, besides="b")

    # Seen once, or not to be spelled: no word to suggest.
    assert lexicon.words == ("ab", "b", "cab", "gh")
    assert [word.text for word in near] == sorted({*cosines} - {"b"}, key=lambda word: -cosines[word])
    assert [word.count for word in near] == [COUNTS[word.text] for word in near]
    np.testing.assert_allclose([word.similarity for word in near], [cosines[word.text] for word in near], atol=1e-6)


def test_without_a_corpus_tokens_that_are_words_are_near(model: ExportedModel) -> None:
    table = WordTable.open(model, "source_embedding")
    asked = SOURCE_TOKENS.index("c")

    near = nearest_tokens(table, model.source_tokenizer, table.vectors[asked], 3, besides="c")
    wanted = [word for word in table.nearest(asked, 9) if word.token.strip()][:3]

    assert [word.text for word in near] == [word.token for word in wanted]
    np.testing.assert_allclose([word.similarity for word in near], [word.similarity for word in wanted], atol=1e-6)
    assert {word.count for word in near} == {None}


def test_words_are_found_by_their_beginning_the_preferred_ones_first(model: ExportedModel) -> None:
    special = frozenset(model.manifest.special_ids)
    vocabulary = WordIndex.of_vocabulary(model.source_tokenizer, special)

    assert list(WordIndex.of(["to", "Tea", "at", "teas", "to", "the"]).find("te")) == ["Tea", "teas"]
    assert list(vocabulary.find("")) == list("abcdefgh")
    assert [word for word in ("a", "ab", "?") if is_whole_word(word, model.source_tokenizer, special)] == ["a"]
