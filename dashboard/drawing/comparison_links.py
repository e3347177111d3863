"""Attention of two answers as links between their aligned columns, and its difference as a matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dashboard.drawing.comparison_picture import ComparisonPicture, source_boxes
from dashboard.drawing.links import THICKEST, THINNEST, prune
from dashboard.drawing.matrix import Figure, Scale, draw_heat_map
from exported_models.comparison.attention import MOVED
from exported_models.contract.arrays import Floats

HEIGHT = 64
"""Pixels between the source words and the target words of a side."""
ROW = 18
"""Pixels a row of the matrix is high."""
LEAST_STRONGEST = 0.2
"""Difference of weights that is drawn in full color, unless a greater one is there."""


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


def trace_paths(picture: ComparisonPicture, links: Sequence[ComparedLink], *, after: bool) -> list[list[Any]]:
    """``[path, width, class, target column, source column]`` of each link; the side before stands above the source."""
    centers = [source_boxes(column)[after].center for column in picture.sources]
    return [_trace_path(link, picture.targets[link.target].box.center, centers[link.source], after) for link in links]


def _trace_path(link: ComparedLink, start: float, end: float, after: bool) -> list[Any]:
    start, end, middle = round(start, 1), round(end, 1), HEIGHT // 2
    top, bottom = (HEIGHT, 0) if after else (0, HEIGHT)
    path = f"M{start:g},{top}C{start:g},{middle} {end:g},{middle} {end:g},{bottom}"
    width = round(THINNEST + (THICKEST - 2 - THINNEST) * link.weight, 1)
    return [path, width, "moved" if link.moved else "", link.target, link.source]


def draw_difference(picture: ComparisonPicture, difference: Floats, palette: dict[str, str]) -> Figure:
    """The difference as a heat map whose columns stand under the target words; green where the pivot has more.

    Args:
        difference: [target, source] weights after minus before.
    """
    moved = np.where(np.abs(difference) >= MOVED, difference, 0)
    strongest = max(LEAST_STRONGEST, float(np.abs(moved).max(initial=0.0)))
    scale = Scale(-strongest, strongest, (palette["pivot"], palette["soft"], palette["cmp"]), "+.0%")
    boxes = [column.box for column in picture.targets]
    names = picture.source_names, [column.name for column in picture.targets]
    return draw_heat_map(moved, names, boxes, ROW, scale, palette["mute"])
