"""The pinned answer and the shown one in one picture: words in common columns, attention and most probable words."""

from __future__ import annotations

import json

from dash import html
from dash.development.base_component import Component

from dashboard.drawing.attributes import wild
from dashboard.drawing.comparison_links import compare_links, draw_difference, trace_paths
from dashboard.drawing.comparison_parts import draw_choices, draw_comparison_twin, draw_sources, draw_targets
from dashboard.drawing.matrix import fit_gutter
from dashboard.drawing.palette import colors
from dashboard.drawing.picture import GUTTER
from dashboard.views.compared import Compared
from dashboard.views.controls import card, segmented
from dashboard.views.ids import ComparisonRole, as_role
from dashboard.views.mantine import as_options
from dashboard.views.parts import Part, Parts, attributes_part, control_part, figure_part, html_part
from exported_models.wording import describe_source

DRAWINGS = {"links": "Links", "moved": "Moved", "matrix": "Matrix", "text": "Text"}
_WITHOUT_ATTENTION = {"links": "Words", "text": "Text"}


def layout(pane: str) -> Component:
    """The card; it takes the place of the translation while something is compared."""
    return card(
        ComparisonRole.CARD,
        "Compare",
        [
            html.Span("pivot", className="pill pivot", **as_role(ComparisonRole.BEFORE_NAME)),
            html.Span("compare", className="pill compare", **as_role(ComparisonRole.AFTER_NAME)),
            segmented(pane, ComparisonRole.DRAWING, DRAWINGS, "links", "Both answers as"),
            html.Span(className="fill"),
            _wish_button("Swap", "swap", "Exchange pivot and compare (s)"),
            _wish_button("End", "unpin", "Compare no more (Esc)"),
        ],
        [_canvas()],
        "3 4",
    )


def _wish_button(text: str, verb: str, title: str) -> Component:
    """A quiet button that sends a wish without a value."""
    return html.Button(text, className="quiet", title=title, **wild(data_wish=json.dumps({"verb": verb})))


def draw(compared: Compared) -> Parts:
    """Words, most probable words, and attention as it is looked at."""
    picture, drawing = compared.picture, _fit_drawing(compared)
    drawings = _WITHOUT_ATTENTION if compared.attention is None else DRAWINGS
    style = {
        "--words": f"{picture.width:g}px",
        "--rows": str(picture.rows),
        "--matrix-gutter": f"{fit_gutter(picture.source_names):g}px",
    }
    before, after = (side.trace.request.source for side in (compared.found.before, compared.found.after))
    return {
        ComparisonRole.CARD: attributes_part(data_attention="none" if compared.attention is None else "some"),
        ComparisonRole.DRAWING: control_part(data=as_options(drawings), value=drawing),
        ComparisonRole.BEFORE_NAME: html_part("pivot", title=describe_source(before)),
        ComparisonRole.AFTER_NAME: html_part("compare", title=describe_source(after)),
        ComparisonRole.CANVAS: attributes_part(className=f"canvas compared as-{drawing}", style=style),
        ComparisonRole.CHOICES_BEFORE: html_part(draw_choices(picture, after=False)),
        ComparisonRole.BEFORE: html_part(draw_targets(picture, after=False)),
        ComparisonRole.SOURCE: html_part(draw_sources(picture)),
        ComparisonRole.AFTER: html_part(draw_targets(picture, after=True)),
        ComparisonRole.CHOICES_AFTER: html_part(draw_choices(picture, after=True)),
        **_draw_attention(compared, drawing),
    }


def _fit_drawing(compared: Compared) -> str:
    wanted = compared.shown.options.comparison
    return wanted if compared.attention is not None or wanted == "text" else "links"


def _draw_attention(compared: Compared, drawing: str) -> Parts:
    """Links, matrix or text: the one that is looked at."""
    picture, attention, options = compared.picture, compared.attention, compared.shown.options
    both = compared.found.attention
    if drawing == "text":
        moves = both.list_moves(*compared.view) if both else ()
        return {ComparisonRole.TWIN: html_part(draw_comparison_twin(picture, moves))}
    if attention is None or both is None:
        return {}
    if drawing == "matrix":
        difference = both.difference(*compared.view)
        return {ComparisonRole.MATRIX: figure_part(draw_difference(picture, difference, colors(options.theme)))}
    before, after = attention
    only = drawing == "moved"
    above = compare_links(before, after, options.mass / 100, only_moved=only)
    below = compare_links(after, before, options.mass / 100, only_moved=only)
    return {
        ComparisonRole.LINKS_BEFORE: Part({"paths": trace_paths(picture, above, after=False)}),
        ComparisonRole.LINKS_AFTER: Part({"paths": trace_paths(picture, below, after=True)}),
    }


def _canvas() -> Component:
    rows = [
        _row("top k", "most probable words of the pivot", ComparisonRole.CHOICES_BEFORE, "top-k before"),
        _row("pivot", "pivot", ComparisonRole.BEFORE, "words target-words before", "pivot-name"),
        _links(ComparisonRole.LINKS_BEFORE, "before"),
        _row("source", "source of both", ComparisonRole.SOURCE, "words source-words"),
        _links(ComparisonRole.LINKS_AFTER, "after"),
        html.Div(className="matrix", **as_role(ComparisonRole.MATRIX)),
        _row("compare", "compare", ComparisonRole.AFTER, "words target-words after", "compare-name"),
        _row(
            "top k", "most probable words of compare", ComparisonRole.CHOICES_AFTER, "top-k after", data_verb="choose"
        ),
        html.Div(
            className="attention-twin",
            role="group",
            tabIndex="0",
            **(as_role(ComparisonRole.TWIN) | wild(aria_label="Comparison in words")),
        ),
    ]
    canvas = html.Div(rows, className="canvas compared as-links", **as_role(ComparisonRole.CANVAS))
    return html.Div(canvas, className="scroller", tabIndex="-1", **wild(data_gutter=str(GUTTER)))


def _row(name: str, label: str, role: str, class_name: str, name_class: str = "", **attributes: str) -> Component:
    named = as_role(role) | wild(aria_label=label, **attributes)
    words = html.Div(className=class_name, role="group", **named)
    return html.Div([html.Span(name, className=f"row-name {name_class}".strip()), words], className="row")


def _links(role: str, side: str) -> Component:
    seen = wild(aria_label="Attention; see Text")
    drawing = html.Div(className=f"paths {side}", role="img", **(as_role(role) | seen))
    return html.Div([html.Span(className="row-name"), drawing], className="row links-row")
