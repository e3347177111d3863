"""The batches of a block: every sentence once, and no batch larger than allowed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.store.batches import plan_batches

LENGTHS = st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=60)


def plan(lengths: list[tuple[int, int]], tokens: int) -> list[Sequence[int]]:
    return plan_batches(np.array(lengths, np.int64), tokens)


@given(LENGTHS, st.integers(1, 400))
def test_every_sentence_is_in_one_batch(lengths: list[tuple[int, int]], tokens: int) -> None:
    seen = [sentence for batch in plan(lengths, tokens) for sentence in batch]
    assert sorted(seen) == list(range(len(lengths)))


@given(LENGTHS, st.integers(1, 400))
def test_no_batch_of_several_sentences_is_over_the_limit(lengths: list[tuple[int, int]], tokens: int) -> None:
    for batch in plan(lengths, tokens):
        padded = sum(max(lengths[s][side] for s in batch) for side in (0, 1)) * len(batch)
        assert len(batch) == 1 or padded <= tokens


def test_a_block_without_sentences_has_no_batches() -> None:
    assert plan_batches(np.empty((0, 2), np.int64), 100) == []
