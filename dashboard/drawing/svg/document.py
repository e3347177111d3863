"""A drawing, and the SVG document that it is written as. Pixels, y downward."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from html import escape
from pathlib import Path
from typing import Final, Literal

from dashboard.drawing.typography import Weight, shorten

FAMILY: Final = "Inter, system-ui, sans-serif"
MARGIN: Final = 16.0
TITLE_SIZE: Final = 14.0
TITLE_HEIGHT: Final = 28.0
"""Pixels around a drawing, and those that its title takes above it."""

Anchor = Literal["start", "middle", "end"]
_FONT: Final = Path(__file__).parents[2] / "assets" / "fonts" / "InterVariable.woff2"
_NOT_XML: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_HEX: Final = re.compile("#([0-9a-f])([0-9a-f])([0-9a-f])")


@dataclass(frozen=True, slots=True)
class Drawing:
    """A view as marks without a frame.

    Attributes:
        title: one line that says what is drawn.
        width, height: pixels that the marks take.
        marks: SVG elements, back to front.
    """

    title: str
    width: float
    height: float
    marks: tuple[str, ...]

    def entitle(self, title: str) -> Drawing:
        """The same drawing with another title."""
        return replace(self, title=title)


def write_svg(drawing: Drawing, palette: Mapping[str, str], *, fonts: bool = True, title: bool = True) -> str:
    """The SVG document: background, title and marks.

    Args:
        palette: colors of one theme, see `dashboard.drawing.palette.colors`.
        fonts: embed the font, so that the document looks the same everywhere; without, the viewer needs Inter.
        title: draw the title above the marks. It names the document for screen readers in any case.
    """
    top = MARGIN + (TITLE_HEIGHT if title else 0)
    width, height = drawing.width + 2 * MARGIN, drawing.height + top + MARGIN
    shown = shorten(drawing.title, TITLE_SIZE, drawing.width, 600)
    head = [text(MARGIN, MARGIN + TITLE_SIZE, shown, TITLE_SIZE, palette["ink"], weight=600)] if title else []
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_number(width)}" height="{_number(height)}" '
            f'viewBox="0 0 {_number(width)} {_number(height)}" role="img" font-family="{FAMILY}" '
            "font-feature-settings=\"'tnum'\">",
            f"<title>{_clean(drawing.title)}</title>",
            *([f"<style>{embed_font()}</style>"] if fonts else []),
            f'<rect width="100%" height="100%" fill="{palette["card"]}"/>',
            *head,
            f'<g transform="translate({_number(MARGIN)} {_number(top)})">',
            *drawing.marks,
            "</g>",
            "</svg>",
        ]
    )


@cache
def embed_font() -> str:
    """The font as a CSS rule that needs no other file."""
    data = base64.b64encode(_FONT.read_bytes()).decode()
    return f"@font-face{{font-family:Inter;font-weight:100 900;src:url(data:font/woff2;base64,{data}) format('woff2')}}"


def text(
    x: float,
    y: float,
    content: str,
    size: float,
    fill: str,
    *,
    anchor: Anchor = "start",
    weight: Weight = 400,
    halo: str = "",
) -> str:
    """A line of text at a baseline; ``halo`` is the color of an outline behind the letters."""
    outline = _attributes(stroke=halo, stroke_width=3, paint_order="stroke", stroke_linejoin="round") if halo else ""
    place = _attributes(x=x, y=y, text_anchor=None if anchor == "start" else anchor)
    look = _attributes(font_size=size, font_weight=None if weight == 400 else weight, fill=fill)
    return f'<text{place}{look}{outline} xml:space="preserve">{_clean(content)}</text>'


def runs(x: float, y: float, parts: Iterable[tuple[str, str, Weight]], size: float) -> str:
    """A line of text in parts, each with its color and weight."""
    spans = "".join(
        f"<tspan{_attributes(fill=fill, font_weight=None if weight == 400 else weight)}>{_clean(content)}</tspan>"
        for content, fill, weight in parts
        if content
    )
    return f'<text{_attributes(x=x, y=y, font_size=size)} xml:space="preserve">{spans}</text>'


def box(x: float, y: float, width: float, height: float, fill: str, *, round: float = 0, stroke: str = "") -> str:  # noqa: A002 - SVG's own word
    """A filled rectangle."""
    place = _attributes(x=x, y=y, width=width, height=height, rx=round or None)
    return f"<rect{place}{_attributes(fill=fill, stroke=stroke or None)}/>"


def path(d: str, stroke: str, width: float, *, opacity: float = 1, dash: str = "") -> str:
    """A line along a path."""
    look = _attributes(stroke=stroke, stroke_width=width, stroke_opacity=None if opacity == 1 else opacity)
    return f'<path d="{escape(d)}" fill="none"{look}{_attributes(stroke_dasharray=dash or None)}/>'


def group(marks: Iterable[str], *, x: float = 0, y: float = 0) -> str:
    """Marks moved to the right and down."""
    return f'<g transform="translate({_number(x)} {_number(y)})">{"".join(marks)}</g>'


def mix(low: str, high: str, share: float) -> str:
    """The color at a share (0 to 1) of the way from one color to another; both ``#rgb`` or ``#rrggbb``."""
    ends = zip(_channels(low), _channels(high), strict=True)
    return "#" + "".join(f"{round(one + (other - one) * share):02x}" for one, other in ends)


def _channels(color: str) -> list[int]:
    long = _HEX.sub(r"#\1\1\2\2\3\3", color) if len(color) == 4 else color
    return [int(long[place : place + 2], 16) for place in (1, 3, 5)]


def _attributes(**values: str | float | None) -> str:
    written = ((name.replace("_", "-"), value) for name, value in values.items() if value is not None)
    return "".join(
        f' {name}="{escape(value) if isinstance(value, str) else _number(value)}"' for name, value in written
    )


def _number(value: float) -> str:
    return f"{round(value, 2):g}"


def _clean(content: str) -> str:
    """Text as XML has it; characters that XML cannot hold are replaced."""
    return escape(_NOT_XML.sub("\ufffd", content), quote=False)
