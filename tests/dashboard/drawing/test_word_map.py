"""Words on a plane: in the frame, and none over another."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.drawing.word_map import HEIGHT, ROW, WIDTH, place_words

words = st.lists(st.text("abcdefgMW", min_size=1, max_size=14), min_size=1, max_size=21)


@settings(max_examples=40)
@given(words, st.integers(0, 99))
def test_no_word_covers_another_or_leaves_the_map(texts: list[str], seed: int) -> None:
    chance = np.random.default_rng(seed)
    placed = place_words(texts, chance.normal(size=(len(texts), 2)), chance.random(len(texts)).tolist())

    assert placed[0].index == 0
    assert all(word.left >= 0 and word.left + word.width <= WIDTH + 1e-6 for word in placed)
    assert all(word.top >= 0 and word.top + ROW <= HEIGHT + 1e-6 for word in placed)
    for one, other in combinations(placed, 2):
        across = min(one.left + one.width, other.left + other.width) - max(one.left, other.left)
        assert across <= 1e-6 or abs(one.top - other.top) >= ROW - 1e-6


def test_words_with_room_stand_where_they_are_near_and_the_nearest_is_largest() -> None:
    points = np.array([[0.0, 0.0], [1.0, 1.0], [-1.0, -1.0]])
    own, right, left = place_words(["own", "right", "left"], points, [1.0, 0.8, 0.2])

    assert left.left < own.left < right.left
    assert right.top < own.top < left.top
    assert own.size > right.size > left.size


def test_words_in_one_place_are_moved_apart() -> None:
    placed = place_words(["same"] * 5, np.zeros((5, 2)), [0.5] * 5)

    assert len({(word.left, word.top) for word in placed}) == 5
