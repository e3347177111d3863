"""The map: a pure function of data to a figure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import numpy as np
import plotly.graph_objects as go
import pytest

from dashboard.drawing.map_figure import Layer, MapDrawing, Points, draw_map, draw_nothing, neighbor_colors, turn_to_fit
from dashboard.drawing.palette import Theme, colors
from dashboard.drawing.scatter_picture import draw_dots

LIGHT = colors("light")


def make_drawing(words: tuple[str, ...] = ("A", "dog", "⏎"), background: int = 0) -> MapDrawing:
    random = np.random.default_rng(0)
    path = np.array([[float(10 * index), float(index % 2)] for index in range(len(words))])
    neighbors = tuple(random.normal(place, 0.5, (4, 2)) for place in path)
    notes = tuple(tuple(f"{word} · 0.{number}" for number in range(4)) for word in words)
    return MapDrawing("target", words, path, neighbors, notes, random.normal(size=(background, 2)))


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("background", [0, 100])
def test_plotly_accepts_every_property(theme: Theme, background: int) -> None:
    go.Figure(draw_map(make_drawing(background=background), 1, colors(theme)))
    go.Figure(draw_nothing())


def test_points_say_whose_word_they_belong_to() -> None:
    traces = draw_map(make_drawing(), None, LIGHT)["data"]

    for layer, per_word in ((Layer.NEIGHBORS, 4), (Layer.STATES, 1)):
        assert traces[layer]["meta"] == {"side": "target"}
        assert traces[layer]["customdata"] == [index for index in range(3) for _ in range(per_word)]
        assert len(traces[layer]["x"]) == len(traces[layer]["customdata"])


def test_the_chosen_word_and_its_neighbors_are_red_and_nothing_else() -> None:
    traces = draw_map(make_drawing(), 1, LIGHT)["data"]

    chosen, neighbors = traces[Layer.CHOSEN], traces[Layer.NEIGHBORS]["marker"]
    assert chosen["marker"]["line"]["color"] == LIGHT["hot"]
    assert (chosen["x"], chosen["y"], chosen["customdata"]) == ([10.0], [1.0], [1])
    assert traces[Layer.STATES]["marker"]["line"]["color"] != LIGHT["hot"]
    assert [color == LIGHT["hot"] for color in neighbors["color"]] == [False] * 4 + [True] * 4 + [False] * 4
    assert draw_map(make_drawing(), None, LIGHT)["data"][Layer.CHOSEN]["x"] == []
    assert neighbors["color"] == neighbor_colors(make_drawing(), 1, LIGHT)


def test_start_and_end_are_marked() -> None:
    marker = draw_map(make_drawing(), None, LIGHT)["data"][Layer.STATES]["marker"]

    assert marker["symbol"] == ["square", "circle", "square"]
    assert marker["color"] == [LIGHT["pivot"], LIGHT["card"], LIGHT["card"]]


def test_distances_look_the_same_in_every_direction() -> None:
    assert draw_map(make_drawing(), None, LIGHT)["layout"]["yaxis"]["scaleanchor"] == "x"


def shown_width(drawing: MapDrawing) -> float:
    """Units of the map across the panel."""
    low, high = draw_map(drawing, None, LIGHT)["layout"]["xaxis"]["range"]
    return float(high - low)


@pytest.mark.parametrize("angle", [0.0, 0.7, np.pi / 2])
def test_a_local_map_is_turned_to_use_its_panel(angle: float) -> None:
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    straight = make_drawing(("A", "dog", "jumps", "over", "⏎"))
    slanted = replace(straight, path=straight.path @ turn, neighbors=tuple(one @ turn for one in straight.neighbors))

    turned = turn_to_fit(slanted)

    assert shown_width(turned) <= shown_width(slanted) + 1e-6
    assert shown_width(turned) == pytest.approx(shown_width(turn_to_fit(straight)), rel=0.05)
    for before, after in ((slanted.path, turned.path), *zip(slanted.neighbors, turned.neighbors, strict=True)):
        assert np.allclose(distances(before), distances(after))


def distances(points: Points) -> Points:
    """[n, n] distances between points."""
    found: Points = np.linalg.norm(points[:, None] - points[None], axis=2)
    return found


def test_the_line_lies_behind_the_points_it_passes() -> None:
    assert Layer.LINE < Layer.NEIGHBORS < Layer.STATES < Layer.CHOSEN
    traces = draw_map(make_drawing(), 1, LIGHT)["data"]

    assert [trace["mode"] for trace in traces] == ["lines", "markers", "markers", "markers"]
    assert traces[Layer.LINE]["opacity"] < 1


def test_everything_lies_in_the_frame() -> None:
    figure = draw_map(make_drawing(), None, LIGHT)

    for axis in ("x", "y"):
        low, high = figure["layout"][f"{axis}axis"]["range"]
        values = [value for trace in figure["data"] for value in trace[axis]]
        assert low < min(values) <= max(values) < high


def texts(figure: dict[str, Any]) -> list[str]:
    labels = [annotation["text"] for annotation in figure["layout"]["annotations"]]
    return labels + [text for trace in figure["data"] for text in trace.get("text", [])]


def test_markup_in_words_is_shown_as_text() -> None:
    figure = draw_map(make_drawing(("<b>", "<script>alert(1)</script>", "&amp;")), None, LIGHT)

    joined = " ".join(texts(figure))
    assert "<script" not in joined
    assert "&lt;script&gt;" in joined
    assert "&amp;amp;" in joined


def test_the_corpus_lies_behind_the_map_at_its_place() -> None:
    drawing = make_drawing(background=100)

    (image,) = draw_map(drawing, None, LIGHT)["layout"]["images"]

    assert image["layer"] == "below"
    low, high = drawing.background.min(axis=0), drawing.background.max(axis=0)
    assert (image["x"], image["y"]) == pytest.approx((low[0], high[1]))
    assert (image["sizex"], image["sizey"]) == pytest.approx(tuple(high - low))


def test_a_sentence_of_one_word_without_neighbors_can_be_drawn() -> None:
    empty = np.zeros((0, 2))
    drawing = MapDrawing("source", ("A",), np.zeros((1, 2)), (empty,), ((),), empty)

    go.Figure(draw_map(drawing, 0, LIGHT))


def test_any_number_of_dots_is_a_small_picture() -> None:
    points = np.random.default_rng(0).uniform(size=(50_000, 2))
    points[0], points[1] = (0, 0), (1, 1)

    few = unquote(draw_dots(points[:2], "#123456", 0.5))

    assert "M0 500h0" in few
    assert "M500 0h0" in few
    assert len(draw_dots(points[:5000], "#123456", 0.5)) < 100_000
