"""Attention of two answers as links between their aligned columns, and its difference as a matrix."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from dashboard.drawing.comparison_picture import ComparisonPicture, source_centers
from dashboard.drawing.geometry import GAP
from dashboard.drawing.links import THICKEST, THINNEST, prune
from dashboard.drawing.translation_parts import LABEL_GAP, LABEL_SIZE, MATRIX_MARGIN, WIDEST_LABEL
from dashboard.drawing.typography import shorten, text_width
from dashboard.drawing.words import as_plain_text
from exported_models.comparison.attention import MOVED
from exported_models.contract.arrays import Floats

HEIGHT = 64
"""Pixels between the source words and the target words of a side."""
Shown = Literal["before", "after"]
ROW = 18
LEAST_STRONGEST = 0.2
"""Difference of weights that is drawn in full color, unless a greater one is there."""
GUTTER = 64.0


@dataclass(frozen=True, slots=True)
class ComparedLink:
    """Attention of one target column on one source column, 0 to 1.

    Attributes:
        moved: whether the other side has less there, by `MOVED` or more.
    """

    target: int
    source: int
    weight: float
    moved: bool


def compare_links(own: Floats, other: Floats, mass: float, *, only_moved: bool) -> tuple[ComparedLink, ...]:
    """The links of one side, thinnest first where they cross.

    Args:
        own, other: [target, source] weights of this side and of the other; NaN in rows that a side does not have.
        mass: share of a word's attention that the drawn links carry, 0 to 1.
    """
    here: Floats = np.nan_to_num(own)
    there: Floats = np.nan_to_num(other)
    gained: Floats = here - there
    absent = {row for row in range(len(own)) if np.isnan(own[row]).any() or np.isnan(other[row]).any()}
    links = [
        ComparedLink(link.target, link.source, link.weight, bool(gained[link.target, link.source] >= MOVED))
        for link in prune(here, mass)
    ]
    kept = [link for link in links if not only_moved or (link.moved and link.target not in absent)]
    return tuple(sorted(kept, key=lambda link: (link.moved, link.weight)))


def trace_paths(picture: ComparisonPicture, links: Sequence[ComparedLink], side: Shown) -> list[list[Any]]:
    """``[path, width, class, target column, source column]`` of each link; the side before stands above the source."""
    centers = source_centers(picture, side)
    return [list(path) for path in _paths(picture, links, side, centers)]


def _paths(
    picture: ComparisonPicture, links: Sequence[ComparedLink], side: Shown, centers: Sequence[float]
) -> Iterator[tuple[str, float, str, int, int]]:
    top, bottom = (HEIGHT, 0) if side == "after" else (0, HEIGHT)
    for link in links:
        start, end = round(picture.targets[link.target].box.center, 1), round(centers[link.source], 1)
        path = f"M{start:g},{top}C{start:g},{HEIGHT // 2} {end:g},{HEIGHT // 2} {end:g},{bottom}"
        width = round(THINNEST + (THICKEST - 2 - THINNEST) * link.weight, 1)
        yield path, width, "moved" if link.moved else "", link.target, link.source


def difference_gutter(picture: ComparisonPicture) -> float:
    """Pixels left of the matrix of differences: as wide as the longest row label."""
    longest = max((text_width(_name_row(picture, row), LABEL_SIZE) for row in range(len(picture.sources))), default=0.0)
    return max(GUTTER, min(longest, WIDEST_LABEL) // 1 + 1 + 2 * LABEL_GAP)


def draw_difference(picture: ComparisonPicture, difference: Floats, palette: dict[str, str]) -> dict[str, Any]:
    """The difference as a heat map whose columns stand under the target words; green where the pivot has more.

    Args:
        difference: [target, source] weights after minus before.
    """
    boxes = [column.box for column in picture.targets]
    rows, gutter = len(picture.sources), difference_gutter(picture)
    moved = np.where(np.abs(difference) >= MOVED, difference, 0)
    strongest = max(LEAST_STRONGEST, float(np.abs(moved).max(initial=0.0)))
    names = [_name_row(picture, row) for row in range(rows)]
    return {
        "data": [
            {
                "type": "heatmap",
                "x": [box.left - GAP / 2 for box in boxes] + [boxes[-1].right + GAP / 2],
                "y": [row - 0.5 for row in range(rows + 1)],
                "z": [[round(float(value), 3) for value in row] for row in moved.T],
                "text": [
                    [as_plain_text(f"{name} → {_name_column(picture, n)}") for n in range(len(boxes))] for name in names
                ],
                "hovertemplate": "%{text}  %{z:+.0%}<extra></extra>",
                "colorscale": [[0, palette["pivot"]], [0.5, palette["soft"]], [1, palette["cmp"]]],
                "zmin": -strongest,
                "zmax": strongest,
                "xgap": GAP,
                "ygap": 1,
                "showscale": False,
            }
        ],
        "layout": {
            "width": gutter + boxes[-1].right,
            "height": rows * ROW + 2 * MATRIX_MARGIN,
            "margin": {"l": gutter, "r": 0, "t": MATRIX_MARGIN, "b": MATRIX_MARGIN},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "xaxis": {"visible": False, "fixedrange": True, "range": [0, boxes[-1].right]},
            "yaxis": {
                "fixedrange": True,
                "range": [rows - 0.5, -0.5],
                "showgrid": False,
                "zeroline": False,
                "ticks": "",
                "ticklabelstandoff": LABEL_GAP,
                "tickvals": list(range(rows)),
                "ticktext": [as_plain_text(shorten(name, LABEL_SIZE, WIDEST_LABEL)) for name in names],
                "tickfont": {"size": LABEL_SIZE},
            },
            "font": {"family": "Inter, system-ui, sans-serif", "size": 12, "color": palette["mute"]},
            "hoverlabel": {"font": {"family": "Inter, system-ui, sans-serif"}},
        },
    }


def _name_row(picture: ComparisonPicture, row: int) -> str:
    column = picture.sources[row]
    words = [word.text for word in (column.before, column.after) if word]
    return " › ".join(words) if column.replaced else words[0]


def _name_column(picture: ComparisonPicture, place: int) -> str:
    column = picture.targets[place]
    words = [word.text for word in (column.before, column.after) if word]
    return " › ".join(dict.fromkeys(words))
