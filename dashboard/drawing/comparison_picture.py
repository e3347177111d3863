"""The layout of two answers beside each other: aligned columns of target words, and the source words between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dashboard.drawing import geometry
from dashboard.drawing.geometry import CELL_SIZE, SPREAD_SOURCE, SPREAD_TARGET, Column, chip_width, place, spread
from dashboard.drawing.typography import text_width
from dashboard.drawing.words import GLUE_MARK, PairText, TokenText, percent
from exported_models.comparison import alignment
from exported_models.comparison.alignment import Change
from exported_models.comparison.comparison import Comparison
from exported_models.comparison.sides import Side

ROWS = 3
"""Most probable words that are drawn of each step."""
ARROW = 16.0
"""Pixels between a source word and the word that takes its place."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One of the most probable words of a step, with its probability in percent."""

    word: str
    percent: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class ComparedWord:
    """A word of one side in its column.

    Attributes:
        place: of its first token, counted from 0.
        percent: probability of its first token; empty for a source word.
        cells: the most probable words at its first token, the best first; empty for a source word.
    """

    text: str
    place: int
    percent: str = ""
    cells: tuple[Cell, ...] = ()


@dataclass(frozen=True, slots=True)
class ComparedColumn:
    """A column of both sides; None where a side has no word there."""

    before: ComparedWord | None
    after: ComparedWord | None
    change: Change
    box: Column

    @property
    def replaced(self) -> bool:
        """Whether the words of both sides stand beside each other, as those of the source do."""
        return self.change is Change.CHANGED


@dataclass(frozen=True, slots=True)
class ComparisonPicture:
    """Two answers laid out in common columns."""

    found: Comparison
    sources: tuple[ComparedColumn, ...]
    targets: tuple[ComparedColumn, ...]

    @property
    def width(self) -> float:
        """Pixels that the columns take."""
        return max((columns[-1].box.right for columns in (self.sources, self.targets) if columns), default=0.0)

    @property
    def rows(self) -> int:
        """Rows of the most probable words, at most `ROWS`."""
        words = [word for column in self.targets for word in (column.before, column.after) if word]
        return max((len(word.cells) for word in words), default=0)


def lay_out_comparison(found: Comparison, texts: tuple[PairText, PairText], room: float) -> ComparisonPicture:
    """Columns for both sides in ``room`` pixels; more are taken where the words need them.

    Args:
        texts: the writers of the models before and after.
    """
    sources = [_source_pair(found, texts, column) for column in found.source]
    targets = [_target_pair(found, texts, column) for column in found.columns]
    source_boxes = place(spread([_source_width(*pair) for pair in sources], room, SPREAD_SOURCE))
    target_boxes = place(spread(_fit_targets(targets, room), room, SPREAD_TARGET))
    return ComparisonPicture(
        found,
        tuple(ComparedColumn(*pair, box) for pair, box in zip(sources, source_boxes, strict=True)),
        tuple(ComparedColumn(*pair, box) for pair, box in zip(targets, target_boxes, strict=True)),
    )


_Pair = tuple[ComparedWord | None, ComparedWord | None, Change]


def _source_pair(found: Comparison, texts: tuple[PairText, PairText], column: alignment.Column) -> _Pair:
    return (
        _source_word(found.before, texts[0].source, column.before),
        _source_word(found.after, texts[1].source, column.after),
        column.change,
    )


def _source_word(side: Side, writer: TokenText, places: Sequence[int]) -> ComparedWord | None:
    if not places:
        return None
    return ComparedWord(_join(writer, [side.trace.source.tokens[place] for place in places]), places[0])


def _target_pair(found: Comparison, texts: tuple[PairText, PairText], column: alignment.Column) -> _Pair:
    return (
        _target_word(found.before, texts[0].target, column.before),
        _target_word(found.after, texts[1].target, column.after),
        column.change,
    )


def _target_word(side: Side, writer: TokenText, places: Sequence[int]) -> ComparedWord | None:
    if not places:
        return None
    shown, first = side.hypothesis, places[0]
    choices = side.trace.top_k(shown)[first][:ROWS]
    cells = tuple(
        Cell(writer.show(choice.token), percent(choice.log_prob), choice.token_id == shown.token_ids[first])
        for choice in choices
    )
    text = _join(writer, [shown.tokens[place] for place in places])
    return ComparedWord(text, first, percent(shown.log_probs[first]), cells)


def _join(writer: TokenText, tokens: Sequence[str]) -> str:
    """The word that these tokens make; the mark of a continued word stays where it begins with one."""
    first, *rest = writer.show_all(tokens)
    return first + "".join(text.removeprefix(GLUE_MARK) for text in rest)


def _source_width(before: ComparedWord | None, after: ComparedWord | None, change: Change) -> float:
    widths = [chip_width(word.text) for word in (before, after) if word]
    return sum(widths) + ARROW if change is Change.CHANGED else max(widths)


def _target_width(before: ComparedWord | None, after: ComparedWord | None, _change: Change) -> float:
    words = [word for word in (before, after) if word]
    return max((_cell_width(cell) for word in words for cell in word.cells), default=0.0)


def _fit_targets(pairs: Sequence[_Pair], room: float) -> list[float]:
    """Widths of the target columns: of their most probable words as far as all fit, at least of their own words."""
    least = [max(chip_width(word.text) for word in pair[:2] if word) for pair in pairs]
    wanted = [max(low, _target_width(*pair)) for low, pair in zip(least, pairs, strict=True)]
    free = room - geometry.GAP * (len(pairs) - 1) - sum(least)
    more = sum(wanted) - sum(least)
    share = min(1.0, max(0.0, free / more)) if more else 0.0
    return [float((low + share * (high - low)) // 1) for low, high in zip(least, wanted, strict=True)]


def _cell_width(cell: Cell) -> float:
    texts = text_width(cell.word, CELL_SIZE, 600) + geometry.NUMBER_GAP + text_width(cell.percent, geometry.NUMBER_SIZE)
    return float(min(-(-texts // 1) + 2 * geometry.CELL_PADDING, geometry.WIDEST_CELL))


def source_centers(picture: ComparisonPicture, side: str) -> tuple[float, ...]:
    """The middle of each source column's word of one side (``before`` or ``after``), in pixels."""
    return tuple(_center(column, side) for column in picture.sources)


def source_boxes(column: ComparedColumn) -> tuple[Column, Column]:
    """The boxes of both words of a source column; equal where only one word stands there."""
    if column.before is None or column.after is None or not column.replaced:
        return column.box, column.box
    widths = chip_width(column.before.text), chip_width(column.after.text)
    width = round((column.box.width - ARROW) * widths[0] / sum(widths))
    first = Column(column.box.left, width)
    return first, Column(first.right + ARROW, column.box.width - ARROW - width)


def _center(column: ComparedColumn, side: str) -> float:
    return source_boxes(column)[0 if side == "before" else 1].center
