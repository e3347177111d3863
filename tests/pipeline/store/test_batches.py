"""The batch plan: every sentence once, in the shard it belongs to, and no batch larger than allowed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.store.batches import BatchPlan, plan_batches, read_plan, write_plan

LENGTHS = st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=60)


def plan(lengths: list[tuple[int, int]], shard_pairs: int, tokens: int) -> BatchPlan:
    return plan_batches(np.array(lengths, np.int64), shard_pairs, tokens)


@given(LENGTHS, st.integers(1, 20), st.integers(1, 400))
def test_every_sentence_is_in_one_batch_of_its_shard(
    lengths: list[tuple[int, int]], shard_pairs: int, tokens: int
) -> None:
    found = plan(lengths, shard_pairs, tokens)
    seen = [(shard, s) for shard in found.shard_numbers() for batch in found.batches(shard) for s in batch]
    assert sorted(s for _, s in seen) == list(range(len(lengths)))
    assert all(shard == s // shard_pairs for shard, s in seen)


@given(LENGTHS, st.integers(1, 400))
def test_no_batch_of_several_sentences_is_over_the_limit(lengths: list[tuple[int, int]], tokens: int) -> None:
    for batch in plan(lengths, 100, tokens).batches(0):
        padded = sum(max(lengths[s][side] for s in batch) for side in (0, 1)) * len(batch)
        assert len(batch) == 1 or padded <= tokens


def test_a_plan_is_read_as_it_was_written(tmp_path: Path) -> None:
    made = plan([(3, 4), (1, 1), (9, 2), (3, 3), (2, 8)], 2, 12)
    write_plan(tmp_path, made)
    read = read_plan(tmp_path)
    for shard in made.shard_numbers():
        assert list(read.batches(shard)) == list(made.batches(shard))
    assert read.shard_numbers() == made.shard_numbers()
