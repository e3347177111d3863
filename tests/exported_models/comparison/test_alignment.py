"""Alignment in columns: as few edits as any, and attention between equals."""

import functools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from exported_models.comparison.alignment import (
    Change,
    align,
    count_changes,
    list_tokens,
    list_words,
    split_words,
)

words = st.lists(st.sampled_from("abc"), max_size=7)


@functools.cache
def edit_distance(before: tuple[str, ...], after: tuple[str, ...]) -> int:
    """The textbook recursion, as the oracle."""
    if not before or not after:
        return len(before) + len(after)
    paired = edit_distance(before[1:], after[1:]) + (before[0] != after[0])
    return min(paired, edit_distance(before[1:], after) + 1, edit_distance(before, after[1:]) + 1)


@given(words, words)
def test_columns_cover_both_sides_in_order_with_the_fewest_edits(before: list[str], after: list[str]) -> None:
    columns = align(list_tokens(before), list_tokens(after))

    assert [place for column in columns for place in column.before] == list(range(len(before)))
    assert [place for column in columns for place in column.after] == list(range(len(after)))
    assert count_changes(columns) == edit_distance(tuple(before), tuple(after))
    for column in columns:
        if column.change is Change.EQUAL:
            assert before[column.before[0]] == after[column.after[0]]


def test_attention_decides_between_alignments_with_equally_many_edits() -> None:
    before, after = list_tokens("aa"), list_tokens("a")

    for kept in (0, 1):
        likeness = np.zeros((2, 1), np.float32)
        likeness[kept, 0] = 1
        (equal,) = (column for column in align(before, after, likeness) if column.change is Change.EQUAL)
        assert equal.before == (kept,)


def test_tokens_belong_to_the_words_that_they_spell() -> None:
    units = list_words("an owl 東京", ((0, 2), (2, 4), (4, 6), (6, 9), (9, 9)), ended=True)

    assert [(unit.text, unit.places) for unit in units] == [
        ("an", (0,)),
        ("owl", (1, 2)),
        ("東", (3,)),
        ("京", (3,)),
        ("", (4,)),
    ]
    assert [unit.text for unit in split_words("an owl 東京")] == ["an", "owl", "東", "京"]


def test_words_that_were_not_read_are_no_units() -> None:
    units = list_words("an owl flies", ((0, 2), (2, 6)), ended=False)

    assert [(unit.text, unit.places) for unit in units] == [("an", (0,)), ("owl", (1,))]
