"""The neighbors of one state: predictions beside each other, and training pairs with their distances."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from dashboard.drawing.evidence import ImpliedRow, MarkedText
from dashboard.drawing.svg.document import Drawing, box, path, runs, text
from dashboard.drawing.typography import shorten

WIDTH = 620.0
LINE = 20.0
PAIR = 42.0
"""Pixels of a line, and of a pair with its rule."""
BAR = 180.0
NAMES = 90.0
AMOUNT = 48.0
"""Pixels of a bar, of the words before the bars, and of a distance."""


@dataclass(frozen=True, slots=True)
class ListedPair:
    """A training pair as it is listed; of both texts one has a marked token."""

    source: MarkedText
    target: MarkedText
    note: str
    distance: float


@dataclass(frozen=True, slots=True)
class NeighborList:
    """The content of the list.

    Attributes:
        summary: the sentence above.
        predictions: probabilities by the model and by the neighbors, with the words as drawn; empty for a source word.
    """

    summary: str
    predictions: Sequence[tuple[str, ImpliedRow]]
    pairs: Sequence[ListedPair]


def draw_neighbor_list(content: NeighborList, palette: Mapping[str, str], title: str) -> Drawing:
    """The drawing; texts that are too long are cut at their end."""
    marks = [text(0, 14, shorten(content.summary, 12, WIDTH), 12, palette["mute"])]
    top = LINE + 6
    if content.predictions:
        marks += [
            text(NAMES + column * (BAR + AMOUNT), top + 12, name, 11, palette["mute"])
            for column, name in enumerate(("model", "neighbors"))
        ]
        top += LINE
    for word, row in content.predictions:
        marks += _draw_prediction(word, row, top, palette)
        top += LINE
    for pair in content.pairs:
        marks += _draw_pair(pair, top + 8, palette)
        top += PAIR
    return Drawing(title, WIDTH, top + 8, tuple(marks))


def _draw_prediction(word: str, row: ImpliedRow, top: float, palette: Mapping[str, str]) -> Iterator[str]:
    yield text(0, top + 13, shorten(word, 12, NAMES - 8, 600), 12, palette["ink"], weight=600)
    for column, (share, color) in enumerate(((row.model, palette["barch"]), (row.neighbors, palette["link"]))):
        left = NAMES + column * (BAR + AMOUNT)
        if share is None:
            yield text(left, top + 13, "not in top k", 11, palette["mute"])
            continue
        yield box(left, top + 4, BAR, 10, palette["soft"])
        yield box(left, top + 4, BAR * share, 10, color)
        yield text(left + BAR + 6, top + 13, f"{100 * share:.0f}", 11, palette["mute"])


def _draw_pair(pair: ListedPair, top: float, palette: Mapping[str, str]) -> Iterator[str]:
    yield path(f"M0 {top:g}H{WIDTH:g}", palette["line"], 1)
    yield _write_marked(pair.source, top + 16, palette["mute"], palette)
    yield _write_marked(pair.target, top + 33, palette["ink"], palette)
    yield text(WIDTH, top + 16, f"{pair.distance:.2f}", 12, palette["mute"], anchor="end")
    if pair.note:
        yield text(WIDTH, top + 33, pair.note, 11, palette["mute"], anchor="end")


def _write_marked(content: MarkedText, y: float, ink: str, palette: Mapping[str, str]) -> str:
    """A text whose marked part is bold and red: a background would not follow texts that run from right to left."""
    whole = content.before + content.marked + content.after
    shown = shorten(whole, 12, WIDTH - AMOUNT - 8)
    kept = len(shown) if shown == whole else len(shown) - 1
    start, end = (min(place, kept) for place in (len(content.before), len(content.before) + len(content.marked)))
    return runs(0, y, [(shown[:start], ink, 400), (shown[start:end], palette["hot"], 600), (shown[end:], ink, 400)], 12)
