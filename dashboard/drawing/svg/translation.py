"""The translation: source words, attention as links, target words and the top k under them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from dashboard.drawing.geometry import Column
from dashboard.drawing.links import HEIGHT, THICKEST, THINNEST, Link
from dashboard.drawing.picture import GUTTER, Picture
from dashboard.drawing.svg.document import Drawing, box, group, path, text
from dashboard.drawing.words import percent

CHIP = 26
ROW = 22
GAP = 10
"""Pixels between the target words and the top k."""


def draw_translation(picture: Picture, links: Sequence[Link], palette: Mapping[str, str], title: str) -> Drawing:
    """Words, ``links`` and top k in the columns of the page."""
    rows = max(len(choices) for choices in picture.top_k)
    target = CHIP + HEIGHT
    marks = [
        *_draw_links(picture, links, palette["link"]),
        *draw_chips(picture.source_words, picture.sources, 0, palette["enc"], palette["enc-ink"]),
        *draw_chips(picture.target_words, picture.targets, target, palette["dec"], palette["dec-ink"]),
        *_draw_top_k(picture, target + CHIP + GAP, palette),
    ]
    names = [("source", 0.0), ("target", target), ("top k", target + CHIP + GAP - 2)]
    height = target + CHIP + GAP + rows * ROW
    return Drawing(title, GUTTER + picture.width, height, (*name_rows(names, palette), group(marks, x=GUTTER)))


def name_rows(names: Iterable[tuple[str, float]], palette: Mapping[str, str]) -> Iterator[str]:
    """The names of rows in the gutter, each with the top of its row."""
    for name, top in names:
        yield text(0, top + 17, name, 11, palette["mute"])


def draw_chips(
    words: Sequence[str], columns: Sequence[Column], top: float, fill: str, ink: str, stroke: str = ""
) -> Iterator[str]:
    """Words in boxes."""
    for word, column in zip(words, columns, strict=True):
        yield box(column.left, top, column.width, CHIP, fill, round=5, stroke=stroke)
        yield text(column.center, top + 17.5, word, 13, ink, anchor="middle", weight=600)


def draw_cell(column: Column, top: float, word: str, share: str, colors: tuple[str, str, str, str]) -> Iterator[str]:
    """A word of the top k over a bar of its percent; ``colors``: of the track, the bar, the word and the number."""
    track, bar, ink, mute = colors
    yield box(column.left, top, column.width, ROW - 3, track)
    yield box(column.left, top, column.width * float(share) / 100, ROW - 3, bar)
    yield text(column.left + 6, top + 14, word, 12, ink)
    yield text(column.right - 6, top + 14, share, 11, mute, anchor="end")


def _draw_links(picture: Picture, links: Sequence[Link], stroke: str) -> Iterator[str]:
    bottom, middle = CHIP + HEIGHT, CHIP + HEIGHT / 2
    for link in links:
        start, end = picture.sources[link.source].center, picture.targets[link.target].center
        dash = "6 4" if link.target in picture.overridden else ""
        width = THINNEST + (THICKEST - THINNEST) * link.weight
        d = f"M{start:g},{CHIP} C{start:g},{middle:g} {end:g},{middle:g} {end:g},{bottom:g}"
        yield path(d, stroke, width, opacity=0.5, dash=dash)


def _draw_top_k(picture: Picture, top: float, palette: Mapping[str, str]) -> Iterator[str]:
    for column, choices, chosen in zip(picture.targets, picture.top_k, picture.hypothesis.token_ids, strict=True):
        for rank, choice in enumerate(choices):
            bar = palette["barch" if choice.token_id == chosen else "bar"]
            colors = palette["soft"], bar, palette["ink"], palette["mute"]
            word = picture.target_text.show(choice.token)
            yield from draw_cell(column, top + rank * ROW, word, percent(choice.log_prob), colors)
