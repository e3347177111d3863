"""Widths of texts in Inter."""

import pytest

from dashboard.drawing.typography import text_width


def test_a_text_is_as_wide_as_its_characters() -> None:
    assert text_width("", 12) == 0
    assert text_width("ab", 12) == pytest.approx(text_width("a", 12) + text_width("b", 12))
    assert text_width("a", 24) == pytest.approx(2 * text_width("a", 12))


def test_semibold_is_wider_and_figures_are_tabular() -> None:
    assert text_width("Baumstamm", 13, 600) > text_width("Baumstamm", 13, 400)
    assert len({text_width(digit, 12) for digit in "0123456789"}) == 1


@pytest.mark.parametrize("unknown", ["年", "🙂", "あ"])
def test_what_inter_does_not_draw_is_one_em(unknown: str) -> None:
    assert text_width(unknown, 12) == 12


def test_combining_marks_take_no_room() -> None:
    assert text_width("e\u0301", 12) == text_width("e", 12)


@pytest.mark.parametrize("mark", ["␣", "⏎"])
def test_the_marks_of_tokens_are_in_the_font(mark: str) -> None:
    assert text_width(mark, 12) not in (0, 12)
