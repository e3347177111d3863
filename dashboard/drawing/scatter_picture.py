"""Many dots as one small picture."""

from __future__ import annotations

from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

_CELLS = 500
_DOT = 3.0


def draw_dots(points: NDArray[np.floating], color: str, opacity: float) -> str:
    """A data URI of dots at ``points`` [n, 2], both coordinates 0 to 1, y upward.

    Dots in one place are drawn once, so that the picture stays below some 100 kB for any number of points.
    """
    cells = np.unique(np.round(points * (1, -1) * _CELLS + (0, _CELLS)).astype(np.int64), axis=0)
    path = "".join(f"M{x} {y}h0" for x, y in cells.tolist())
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_CELLS} {_CELLS}" preserveAspectRatio="none">'
        f'<path d="{path}" stroke="{color}" stroke-opacity="{opacity}" stroke-width="{_DOT}" '
        'stroke-linecap="round" vector-effect="non-scaling-stroke"/></svg>'
    )
    return "data:image/svg+xml," + quote(svg, safe=" =:/;,'()-.")
