"""Reading a space: contexts, sentences, and files that do not fit."""

from __future__ import annotations

import numpy as np
import pytest

from state_store import layout
from state_store.contexts import NO_TOKEN, tabulate_contexts
from state_store.errors import StateError, StoreError
from state_store.spaces import Space, sample_rows
from tests.state_store.letters import Corpus, MadeStore, open_space


def test_a_context_is_the_token_with_two_on_either_side(encoder_space: Space, corpus: Corpus) -> None:
    expected = []
    for sentence in corpus.sentences:
        padded = [NO_TOKEN, NO_TOKEN, *sentence.encoded.source_ids, NO_TOKEN, NO_TOKEN]
        expected += [padded[i : i + 5] for i in range(len(padded) - 4)]
    assert tabulate_contexts(encoder_space.tokens).tolist() == expected


def test_rows_share_a_number_where_they_share_a_context(encoder_space: Space) -> None:
    contexts = [tuple(context) for context in tabulate_contexts(encoder_space.tokens).tolist()]
    numbers = encoder_space.contexts.tolist()
    assert len(set(numbers)) == len(set(contexts)) == len(set(zip(numbers, contexts, strict=True)))


def test_a_query_is_normalized_as_the_stored_rows_were(encoder_space: Space, corpus: Corpus) -> None:
    for sentence in corpus.sentences[:5]:
        rows = encoder_space.rows_of(sentence.encoded.sentence)
        unit = encoder_space.normalize(sentence.encoded.states["encoder"])
        np.testing.assert_array_equal(unit.astype(np.float16), encoder_space.vectors[rows.start : rows.stop])


def test_a_query_of_another_size_is_refused(encoder_space: Space) -> None:
    with pytest.raises(StateError, match=r"\[2, 5\]"):
        encoder_space.normalize(np.zeros((2, 5), np.float32))


@pytest.mark.parametrize(("rows", "limit"), [(1, 10), (10, 10), (1000, 7), (5, 1)])
def test_a_sample_is_spread_over_all_rows(rows: int, limit: int) -> None:
    sample = sample_rows(rows, limit)
    assert len(sample) == min(rows, limit)
    assert sample[0] == 0
    assert limit == 1 or sample[-1] == rows - 1
    assert len(np.unique(np.diff(sample))) <= 2


@pytest.mark.parametrize("name", layout.ENCODED_FILES)
@pytest.mark.parametrize("damage", ["missing", "cut", "other shape", "pickle"])
def test_a_damaged_file_is_one_clear_error(store_copy: MadeStore, name: str, damage: str) -> None:
    path = layout.space_folder(store_copy.folder, "encoder") / name
    if damage == "missing":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-10])
    elif damage == "other shape":
        np.save(path, np.zeros((3, 3, 3), np.float32))
    else:
        np.save(path, np.array([{"a": 1}], object))
    with pytest.raises(StoreError, match="build the store again") as caught:
        open_space(store_copy, "encoder")
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
