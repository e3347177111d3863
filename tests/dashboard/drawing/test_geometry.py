"""The columns of the translation: nothing overlaps, and words fit their boxes."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from dashboard.drawing.geometry import (
    CHIP_PADDING,
    CHIP_SIZE,
    GAP,
    LEGIBLE_CELL,
    NARROWEST,
    Column,
    cell_width,
    chip_width,
    compared_columns,
    place,
    source_columns,
    spread,
    target_columns,
)
from dashboard.drawing.typography import text_width

WORDS = st.lists(st.text(max_size=45), min_size=1, max_size=40)
ROOMS = st.floats(200, 2500)


@given(WORDS, ROOMS)
def test_columns_never_overlap_and_hold_their_words(words: list[str], room: float) -> None:
    columns = source_columns(words, room)

    assert_apart(columns)
    for word, column in zip(words, columns, strict=True):
        assert column.width >= max(NARROWEST, text_width(word, CHIP_SIZE, 600) + 2 * CHIP_PADDING)


@given(WORDS, ROOMS)
def test_target_columns_hold_word_and_alternatives(words: list[str], room: float) -> None:
    columns = target_columns(words, [[(word[:5], "100"), ("of", "7")] for word in words], room)

    assert_apart(columns)
    for word, column in zip(words, columns, strict=True):
        assert column.width >= chip_width(word)
        assert column.width >= text_width(word[:5], 12, 600) + text_width("100", 11)


@given(WORDS, ROOMS)
def test_compared_columns_hold_both_words_and_cut_no_alternative_beyond_reading(words: list[str], room: float) -> None:
    pairs = list(zip(words, reversed(words), strict=True))
    cells = [[(one, "100"), (other, "7")] for one, other in pairs]
    columns = compared_columns(pairs, cells, room)

    assert_apart(columns)
    for own, column, texts in zip(pairs, columns, cells, strict=True):
        whole = max(cell_width(*cell) for cell in texts)
        assert column.width >= max(*map(chip_width, own), min(whole, LEGIBLE_CELL))
    wide = compared_columns(pairs, cells, 100_000)
    assert all(column.width >= max(cell_width(*cell) for cell in own) for column, own in zip(wide, cells, strict=True))


@given(st.lists(st.floats(10, 400), min_size=1, max_size=40), ROOMS)
def test_spreading_only_widens_and_never_beyond_the_room(widths: list[float], room: float) -> None:
    spread_widths = spread(widths, room, 70)

    assert all(after >= before for before, after in zip(widths, spread_widths, strict=True))
    needed = sum(widths) + GAP * (len(widths) - 1)
    assert sum(spread_widths) + GAP * (len(widths) - 1) <= max(room, needed) + 1e-6


def test_equal_words_get_equal_columns_that_fill_the_room() -> None:
    widths = spread([30.0] * 10, 10 * 50 + 9 * GAP, 70)

    assert widths == [50.0] * 10


def test_a_column_knows_its_middle() -> None:
    assert (Column(10, 20).center, Column(10, 20).right) == (20, 30)


def assert_apart(columns: tuple[Column, ...]) -> None:
    assert all(left.right < right.left for left, right in pairwise(columns))
    assert place([column.width for column in columns]) == columns
