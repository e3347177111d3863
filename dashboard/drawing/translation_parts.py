"""The parts of the translation view as components: words, top k, matrix, text twin. Pure functions of a picture."""

from __future__ import annotations

from collections.abc import Sequence

from dash import html
from dash.development.base_component import Component

from dashboard.drawing.attributes import wild
from dashboard.drawing.geometry import WIDEST_CELL, Column
from dashboard.drawing.links import Link
from dashboard.drawing.matrix import MATRIX_MARGIN, Figure, Scale, draw_heat_map, fit_gutter
from dashboard.drawing.picture import Picture
from dashboard.drawing.source_words import name_word
from dashboard.drawing.words import percent
from dashboard.state.page_state import Side
from exported_models.contract.arrays import Floats
from exported_models.contract.source import Source
from exported_models.contract.trace import TokenChoice

MATRIX_HEIGHT = 168
MATRIX_ROWS = (15, 20)
"""Least and greatest pixels a row of the matrix is high; in between the matrix keeps its height."""


def draw_words(
    side: Side, words: Sequence[str], columns: Sequence[Column], source: Source | None = None
) -> list[Component]:
    """One button a word, placed over its column. The browser lights and selects words by side and index.

    Args:
        source: the source whose words these are; each box then names the whole word that it belongs to.
    """
    return [
        html.Button(
            word,
            style={"left": round(column.left), "width": round(column.width)},
            **(wild(data_side=side, data_index=str(index)) | (name_word(source, index) if source else {})),
        )
        for index, (word, column) in enumerate(zip(words, columns, strict=True))
    ]


def draw_top_k(picture: Picture) -> list[Component]:
    """One group of buttons a target word, best first; the length of a bar is the probability."""
    return [
        html.Div(
            [_cell(picture, step, rank) for rank in range(len(choices))],
            className="top-column",
            style={"left": round(picture.targets[step].left), "width": round(picture.targets[step].width)},
            role="group",
            **wild(
                aria_label=f"Most probable at step {step + 1}, percent",
                data_side="target",
                data_index=str(step),
            ),
        )
        for step, choices in enumerate(picture.top_k)
    ]


def draw_matrix(picture: Picture, attention: Floats, palette: dict[str, str]) -> Figure:
    """Attention as a heat map whose columns stand over the target words. ``attention``: [target, source]."""
    names = picture.source_words, picture.target_words
    scale = Scale(0, 1, (palette["soft"], palette["acc"]))
    return draw_heat_map(attention, names, picture.targets, matrix_row(picture), scale, palette["mute"])


def canvas_style(picture: Picture) -> dict[str, str]:
    """The sizes of the canvas as CSS variables: of the words, the top k, and the gutter beside the matrix."""
    rows = max((len(choices) for choices in picture.top_k), default=0)
    return {
        "--words": f"{picture.width:g}px",
        "--rows": str(rows),
        "--matrix-gutter": f"{fit_gutter(picture.source_words):g}px",
    }


def matrix_row(picture: Picture) -> float:
    """Pixels a row of the matrix is high."""
    least, greatest = MATRIX_ROWS
    return min(greatest, max(least, MATRIX_HEIGHT / len(picture.source_words)))


def draw_text_twin(picture: Picture, links: Sequence[Link]) -> Component:
    """The attention in words: the source words that each target word looks at, in percent."""
    by_target: dict[int, list[Link]] = {}
    for link in links:
        by_target.setdefault(link.target, []).append(link)
    rows = [
        html.Tr(
            [
                html.Th(word, scope="row"),
                html.Td(percent(picture.hypothesis.log_probs[index])),
                html.Td(_spell_links(picture, by_target.get(index, []))),
            ],
            **wild(data_side="target", data_index=str(index)),
        )
        for index, word in enumerate(picture.target_words)
    ]
    head = html.Thead(html.Tr([html.Th(text, scope="col") for text in ("word", "percent", "attention on")]))
    return html.Table([head, html.Tbody(rows)], className="twin")


def _spell_links(picture: Picture, links: Sequence[Link]) -> str:
    spelled = (f"{picture.source_words[link.source]} {100 * link.weight:.0f} %" for link in links)
    return ", ".join(spelled) or "nothing"


def _cell(picture: Picture, step: int, rank: int) -> Component:
    choice = picture.top_k[step][rank]
    word = picture.target_text.show(choice.token)
    # The browser derives position and percent itself: a long sentence has hundreds of cells.
    attributes: dict[str, str] = {}
    if choice.token_id == picture.hypothesis.token_ids[step]:
        attributes["className"] = "chosen"
    if _is_cut(picture.targets[step], choice):
        attributes["title"] = word
    return html.Button(word, style={"--p": round(100 * choice.probability)}, **wild(**attributes))


def _is_cut(column: Column, choice: TokenChoice) -> bool:
    return column.width >= WIDEST_CELL and len(choice.token) > 12


def matrix_height(picture: Picture) -> float:
    """Pixels the matrix is high."""
    return len(picture.source_words) * matrix_row(picture) + 2 * MATRIX_MARGIN
