"""The state trajectory of a sentence over its training neighbors, as a plotly figure.

A pure function of data. The order of the traces is fixed, so that another choice of word is a small patch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dashboard.drawing.label_placement import Box, Label, place_labels
from dashboard.drawing.scatter_picture import draw_dots
from dashboard.drawing.typography import text_width
from dashboard.drawing.words import as_plain_text
from dashboard.state.page_state import Side

Points = NDArray[np.floating]
Json = dict[str, Any]

WIDTH = 320
HEIGHT = 280
"""Pixels of the panel that the map is laid out for."""
_MARGIN = 14
_TURNS = np.linspace(0, np.pi, 36, endpoint=False)
"""Angles that `turn_to_fit` tries, in radians."""

_BACKGROUND_OPACITY = 0.3
_LABEL_SIZE = 11
_LABEL_PADDING = 4
_BARE: Json = {
    "margin": {"l": 0, "r": 0, "t": 0, "b": 0},
    "paper_bgcolor": "rgba(0,0,0,0)",
    "plot_bgcolor": "rgba(0,0,0,0)",
    "showlegend": False,
}


class Layer(IntEnum):
    """Position of each trace in the figure, back to front."""

    LINE = 0
    NEIGHBORS = 1
    STATES = 2
    CHOSEN = 3


@dataclass(frozen=True, slots=True)
class MapDrawing:
    """The content of a map.

    Attributes:
        side: side that the words belong to.
        words: one a state, as drawn.
        path: [words, 2] position of each state.
        neighbors: for each word [its neighbors, 2] their positions.
        notes: for each word, one hover text a neighbor.
        background: [points, 2] positions of corpus states, drawn gray; empty on a local map.
    """

    side: Side
    words: tuple[str, ...]
    path: Points
    neighbors: tuple[Points, ...]
    notes: tuple[tuple[str, ...], ...]
    background: Points


def draw_map(drawing: MapDrawing, chosen: int | None, colors: Mapping[str, str]) -> Json:
    """The figure; ``chosen`` is the index of the selected word."""
    frame = _frame(drawing)
    return {
        "data": [
            _line_trace(drawing, colors),
            _neighbor_trace(drawing, chosen, colors),
            _state_trace(drawing, colors),
            _chosen_trace(drawing, chosen, colors),
        ],
        "layout": {
            **_BARE,
            "hovermode": "closest",
            "dragmode": "pan",
            "font": {"family": "Inter, system-ui, sans-serif", "size": 12, "color": colors["ink"]},
            "hoverlabel": {
                "bgcolor": colors["card"],
                "bordercolor": colors["line"],
                "font": {"color": colors["ink"], "size": _LABEL_SIZE},
                "align": "left",
            },
            "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": colors["mute"], "activecolor": colors["ink"]},
            "xaxis": {"visible": False, "range": [frame.left, frame.right]},
            # Equal scales: a distance means the same in every direction.
            "yaxis": {"visible": False, "range": [frame.top, frame.bottom], "scaleanchor": "x"},
            "images": _background_images(drawing.background, colors),
            "annotations": _annotations(drawing, chosen, frame, colors),
        },
    }


def turn_to_fit(drawing: MapDrawing) -> MapDrawing:
    """The same map, turned so that it can be drawn as large as possible in the panel.

    Only distances mean anything on a local map. Corpus maps keep their orientation: do not turn those.
    """
    points = np.concatenate([drawing.path, *(points.reshape(-1, 2) for points in drawing.neighbors)])
    turns = [_rotation(angle) for angle in _TURNS]
    best = min(turns, key=lambda turn: _unit(points @ turn))
    neighbors = tuple(points.reshape(-1, 2) @ best for points in drawing.neighbors)
    return replace(drawing, path=drawing.path @ best, neighbors=neighbors)


def draw_nothing() -> Json:
    """The figure before there is anything to draw."""
    hidden = {"visible": False}
    return {"data": [], "layout": {**_BARE, "xaxis": hidden, "yaxis": hidden}}


def neighbor_colors(drawing: MapDrawing, chosen: int | None, colors: Mapping[str, str]) -> list[str]:
    """One color a neighbor, word by word; red for those of the chosen word."""
    return [
        colors["hot"] if index == chosen else colors["link"]
        for index, points in enumerate(drawing.neighbors)
        for _ in range(len(points))
    ]


def chosen_point(drawing: MapDrawing, chosen: int | None) -> Json:
    """The properties of the trace that marks the state of the chosen word."""
    shown = [] if chosen is None else [chosen]
    return {
        **_xy(drawing.path[shown]),
        "customdata": shown,
        "text": [as_plain_text(_place_note(drawing.words, index)) for index in shown],
    }


def _frame(drawing: MapDrawing) -> Box:
    """The visible part of the map in its own units, at the panel's proportions; ``top`` < ``bottom``."""
    points = np.concatenate([drawing.path, *(points.reshape(-1, 2) for points in drawing.neighbors)])
    low, high = points.min(axis=0), points.max(axis=0)
    half = _unit(points) * np.array([WIDTH, HEIGHT]) / 2
    (left, top), (right, bottom) = (low + high) / 2 - half, (low + high) / 2 + half
    return Box(float(left), float(top), float(right), float(bottom))


def _unit(points: Points) -> float:
    """Units of the map a pixel, for all points to lie in the panel. ``points``: [n, 2]."""
    inner = np.array([WIDTH - 4 * _MARGIN, HEIGHT - 4 * _MARGIN])
    return float((np.ptp(points, axis=0) / inner).max()) or 1.0


