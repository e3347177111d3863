"""Two answers beside each other: words in common columns, attention of both, and the most probable words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dashboard.drawing.comparison_links import HEIGHT
from dashboard.drawing.comparison_picture import ComparedColumn, ComparedWord, ComparisonPicture, source_boxes
from dashboard.drawing.geometry import Column
from dashboard.drawing.picture import GUTTER
from dashboard.drawing.svg.document import Drawing, group, path, text
from dashboard.drawing.svg.translation import CHIP, GAP, ROW, draw_cell, draw_chips, name_rows
from exported_models.comparison.alignment import Change

Palette = Mapping[str, str]
Paths = Sequence[Sequence[Any]]
"""Links as `comparison_links.trace_paths` gives them."""


def draw_comparison(picture: ComparisonPicture, above: Paths, below: Paths, palette: Palette, title: str) -> Drawing:
    """The pivot above the source, the other answer below it.

    Args:
        above, below: links of the pivot and of the other answer.
    """
    choices = picture.rows * ROW
    pivot = choices + GAP
    source = pivot + CHIP + HEIGHT
    other = source + CHIP + HEIGHT
    last = other + CHIP + GAP
    marks = [
        *_draw_choices(picture, 0, palette, after=False),
        *_draw_words(picture, pivot, palette, after=False),
        group(_draw_links(above, palette["pivot"], palette), y=pivot + CHIP),
        *_draw_sources(picture, source, palette),
        group(_draw_links(below, palette["cmp"], palette), y=source + CHIP),
        *_draw_words(picture, other, palette, after=True),
        *_draw_choices(picture, last, palette, after=True),
    ]
    tops = (-2, pivot, source, other, last - 2)
    names = name_rows(zip(("top k", "pivot", "source", "compare", "top k"), tops, strict=True), palette)
    return Drawing(title, GUTTER + picture.width, last + choices, (*names, group(marks, x=GUTTER)))


def _draw_words(picture: ComparisonPicture, top: float, palette: Palette, *, after: bool) -> Iterator[str]:
    """The target words of a side; those that differ are outlined in its color."""
    for column in picture.targets:
        word = column.after if after else column.before
        if word:
            yield from _draw_chip(word, column.box, column, top, palette, "dec", "cmp" if after else "pivot")


def _draw_sources(picture: ComparisonPicture, top: float, palette: Palette) -> Iterator[str]:
    for column in picture.sources:
        boxes = source_boxes(column)
        if column.replacement:
            old, new = column.replacement
            yield from _draw_chip(old, boxes[0], column, top, palette, "enc", "pivot")
            yield text(boxes[0].right + 4, top + 18, "›", 14, palette["mute"])
            yield from _draw_chip(new, boxes[1], column, top, palette, "enc", "cmp")
        elif word := column.after or column.before:
            yield from _draw_chip(word, column.box, column, top, palette, "enc", "cmp" if column.after else "pivot")


def _draw_chip(
    word: ComparedWord, place: Column, column: ComparedColumn, top: float, palette: Palette, fill: str, tone: str
) -> Iterator[str]:
    stroke = "" if column.change is Change.EQUAL else palette[tone]
    return draw_chips([word.text], [place], top, palette[fill], palette[f"{fill}-ink"], stroke)


def _draw_links(paths: Paths, moved: str, palette: Palette) -> Iterator[str]:
    for d, width, kind, *_ in paths:
        yield path(d, moved if kind else palette["link"], width, opacity=0.7 if kind else 0.45)


def _draw_choices(picture: ComparisonPicture, top: float, palette: Palette, *, after: bool) -> Iterator[str]:
    for column in picture.targets:
        word = column.after if after else column.before
        for rank, cell in enumerate(word.cells if word else ()):
            bar = palette["barch" if cell.chosen else "bar"]
            colors = palette["soft"], bar, palette["ink"], palette["mute"]
            yield from draw_cell(column.box, top + rank * ROW, cell.word, cell.percent, colors)
