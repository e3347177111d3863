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
class RivalPath:
    """The states of another answer on the map of this one.

    Attributes:
        words: one a state, as drawn.
        path: [words, 2] position of each state.
        neighbors: [rows, 2] positions of the neighbors that only this answer has.
        joined: pairs of a state of this answer and a state of the other one that are the same step.
        labels: the states of this answer that are labeled, since the other answer has another word there.
    """

    words: tuple[str, ...]
    path: Points
    neighbors: Points
    joined: tuple[tuple[int, int], ...]
    labels: tuple[int, ...] = ()


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
        tones: for each word, the name of the color of each neighbor; empty where all are gray.
        rival: the states of another answer that this one is compared with.
    """

    side: Side
    words: tuple[str, ...]
    path: Points
    neighbors: tuple[Points, ...]
    notes: tuple[tuple[str, ...], ...]
    background: Points
    tones: tuple[tuple[str, ...], ...] = ()
    rival: RivalPath | None = None


def draw_map(drawing: MapDrawing, chosen: int | None, colors: Mapping[str, str]) -> Json:
    """The figure; ``chosen`` is the index of the selected word.

    Beside another answer the path of this one is drawn in the color of what is compared.
    """
    frame = _frame(drawing)
    own = {**colors, "pivot": colors["cmp"]} if drawing.rival else colors
    return {
        "data": [
            _line_trace(drawing, own),
            _neighbor_trace(drawing, chosen, colors),
            _state_trace(drawing, own),
            _chosen_trace(drawing, chosen, colors),
            *(_rival_traces(drawing.rival, drawing.path, colors) if drawing.rival else ()),
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
    points = _all_points(drawing)
    turns = [_rotation(angle) for angle in _TURNS]
    best = min(turns, key=lambda turn: _unit(points @ turn))
    neighbors = tuple(points.reshape(-1, 2) @ best for points in drawing.neighbors)
    other = drawing.rival
    rival = other and replace(other, path=other.path @ best, neighbors=other.neighbors @ best)
    return replace(drawing, path=drawing.path @ best, neighbors=neighbors, rival=rival)


def draw_nothing() -> Json:
    """The figure before there is anything to draw."""
    hidden = {"visible": False}
    return {"data": [], "layout": {**_BARE, "xaxis": hidden, "yaxis": hidden}}


def neighbor_colors(drawing: MapDrawing, chosen: int | None, colors: Mapping[str, str]) -> list[str]:
    """One color a neighbor, word by word; red for those of the chosen word."""
    tones = drawing.tones or tuple(("link",) * len(points) for points in drawing.neighbors)
    return [colors["hot" if index == chosen else tone] for index, own in enumerate(tones) for tone in own]


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
    points = _all_points(drawing)
    low, high = points.min(axis=0), points.max(axis=0)
    half = _unit(points) * np.array([WIDTH, HEIGHT]) / 2
    (left, top), (right, bottom) = (low + high) / 2 - half, (low + high) / 2 + half
    return Box(float(left), float(top), float(right), float(bottom))


def _all_points(drawing: MapDrawing) -> Points:
    """[n, 2] every point that must be visible."""
    rival = (drawing.rival.path, drawing.rival.neighbors) if drawing.rival else ()
    return np.concatenate([drawing.path, *(points.reshape(-1, 2) for points in (*drawing.neighbors, *rival))])


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


def _rival_traces(rival: RivalPath, path: Points, colors: Mapping[str, str]) -> list[Json]:
    """The other answer in front of nothing: its neighbors, its way, its states, and the joints of equal steps."""
    tone = {"color": colors["pivot"]}
    joints = np.array([point for one, other in rival.joined for point in (rival.path[one], path[other])]).reshape(-1, 2)
    lines = {"x": _interrupt(joints[:, 0]), "y": _interrupt(joints[:, 1])}
    quiet = {"type": "scatter", "hoverinfo": "skip"}
    return [
        {**quiet, "mode": "lines", **lines, "line": {"color": colors["link"], "width": 1, "dash": "dot"}},
        {
            **quiet,
            "mode": "markers",
            **_xy(rival.neighbors),
            "marker": {"size": 6, **tone, "opacity": 0.45, "line": {"color": colors["card"], "width": 0.75}},
        },
        {**quiet, "mode": "lines", **_xy(rival.path), "line": {**tone, "width": 1.3, "dash": "dash"}, "opacity": 0.8},
        {
            "type": "scatter",
            "mode": "markers",
            **_xy(rival.path),
            "text": [as_plain_text(f"{_place_note(rival.words, n)} · pivot") for n in range(len(rival.words))],
            "hoverinfo": "text",
            "marker": {"size": 8, "color": colors["card"], "line": {**tone, "width": 2}, "opacity": 1},
        },
    ]


def _interrupt(values: Points) -> list[float | None]:
    """Ends of lines, two each, with a gap after each line."""
    pairs = np.round(values.reshape(-1, 2), 4).tolist()
    return [value for pair in pairs for value in (*pair, None)]


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
    words, path, tones = _labeled(drawing, colors)
    labels = [
        Label(
            (float(x) - frame.left) / unit,
            (frame.bottom - float(y)) / unit,
            text_width(word, _LABEL_SIZE, 600) + _LABEL_PADDING,
            first.get(index, 2),
        )
        for index, (word, (x, y)) in enumerate(zip(words, path, strict=True))
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
            "font": {"size": _LABEL_SIZE, "shadow": halo, **tone},
        }
        for word, (x, y), tone, label, box in zip(words, path, tones, labels, boxes, strict=True)
        if box is not None
    ]


def _labeled(drawing: MapDrawing, colors: Mapping[str, str]) -> tuple[tuple[str, ...], Points, list[Json]]:
    """Words, places and colors of all labels; those of another answer come last, in its color."""
    rival = drawing.rival
    own: list[Json] = [{} for _ in drawing.words]
    if rival is None:
        return drawing.words, drawing.path, own
    more = list(rival.labels)
    words = (*drawing.words, *(rival.words[index] for index in more))
    return words, np.concatenate([drawing.path, rival.path[more]]), [*own, *({"color": colors["pivot"]} for _ in more)]
