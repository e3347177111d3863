"""Words on a plane: near embeddings stand near each other, and no word covers another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dashboard.drawing.typography import text_width

WIDTH: Final = 400
HEIGHT: Final = 274
"""Pixels of the map."""
ROW: Final = 24.0
"""Pixels that a word is high: room enough to be hit."""
_PADDING: Final = 6.0
_SIZES: Final = (11.0, 15.0)
"""Pixels of the letters of the least and of the most similar word."""
_ROUNDS: Final = 300
_GAP: Final = 1.0

Points = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class MapWord:
    """A word in its place, in pixels from the left and the top of the map."""

    index: int
    left: float
    top: float
    width: float
    size: float


def place_words(words: Sequence[str], points: Points, weights: Sequence[float]) -> tuple[MapWord, ...]:
    """Words at their points, moved apart as far as they need; those that find no room are left out.

    Args:
        points: [words, 2] places of the words, y upward, in any unit.
        weights: of each word; the largest is written largest. Earlier words keep their room where there is little.
    """
    sizes = _size(weights)
    widths = [
        min(max(ROW, -(-text_width(word, size, 600) // 1) + 2 * _PADDING), WIDTH / 2)
        for word, size in zip(words, sizes, strict=True)
    ]
    centers = _move_apart(_fit(points, widths), widths)
    return tuple(
        MapWord(index, centers[index][0] - widths[index] / 2, centers[index][1] - ROW / 2, widths[index], sizes[index])
        for index in _keep_clear(centers, widths)
    )


def _size(weights: Sequence[float]) -> list[float]:
    low, high = min(weights), max(weights)
    least, greatest = _SIZES
    return [round(least + (greatest - least) * (weight - low) / ((high - low) or 1), 1) for weight in weights]


def _fit(points: Points, widths: Sequence[float]) -> list[list[float]]:
    """Centers in pixels: the points stretched over the map, as far in as their words are wide."""
    spread = np.ptp(points, axis=0)
    shares = np.where(spread > 0, (points - points.min(axis=0)) / np.where(spread > 0, spread, 1), 0.5)
    return [
        [width / 2 + float(right) * (WIDTH - width), ROW / 2 + (1 - float(up)) * (HEIGHT - ROW)]
        for (right, up), width in zip(shares, widths, strict=True)
    ]


def _move_apart(centers: list[list[float]], widths: Sequence[float]) -> list[list[float]]:
    """Push words that overlap apart, each by half of the shorter way, until none does or it does not help."""
    for _ in range(_ROUNDS):
        pushes = [_push(centers, widths, one, other) for one, other in combinations(range(len(centers)), 2)]
        if not any(pushes):
            break
        for center, width in zip(centers, widths, strict=True):
            center[0] = min(max(center[0], width / 2), WIDTH - width / 2)
            center[1] = min(max(center[1], ROW / 2), HEIGHT - ROW / 2)
    return centers


def _push(centers: list[list[float]], widths: Sequence[float], one: int, other: int) -> bool:
    """Move two words apart where they overlap; whether they did."""
    across, down = _overlap(centers, widths, one, other)
    if across <= 0 or down <= 0:
        return False
    axis, way = (0, across) if across < down else (1, down)
    half = way / 2 if centers[one][axis] >= centers[other][axis] else -way / 2
    centers[one][axis] += half
    centers[other][axis] -= half
    return True


def _keep_clear(centers: Sequence[Sequence[float]], widths: Sequence[float]) -> list[int]:
    """Words that cover none of the words before them."""
    kept: list[int] = []
    for index in range(len(centers)):
        if all(min(_overlap(centers, widths, index, other)) <= _GAP for other in kept):
            kept.append(index)
    return kept


def _overlap(centers: Sequence[Sequence[float]], widths: Sequence[float], one: int, other: int) -> tuple[float, float]:
    """Pixels by which two words overlap across and down, a gap between them counted in."""
    across = (widths[one] + widths[other]) / 2 + _GAP - abs(centers[one][0] - centers[other][0])
    down = ROW + _GAP - abs(centers[one][1] - centers[other][1])
    return across, down