def _rotation(angle: float) -> Points:
    """[2, 2] matrix that turns row vectors by ``angle`` radians."""
    return np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


def _background_images(points: Points, colors: Mapping[str, str]) -> list[Json]:
    """The corpus behind the map as one picture, which the browser moves faster than thousands of points."""
    if not len(points):
        return []
    low, high = points.min(axis=0), points.max(axis=0)
    extent = np.maximum(high - low, 1e-6)
    image = {
        "source": draw_dots((points - low) / extent, colors["link"], _BACKGROUND_OPACITY),
        "xref": "x",
        "yref": "y",
        "x": float(low[0]),
        "y": float(high[1]),
        "sizex": float(extent[0]),
        "sizey": float(extent[1]),
        "sizing": "stretch",
        "layer": "below",
    }
    return [image]


def _neighbor_trace(drawing: MapDrawing, chosen: int | None, colors: Mapping[str, str]) -> Json:
    clouds = drawing.neighbors
    return {
        "type": "scatter",
        "mode": "markers",
        **_xy(np.concatenate([points.reshape(-1, 2) for points in clouds])),
        "customdata": [index for index, points in enumerate(clouds) for _ in range(len(points))],
        "meta": {"side": drawing.side},
        "text": [as_plain_text(note) for notes in drawing.notes for note in notes],
        "hoverinfo": "text",
        "marker": {
            "size": 6,
            "color": neighbor_colors(drawing, chosen, colors),
            "opacity": 0.65,
            "line": {"color": colors["card"], "width": 0.75},
        },
        "selected": {"marker": {"opacity": 1, "color": colors["hot"]}},
        "unselected": {"marker": {"opacity": 0.35}},
    }


def _line_trace(drawing: MapDrawing, colors: Mapping[str, str]) -> Json:
    """The way from state to state: thin, faint and behind the neighbors, so that it hides none of them."""
    line = {"color": colors["pivot"], "width": 1.3}
    return {"type": "scatter", "mode": "lines", **_xy(drawing.path), "line": line, "opacity": 0.6, "hoverinfo": "skip"}


def _chosen_trace(drawing: MapDrawing, chosen: int | None, colors: Mapping[str, str]) -> Json:
    """The chosen state over the others, as a trace of its own."""
    return {
        "type": "scatter",
        "mode": "markers",
        **chosen_point(drawing, chosen),
        "meta": {"side": drawing.side},
        "hoverinfo": "text",
        "marker": {"size": 13, "color": colors["card"], "line": {"color": colors["hot"], "width": 2.5}, "opacity": 1},
        "unselected": {"marker": {"opacity": 1}},
    }


def _state_trace(drawing: MapDrawing, colors: Mapping[str, str]) -> Json:
    count = len(drawing.words)
    return {
        "type": "scatter",
        "mode": "markers",
        **_xy(drawing.path),
        "customdata": list(range(count)),
        "meta": {"side": drawing.side},
        "text": [as_plain_text(_place_note(drawing.words, index)) for index in range(count)],
        "hoverinfo": "text",
        "marker": {
            "size": 9,
            "symbol": ["square" if index in (0, count - 1) else "circle" for index in range(count)],
            # Filled at the start only, so that the direction is seen without arrows.
            "color": [colors["pivot"] if index == 0 else colors["card"] for index in range(count)],
            "line": {"color": colors["pivot"], "width": 2},
            "opacity": 1,
        },
        "selected": {"marker": {"size": 13}},
        "unselected": {"marker": {"opacity": 1}},
    }


def _place_note(words: Sequence[str], index: int) -> str:
    place = {0: "start", len(words) - 1: "end"}.get(index, f"{index + 1} of {len(words)}")
    return f"{words[index]} · {place}"


def _xy(points: Points) -> Json:
    return {"x": np.round(points[:, 0], 4).tolist(), "y": np.round(points[:, 1], 4).tolist()}


def _annotations(drawing: MapDrawing, chosen: int | None, frame: Box, colors: Mapping[str, str]) -> list[Json]:
    """A label a state where there is room; the chosen word, the start and the end come first."""
    unit = (frame.right - frame.left) / WIDTH
    first = {chosen: 0, 0: 1, len(drawing.words) - 1: 1}
    labels = [
        Label(
            (float(x) - frame.left) / unit,
            (frame.bottom - float(y)) / unit,
            text_width(word, _LABEL_SIZE, 600) + _LABEL_PADDING,
            first.get(index, 2),
        )
        for index, (word, (x, y)) in enumerate(zip(drawing.words, drawing.path, strict=True))
    ]
    boxes = place_labels(labels, Box(0, 0, WIDTH, HEIGHT))
    # A halo in place of a filled box: what lies behind a label stays visible.
    halo = ", ".join(f"{x}px {y}px 2px {colors['card']}" for x in (-1, 1) for y in (-1, 1))
    return [
        {
            "x": float(x),
            "y": float(y),
            "xshift": (box.left + box.right) / 2 - label.x,
            "yshift": label.y - (box.top + box.bottom) / 2,
            "text": f"<b>{as_plain_text(word)}</b>",
            "showarrow": False,
            "font": {"size": _LABEL_SIZE, "shadow": halo},
        }
        for word, (x, y), label, box in zip(drawing.words, drawing.path, labels, boxes, strict=True)
        if box is not None
    ]
