"""Placement of labels beside their points, so that no label covers another, a point or the edge."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

LABEL_HEIGHT = 15.0
MARKER_RADIUS = 6.0
_RINGS = (1.0, 2.2, 3.6)
_DIRECTIONS = ((0, -1), (1, -1), (1, 0), (-1, -1), (-1, 0), (1, 1), (0, 1), (-1, 1))


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels, y downward."""

    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: Box) -> bool:
        """Whether the boxes share any area; boxes whose edges touch do not."""
        across = self.left < other.right and other.left < self.right
        return across and self.top < other.bottom and other.top < self.bottom

    def lies_in(self, frame: Box) -> bool:
        """Whether the whole box is inside ``frame``."""
        across = frame.left <= self.left and self.right <= frame.right
        return across and frame.top <= self.top and self.bottom <= frame.bottom


@dataclass(frozen=True, slots=True)
class Label:
    """A label to place: its point in pixels, the width of its text, and its turn (0 is placed first)."""

    x: float
    y: float
    width: float
    rank: int = 0


def place_labels(labels: Sequence[Label], frame: Box) -> list[Box | None]:
    """A box for each label, or None where there is no room for it.

    Greedy by rank. Each label tries eight directions around its point, near the point first.
    """
    taken = [_around(label.x, label.y, 2 * MARKER_RADIUS, 2 * MARKER_RADIUS) for label in labels]
    placed: list[Box | None] = [None] * len(labels)
    for index in sorted(range(len(labels)), key=lambda i: (labels[i].rank, i)):
        boxes = (box for box in _candidates(labels[index]) if box.lies_in(frame))
        free = next((box for box in boxes if not any(box.overlaps(other) for other in taken)), None)
        placed[index] = free
        if free is not None:
            taken.append(free)
    return placed


def _candidates(label: Label) -> Iterator[Box]:
    for ring in _RINGS:
        for right, down in _DIRECTIONS:
            x = label.x + right * (label.width / 2 + MARKER_RADIUS * ring)
            y = label.y + down * (LABEL_HEIGHT / 2 + MARKER_RADIUS * ring)
            yield _around(x, y, label.width, LABEL_HEIGHT)


def _around(x: float, y: float, width: float, height: float) -> Box:
    return Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
