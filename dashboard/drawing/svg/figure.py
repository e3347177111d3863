"""Plotly figures as drawings: the heat maps and maps of states that the page draws with plotly.

Read here are the properties that `dashboard.drawing.matrix` and `dashboard.drawing.map_figure` write, and no others.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from dashboard.drawing.geometry import Column
from dashboard.drawing.svg.document import Drawing, box, group, mix, path, text
from dashboard.drawing.svg.translation import CHIP, draw_chips

Figure = Mapping[str, Any]
Scale = Callable[[float], float]
"""From units of the data to pixels."""
_DASHES = {"dot": "2 3", "dash": "7 4"}
_BOLD = re.compile("</?b>")


def draw_heat_map(
    figure: Figure, words: Sequence[str], columns: Sequence[Column], colors: tuple[str, str], title: str
) -> Drawing:
    """A heat map with the words of its columns under it.

    Args:
        words, columns: of the target, with their boxes.
        colors: fill and ink of the words.
    """
    trace, layout = figure["data"][0], figure["layout"]
    names, gutter = layout["yaxis"]["ticktext"], float(layout["margin"]["l"])
    height, edge = float(layout["height"]), float(layout["margin"]["t"])
    row = (height - 2 * edge) / len(names)
    ink, size, standoff = (
        layout["font"]["color"],
        layout["yaxis"]["tickfont"]["size"],
        layout["yaxis"]["ticklabelstandoff"],
    )
    labels = [
        text(gutter - standoff, edge + row * (place + 0.5) + size / 3, html.unescape(name), size, ink, anchor="end")
        for place, name in enumerate(names)
    ]
    cells = [mark for place in range(len(names)) for mark in _draw_row(trace, place, edge + row * place, row)]
    chips = draw_chips(words, columns, height + 4, *colors)
    return Drawing(title, float(layout["width"]), height + 4 + CHIP, (*labels, group([*cells, *chips], x=gutter)))


def _draw_row(trace: Figure, place: int, top: float, row: float) -> Iterator[str]:
    edges, half = trace["x"], trace["xgap"] / 2
    for column, value in enumerate(trace["z"][place]):
        left, right = edges[column] + half, edges[column + 1] - half
        yield box(left, top, right - left, row - trace["ygap"], _pick_color(trace, value))


def _pick_color(trace: Figure, value: float) -> str:
    """The color of a value between the two nearest of the scale."""
    share = (value - trace["zmin"]) / (trace["zmax"] - trace["zmin"])
    share = min(max(share, 0.0), 1.0)
    stops = trace["colorscale"]
    (low, first), (high, last) = next((one, other) for one, other in pairwise(stops) if share <= other[0])
    return mix(first, last, (share - low) / (high - low))


def draw_scatter(figure: Figure, width: float, height: float, card: str, title: str) -> Drawing:
    """A map of states: lines, points, labels and the corpus behind them. The figure's axes fit ``width`` x ``height``.

    Args:
        card: color of the outline of labels.
    """
    layout = figure["layout"]
    across = _fit(layout["xaxis"]["range"], width)
    upward = _fit(layout["yaxis"]["range"], height)

    def down(value: float) -> float:
        return height - upward(value)

    marks = [_draw_image(image, across, down) for image in layout.get("images", ())]
    marks += [mark for trace in figure["data"] for mark in _draw_trace(trace, across, down)]
    marks += [_draw_label(label, across, down, layout["font"]["color"], card) for label in layout["annotations"]]
    # Corpus states beyond the frame are cut off.
    return Drawing(title, width, height, (f'<svg width="{width:g}" height="{height:g}">{"".join(marks)}</svg>',))


def _fit(ends: Sequence[float], pixels: float) -> Scale:
    low, high = ends
    return lambda value: (value - low) / (high - low) * pixels


def _draw_image(image: Figure, across: Scale, down: Scale) -> str:
    left, top = across(image["x"]), down(image["y"])
    width, height = across(image["x"] + image["sizex"]) - left, down(image["y"] - image["sizey"]) - top
    place = f'x="{left:.2f}" y="{top:.2f}" width="{width:.2f}" height="{height:.2f}"'
    return f'<image {place} preserveAspectRatio="none" href="{html.escape(image["source"])}"/>'


def _draw_trace(trace: Figure, across: Scale, down: Scale) -> Iterator[str]:
    points = [
        None if x is None or y is None else (across(x), down(y)) for x, y in zip(trace["x"], trace["y"], strict=True)
    ]
    if trace["mode"] == "lines":
        line = trace["line"]
        dash = _DASHES.get(line.get("dash", ""), "")
        yield path(_join(points), line["color"], line["width"], opacity=trace.get("opacity", 1), dash=dash)
        return
    marker = trace["marker"]
    for place, point in enumerate(points):
        if point is not None:
            yield _draw_point(marker, place, *point)


def _join(points: Sequence[tuple[float, float] | None]) -> str:
    """A path through all points, interrupted at each None."""
    parts, command = [], "M"
    for point in points:
        if point is not None:
            parts.append(f"{command}{point[0]:.2f} {point[1]:.2f}")
        command = "M" if point is None else "L"
    return "".join(parts) or "M0 0"


def _draw_point(marker: Figure, place: int, x: float, y: float) -> str:
    fill, line, radius = _at(marker["color"], place), marker["line"], marker["size"] / 2
    look = f'fill="{fill}" stroke="{line["color"]}" stroke-width="{line["width"]}" opacity="{marker["opacity"]}"'
    if _at(marker.get("symbol", "circle"), place) == "square":
        return f'<rect x="{x - radius:.2f}" y="{y - radius:.2f}" width="{2 * radius}" height="{2 * radius}" {look}/>'
    return f'<circle cx="{x:.2f}" cy="{y:.2f}" r="{radius}" {look}/>'


def _at(value: Any, place: int) -> Any:
    """A property of a point: its own, or that of all points."""
    return value if isinstance(value, str) else value[place]


def _draw_label(label: Figure, across: Scale, down: Scale, ink: str, card: str) -> str:
    size = label["font"]["size"]
    x, y = across(label["x"]) + label["xshift"], down(label["y"]) - label["yshift"] + size / 3
    content = html.unescape(_BOLD.sub("", label["text"]))
    fill = label["font"].get("color", ink)
    return text(x, y, content, size, fill, anchor="middle", weight=600, halo=card)
