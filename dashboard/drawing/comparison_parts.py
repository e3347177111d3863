"""The parts of a comparison as components: words of both sides, their most probable words, and the text twin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from dash import html
from dash.development.base_component import Component

from dashboard.drawing.attributes import wild
from dashboard.drawing.comparison_picture import ComparedColumn, ComparedWord, ComparisonPicture, source_boxes
from dashboard.drawing.geometry import Column
from dashboard.drawing.source_words import name_word
from exported_models.comparison.alignment import Change
from exported_models.comparison.attention import Move

SPOKEN = {
    Change.EQUAL: "equal",
    Change.CHANGED: "changed",
    Change.ADDED: "only in compare",
    Change.DROPPED: "only in pivot",
}
MOST_MOVES = 3
"""Most moves of attention that the text twin names of a word."""


def draw_targets(picture: ComparisonPicture, *, after: bool) -> list[Component]:
    """One button a word of a side, quiet where both sides are equal.

    A word of the pivot lights and selects the word that stands in its column on the other side.
    """
    return [
        _chip(word, column.box, column, f"t{index}", "target")
        for index, column in enumerate(picture.targets)
        if (word := column.after if after else column.before)
    ]


def draw_sources(picture: ComparisonPicture) -> list[Component]:
    """The source words of both sides in one row; a replaced word stands before the word that replaced it."""
    drawn: list[Component] = []
    for index, column in enumerate(picture.sources):
        boxes, named = source_boxes(column), _name_after(picture, column)
        if column.replacement:
            old, new = column.replacement
            drawn += [
                _chip(old, boxes[0], column, f"s{index}", "source", "before"),
                html.Span("›", className="arrow", style={"left": round(boxes[0].right)}),
                _chip(new, boxes[1], column, f"s{index}", "source", "after", named),
            ]
        elif word := column.after or column.before:
            drawn.append(_chip(word, column.box, column, f"s{index}", "source", "", named))
    return drawn


def draw_choices(picture: ComparisonPicture, *, after: bool) -> list[Component]:
    """The most probable words of each step of a side; those after are buttons that force their word."""
    columns = ((column, column.after if after else column.before) for column in picture.targets)
    return [
        html.Div(
            [_cell(cell.word, cell.percent, chosen=cell.chosen, button=after) for cell in word.cells],
            className=f"top-column {column.change}",
            style={"left": round(column.box.left), "width": round(column.box.width)},
            role="group",
            **wild(aria_label=f"Most probable at step {word.place + 1}, percent", data_index=str(word.place)),
        )
        for column, word in columns
        if word
    ]


def draw_comparison_twin(picture: ComparisonPicture, moves: Sequence[Move]) -> Component:
    """The columns as a table: both words with their percent, the change, and the attention that moved."""
    names = ("pivot", "percent", "compare", "percent", "change", "attention moved, pivot to compare")
    head = html.Thead(html.Tr([html.Th(name, scope="col") for name in names]))
    rows = [_twin_row(picture, index, moves) for index in range(len(picture.targets))]
    return html.Table([head, html.Tbody(rows)], className="twin")


def _twin_row(picture: ComparisonPicture, index: int, moves: Sequence[Move]) -> Component:
    column = picture.targets[index]
    own = [move for move in moves if move.target == index][:MOST_MOVES]
    moved = ", ".join(f"{picture.sources[m.source].name} {100 * m.before:.0f} to {100 * m.after:.0f} %" for m in own)
    cells = [
        text for word in (column.before, column.after) for text in ((word.text, word.percent) if word else ("none", ""))
    ]
    return html.Tr([*(html.Td(cell) for cell in cells), html.Td(SPOKEN[column.change]), html.Td(moved)])


def _name_after(picture: ComparisonPicture, column: ComparedColumn) -> dict[str, str]:
    """The word of the shown answer, which can be written anew; none where only the pivot has one."""
    return name_word(picture.found.after.trace.source, column.after.place) if column.after else {}


def _chip(
    word: ComparedWord,
    box: Column,
    column: ComparedColumn,
    name: str,
    side: str,
    part: str = "",
    named: Mapping[str, str] = MappingProxyType({}),
) -> Component:
    linked = column.after
    selects = wild(data_side=side, data_index=str(linked.place)) if linked else {}
    return html.Button(
        word.text,
        className=f"{column.change} {part}".strip(),
        style={"left": round(box.left), "width": round(box.width)},
        title=None if column.change is Change.EQUAL else SPOKEN[column.change],
        **(wild(data_column=name) | selects | dict(named)),
    )


def _cell(word: str, share: str, *, chosen: bool, button: bool) -> Component:
    kind = html.Button if button else html.Div
    return kind(word, className="cell chosen" if chosen else "cell", style={"--p": int(share)}, title=word)
