"""Links of two answers: those that moved stand out."""

import numpy as np

from dashboard.drawing.comparison_links import compare_links

EVEN = np.array([[0.5, 0.5], [1.0, 0.0]], np.float32)
MOVED = np.array([[0.9, 0.1], [1.0, 0.0]], np.float32)


def test_links_that_gained_are_marked_on_the_side_that_has_more() -> None:
    links = compare_links(MOVED, EVEN, 1.0, only_moved=False)

    assert {(link.target, link.source): link.moved for link in links} == {(0, 0): True, (0, 1): False, (1, 0): False}


def test_only_what_moved_is_left_on_each_side() -> None:
    before = compare_links(EVEN, MOVED, 1.0, only_moved=True)
    after = compare_links(MOVED, EVEN, 1.0, only_moved=True)

    assert [(link.target, link.source) for link in before] == [(0, 1)]
    assert [(link.target, link.source) for link in after] == [(0, 0)]


def test_a_word_that_the_other_side_lacks_has_no_attention_that_moved() -> None:
    absent = np.array([[np.nan, np.nan], [1.0, 0.0]], np.float32)

    assert compare_links(MOVED, absent, 1.0, only_moved=True) == ()
