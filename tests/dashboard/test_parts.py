"""Drawn parts: components become nodes that a browser can only show."""

from __future__ import annotations

from typing import Any

import pytest
from dash import dcc, html
from dash.development.base_component import Component

from dashboard.drawing.attributes import wild
from dashboard.views.parts import attributes_part, compact, figure_part, html_part

MARKUP = "<img src=x onerror=alert(1)>"


def test_a_component_becomes_tag_attributes_and_children() -> None:
    button = html.Button(
        [html.Span("1"), "2"], className="chip", style={"left": 12, "--p": 40}, **wild(data_side="source")
    )

    node = compact(button)

    attributes = {"class": "chip", "style": "left:12px;--p:40", "data-side": "source"}
    assert node == ["button", attributes, [["span", {}, ["1"]], "2"]]


def test_texts_and_attributes_stay_what_they_are() -> None:
    assert html_part(html.P(MARKUP, title=MARKUP)).content["html"] == [["p", {"title": MARKUP}, [MARKUP]]]


def test_attributes_that_are_off_are_taken_away_from_a_place_and_left_out_of_a_node() -> None:
    assert attributes_part(hidden=False, disabled=True).content == {"set": {"hidden": None, "disabled": ""}}
    assert compact(html.Button("x", disabled=False)) == ["button", {}, ["x"]]


@pytest.mark.parametrize("component", [dcc.Graph(), html.Img(src="x"), html.A("x", href="javascript:alert(1)")])
def test_what_is_not_drawn_is_refused(component: Component) -> None:
    with pytest.raises(ValueError, match="draw"):
        compact(component)


@pytest.mark.parametrize(("key", "same"), [(None, False), (["dates", "decoder"], True)])
def test_a_part_is_named_by_its_key_or_by_its_content(key: Any, same: bool) -> None:
    one, other = figure_part({"data": [1]}, key), figure_part({"data": [2]}, key)

    assert (one.digest == other.digest) is same
    assert one.digest == figure_part({"data": [1]}, key).digest
