"""The translation as an SVG file, drawn from the same columns as the page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from dashboard.drawing.geometry import Column
from dashboard.drawing.links import HEIGHT, THICKEST, Link
from dashboard.drawing.palette import Theme, colors
from dashboard.drawing.picture import Picture
from dashboard.drawing.words import percent

MARGIN = 16
CHIP = 26
ROW = 22


def draw_svg(picture: Picture, links: Sequence[Link], theme: Theme) -> str:
    """The SVG of source words, ``links``, target words and the top k."""
    color = colors(theme)
    rows = max(len(choices) for choices in picture.top_k)
    width = picture.width + 2 * MARGIN
    height = 2 * MARGIN + 2 * CHIP + HEIGHT + 10 + rows * ROW
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}" '
        f'font-family="Inter, system-ui, sans-serif">',
        f'<rect width="100%" height="100%" fill="{color["card"]}"/>',
        *_links(links, picture, color["link"]),
        *_chips(picture.source_words, picture.sources, MARGIN, color["enc"], color["enc-ink"]),
        *_chips(picture.target_words, picture.targets, MARGIN + CHIP + HEIGHT, color["dec"], color["dec-ink"]),
        *_cells(picture, MARGIN + 2 * CHIP + HEIGHT + 10, color),
        "</svg>",
    ]
    return "\n".join(parts)


def _chips(words: Sequence[str], columns: Sequence[Column], top: float, fill: str, ink: str) -> Iterator[str]:
    for word, column in zip(words, columns, strict=True):
        x = MARGIN + column.left
        yield f'<rect x="{x}" y="{top}" width="{column.width}" height="{CHIP}" rx="5" fill="{fill}"/>'
        yield (
            f'<text x="{MARGIN + column.center}" y="{top + 17.5}" text-anchor="middle" font-size="13" '
            f'font-weight="600" fill="{ink}">{escape(word)}</text>'
        )


def _links(links: Sequence[Link], picture: Picture, stroke: str) -> Iterator[str]:
    top, bottom = MARGIN + CHIP, MARGIN + CHIP + HEIGHT
    middle = (top + bottom) / 2
    for link in links:
        start = MARGIN + picture.sources[link.source].center
        end = MARGIN + picture.targets[link.target].center
        yield (
            f'<path d="M{start},{top} C{start},{middle} {end},{middle} {end},{bottom}" fill="none" '
            f'stroke="{stroke}" stroke-opacity="0.5" stroke-width="{1 + (THICKEST - 1) * link.weight:.1f}"/>'
        )


def _cells(picture: Picture, top: float, color: dict[str, str]) -> Iterator[str]:
    for column, choices, chosen in zip(picture.targets, picture.top_k, picture.hypothesis.token_ids, strict=True):
        for rank, choice in enumerate(choices):
            y = top + rank * ROW
            share = float(percent(choice.log_prob)) / 100
            fill = color["barch"] if choice.token_id == chosen else color["bar"]
            left, right = MARGIN + column.left, MARGIN + column.right
            yield f'<rect x="{left}" y="{y}" width="{column.width}" height="{ROW - 3}" fill="{color["soft"]}"/>'
            yield f'<rect x="{left}" y="{y}" width="{column.width * share:.1f}" height="{ROW - 3}" fill="{fill}"/>'
            yield _cell_text(left + 6, y, "start", color["ink"], picture.target_text.show(choice.token))
            yield _cell_text(right - 6, y, "end", color["mute"], percent(choice.log_prob))


def _cell_text(x: float, y: float, anchor: str, fill: str, text: str) -> str:
    return f'<text x="{x}" y="{y + 14}" text-anchor="{anchor}" font-size="12" fill="{fill}">{escape(text)}</text>'
