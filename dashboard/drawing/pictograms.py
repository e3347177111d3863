"""One small window of the map for each word, all drawn as one picture.

The SVG holds the scene (trajectory and neighbors) once, and each window shows it through a view box of its own. The
page gets the picture once, as a data URI in a CSS variable; the button of a word has it as background, shifted to its
window.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.floating]

WINDOW = 38
_LEAST_SHARE = 0.06
_NEIGHBOR_SHARE = 1.35


def draw_pictograms(path: Points, neighbors: Sequence[Points], colors: Mapping[str, str]) -> str:
    """The picture as a data URI: one square window a word, side by side, to be scaled as a whole.

    Args:
        path: [words, 2] the state of each word on the map, y upward.
        neighbors: for each word [its neighbors, 2].
        colors: name -> color of one theme of the palette.
    """
    flipped = path * (1, -1)
    clouds = [points.reshape(-1, 2) * (1, -1) for points in neighbors]
    radii = window_radii(path, neighbors)
    windows = "".join(
        _draw_window(index, center, radius, cloud, colors)
        for index, (center, radius, cloud) in enumerate(zip(flipped, radii, clouds, strict=True))
    )
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WINDOW * len(path)}" height="{WINDOW}" '
        f'viewBox="0 0 {WINDOW * len(path)} {WINDOW}" preserveAspectRatio="none">'
        f'<defs><g id="s" fill="none" stroke-linecap="round">{_draw_scene(flipped, clouds, colors)}</g></defs>'
        f"{windows}</svg>"
    )
    return "data:image/svg+xml," + quote(svg, safe=" =:/;,'()-.")


def window_radii(path: Points, neighbors: Sequence[Points]) -> list[float]:
    """Half the width of each word's window in units of the map: wide enough for most of its neighbors."""
    everything = np.concatenate([path, *(points.reshape(-1, 2) for points in neighbors)])
    least = _LEAST_SHARE * float(np.ptp(everything, axis=0).max()) or 1.0
    return [
        max(least, _NEIGHBOR_SHARE * float(np.quantile(np.linalg.norm(points - center, axis=-1), 0.9)))
        if len(points)
        else least
        for center, points in zip(path, neighbors, strict=True)
    ]


def _draw_scene(path: Points, clouds: Sequence[Points], colors: Mapping[str, str]) -> str:
    dots = _dots(np.concatenate(clouds)) if clouds else ""
    line = "M" + "L".join(f"{x:.4g} {y:.4g}" for x, y in path)
    return (
        f'<path d="{dots}" stroke="{colors["link"]}" {_width(2.5)} opacity=".6"/>'
        f'<path d="{line}" stroke="{colors["pivot"]}" {_width(1)}/>'
    )


def _draw_window(index: int, center: Points, radius: float, cloud: Points, colors: Mapping[str, str]) -> str:
    x, y = center
    box = f"{x - radius:.4g} {y - radius:.4g} {2 * radius:.4g} {2 * radius:.4g}"
    hot = colors["hot"]
    return (
        f'<svg x="{index * WINDOW}" width="{WINDOW}" height="{WINDOW}" viewBox="{box}" stroke-linecap="round">'
        f'<use href="#s"/><path d="{_dots(cloud)}" stroke="{hot}" {_width(2.5)} opacity=".55"/>'
        f'<path d="{_dots(center[None])}" stroke="{hot}" {_width(6)}/>'
        f'<path d="{_dots(center[None])}" stroke="{colors["card"]}" {_width(3)}/></svg>'
    )


def _dots(points: Points) -> str:
    """Lines of no length: with round caps they are dots whose size does not grow with the zoom."""
    return "".join(f"M{x:.4g} {y:.4g}h0" for x, y in points)


def _width(pixels: float) -> str:
    return f'stroke-width="{pixels}" vector-effect="non-scaling-stroke"'
