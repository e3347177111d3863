"""The layout of two answers beside each other: aligned columns of target words, and the source words between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dashboard.drawing.geometry import (
    SPREAD_SOURCE,
    Column,
    chip_width,
    compared_columns,
    place,
    spread,
)
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
    def replacement(self) -> tuple[ComparedWord, ComparedWord] | None:
        """Both words where one took the place of the other; those of the source then stand beside each other."""
        if self.change is not Change.CHANGED or self.before is None or self.after is None:
            return None
        return self.before, self.after

    @property
    def name(self) -> str:
        """The word of the column; both where they differ."""
        return " › ".join(dict.fromkeys(word.text for word in (self.before, self.after) if word))


@dataclass(frozen=True, slots=True)
class ComparisonPicture:
    """Two answers laid out in common columns."""

    found: Comparison
    sources: tuple[ComparedColumn, ...]
    targets: tuple[ComparedColumn, ...]

    @property
    def source_names(self) -> tuple[str, ...]:
        """The names of the source columns."""
        return tuple(column.name for column in self.sources)

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
    target_boxes = _target_boxes(targets, room)
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


def _target_boxes(pairs: Sequence[_Pair], room: float) -> tuple[Column, ...]:
    words = [[word for word in pair[:2] if word] for pair in pairs]
    cells = [[(cell.word, cell.percent) for word in own for cell in word.cells] for own in words]
    return compared_columns([[word.text for word in own] for own in words], cells, room)


def source_boxes(column: ComparedColumn) -> tuple[Column, Column]:
    """The boxes of both words of a source column; equal where only one word stands there."""
    if column.replacement is None:
        return column.box, column.box
    widths = [chip_width(word.text) for word in column.replacement]
    width = round((column.box.width - ARROW) * widths[0] / sum(widths))
    first = Column(column.box.left, width)
    return first, Column(first.right + ARROW, column.box.width - ARROW - width)
