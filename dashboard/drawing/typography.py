"""Widths of texts in Inter, so that boxes fit their words before the browser has drawn them."""

from __future__ import annotations

import json
import unicodedata
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import Literal

Weight = Literal[400, 600]

_TABLE = Path(__file__).parent / "inter_widths.json"
# Characters that Inter lacks come from the system's fonts: 1 em is wide enough for ideographs and for the unknown.
_FALLBACK = 1000
_WITHOUT_WIDTH = ("Mn", "Me", "Cf")


def text_width(text: str, size: float, weight: Weight = 400) -> float:
    """Width in pixels of ``text`` at a font size in pixels (kerning left out, tabular figures)."""
    widths = _widths(weight)
    return sum(widths.get(ord(character), _fallback(character)) for character in text) * size / 1000


def shorten(text: str, size: float, room: float, weight: Weight = 400) -> str:
    """The text, or as much of its beginning as fits into ``room`` pixels with an ellipsis."""
    if text_width(text, size, weight) <= room:
        return text
    left = room - text_width("…", size, weight)
    widths = accumulate(text_width(character, size, weight) for character in text)
    return text[: sum(width <= left for width in widths)] + "…"


def _fallback(character: str) -> int:
    return 0 if unicodedata.category(character) in _WITHOUT_WIDTH else _FALLBACK


@cache
def _widths(weight: Weight) -> dict[int, int]:
    """Code point -> advance in thousandths of the font size; made by `scripts/measure_font.py`."""
    runs = json.loads(_TABLE.read_text(encoding="utf-8"))[str(weight)]
    return {int(first, 16) + offset: width for first, run in runs.items() for offset, width in enumerate(run)}
