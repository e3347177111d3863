"""The columns of the translation: as wide as their words, spread over the room there is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dashboard.drawing.typography import text_width

GAP = 6.0
CHIP_SIZE = 13.0
CHIP_PADDING = 8.0
CELL_SIZE = 12.0
CELL_PADDING = 6.0
NUMBER_SIZE = 11.0
NUMBER_GAP = 6.0
"""Pixels between a word of the top k and its percent."""
NARROWEST = 26.0
WIDEST_CELL = 160.0
"""Pixels to which an alternative may widen its column. A longer text is cut and shown whole on hover."""
LEGIBLE_CELL = 64.0
"""Pixels below which an alternative that has more to say is not cut: some six letters and a percent."""
SPREAD_SOURCE = 70.0
SPREAD_TARGET = 88.0


@dataclass(frozen=True, slots=True)
class Column:
    """Left edge and width in pixels."""

    left: float
    width: float

    @property
    def center(self) -> float:
        return self.left + self.width / 2

    @property
    def right(self) -> float:
        return self.left + self.width


def source_columns(words: Sequence[str], room: float) -> tuple[Column, ...]:
    """One column a source word."""
    return place(spread([chip_width(word) for word in words], room, SPREAD_SOURCE))


def target_columns(words: Sequence[str], cells: Sequence[Sequence[tuple[str, str]]], room: float) -> tuple[Column, ...]:
    """One column a target word, wide enough for the word and its alternatives. ``cells``: word and percent of each."""
    widths = [
        max(chip_width(word), *(cell_width(*cell) for cell in column))
        for word, column in zip(words, cells, strict=True)
    ]
    return place(spread(widths, room, SPREAD_TARGET))


def compared_columns(
    words: Sequence[Sequence[str]], cells: Sequence[Sequence[tuple[str, str]]], room: float
) -> tuple[Column, ...]:
    """One column for the words of both sides of a comparison and their alternatives.

    A column holds its words whole, and its alternatives as far as all columns together fit into ``room``, but never
    less than `LEGIBLE_CELL` of them: a picture that then needs more than the room is scrolled, both sides at once.
    """
    wanted = [
        max(*map(chip_width, own), *(cell_width(*cell) for cell in column), NARROWEST)
        for own, column in zip(words, cells, strict=True)
    ]
    least = [max(*map(chip_width, own), min(most, LEGIBLE_CELL)) for own, most in zip(words, wanted, strict=True)]
    free = room - GAP * (len(words) - 1) - sum(least)
    more = sum(wanted) - sum(least)
    share = min(1.0, max(0.0, free / more)) if more else 0.0
    widths = [float((low + share * (most - low)) // 1) for low, most in zip(least, wanted, strict=True)]
    return place(spread(widths, room, SPREAD_TARGET))


def chip_width(word: str) -> float:
    """Width of the box of a word, rounded up to whole pixels so that edges stay sharp."""
    return float(max(NARROWEST, -(-(text_width(word, CHIP_SIZE, 600) + 2 * CHIP_PADDING) // 1)))


def cell_width(word: str, number: str) -> float:
    """Width of a word of the top k and its percent, at most `WIDEST_CELL`."""
    texts = text_width(word, CELL_SIZE, 600) + NUMBER_GAP + text_width(number, NUMBER_SIZE)
    return float(min(-(-texts // 1) + 2 * CELL_PADDING, WIDEST_CELL))


def spread(widths: Sequence[float], room: float, limit: float) -> list[float]:
    """Widen the narrowest columns, up to ``limit``, as far as all together fit into ``room``."""
    free = room - GAP * (len(widths) - 1)
    level = next((level for level in range(int(limit), 0, -1) if _filled(widths, level) <= free), 0)
    return [max(width, float(level)) for width in widths]


def place(widths: Sequence[float]) -> tuple[Column, ...]:
    """Columns side by side."""
    columns, left = [], 0.0
    for width in widths:
        columns.append(Column(left, width))
        left += width + GAP
    return tuple(columns)


def _filled(widths: Sequence[float], level: float) -> float:
    return sum(max(width, level) for width in widths)
