"""The pivot: source words, attention, target words and the top k under them."""

from __future__ import annotations

import json
from typing import Any

from dash import dcc, html
from dash.development.base_component import Component
from dash_cytoscape import Cytoscape

from dashboard.drawing.attention_ranking import Pick, describe_view
from dashboard.drawing.attributes import wild
from dashboard.drawing.links import BEND, HEIGHT, Link, link_elements, link_stylesheet, prune
from dashboard.drawing.palette import colors
from dashboard.drawing.picture import GUTTER, Picture
from dashboard.drawing.translation_parts import canvas_style, draw_matrix, draw_text_twin, draw_top_k, draw_words
from dashboard.drawing.words import count
from dashboard.views import attention_mode, head_ablation, head_grid, nbest
from dashboard.views.controls import card, placeholder, segmented, select
from dashboard.views.ids import TranslationRole, as_control, as_role, control_id
from dashboard.views.mantine import as_options, popover
from dashboard.views.parts import Part, Parts, attributes_part, control_part, figure_part, graph_part, html_part
from dashboard.views.shown import Shown

DEFAULT_MASS = 75
NO_ATTENTION = "This model has no attention to draw."


def layout(pane: str) -> Component:
    """The card with its controls; the words come with the first translation."""
    return card(
        TranslationRole.CARD,
        "Translation",
        [
            segmented(
                pane,
                TranslationRole.MODE,
                {"words": "Change words", "attention": "Change attention"},
                "words",
                "What to change",
            ),
            segmented(
                pane,
                TranslationRole.DRAWING,
                {"links": "Links", "matrix": "Matrix", "text": "Text"},
                "links",
                "Attention as",
            ),
            _attention_options(pane),
            html.Span(className="fill"),
            nbest.layout(pane),
        ],
        [attention_mode.layout(), _canvas()],
        "3 4",
    )


def draw(shown: Shown) -> Parts:
    """Words, attention as it is looked at, and the pickers that the model has a use for."""
    return {
        **_draw_words(shown),
        **_draw_attention(shown),
        **_draw_pickers(shown),
        **head_ablation.draw(shown),
        **head_grid.draw(shown),
        **attention_mode.draw(shown),
    }


def lay_out_words(picture: Picture) -> tuple[list[Component], list[Component], list[Component], dict[str, Any]]:
    """Source words, target words, top k, and the sizes of their canvas."""
    return (
        draw_words("source", picture.source_words, picture.sources, picture.trace.source),
        draw_words("target", picture.target_words, picture.targets),
        draw_top_k(picture),
        canvas_style(picture),
    )


def pruned_links(picture: Picture, mass: float, layer: int | None, head: int | None) -> tuple[Link, ...]:
    """The links to draw; none without attention. ``mass`` in percent."""
    attention = picture.attention(layer, head)
    return () if attention is None else prune(attention, mass / 100)


def pick_options(number: int, what: str) -> dict[str, str]:
    """Choices of a layer or head: the clearest, the mean of all, then each, counted from 1."""
    single = {str(index): f"{what} {index + 1}" for index in range(number)}
    return {"best": f"clearest {what}", "mean": f"mean of {count(number, what)}", **single}


def describe_attention(shown: Shown) -> list[Component | str]:
    """The attention that is drawn: its view, and the share of it that links carry."""
    layers, heads = shown.manifest.cross_attention_layers, shown.manifest.cross_attention_heads
    view = describe_view(shown.view, layers, heads) if shown.view else ""
    mass = f"{shown.options.mass:g} %"
    return [view, html.Span(f" · {mass}", className="if-wide")] if view else [f"{mass} of attention"]


def _draw_words(shown: Shown) -> Parts:
    sources, targets, top_k, style = lay_out_words(shown.picture)
    drawing = "text" if shown.attention is None else shown.options.drawing
    return {
        TranslationRole.SOURCE_WORDS: html_part(sources),
        TranslationRole.TARGET_WORDS: html_part(targets),
        TranslationRole.TOP_K: html_part(top_k),
        TranslationRole.CANVAS: attributes_part(className=f"canvas as-{drawing}", style=style),
        TranslationRole.CARD: attributes_part(data_attention="none" if shown.attention is None else "some"),
    }


def _draw_attention(shown: Shown) -> Parts:
    """Links, matrix or text: the one that is looked at."""
    picture, attention, options = shown.picture, shown.attention, shown.options
    if attention is None:
        return {TranslationRole.TWIN: html_part(html.P(NO_ATTENTION, className="note"))}
    if options.drawing == "matrix":
        return {TranslationRole.MATRIX: figure_part(draw_matrix(picture, attention, colors(options.theme)))}
    links = pruned_links(picture, options.mass, shown.layer, shown.head)
    if options.drawing == "text":
        return {TranslationRole.TWIN: html_part(draw_text_twin(picture, links))}
    elements = link_elements(links, picture.sources, picture.targets, picture.overridden)
    return {TranslationRole.LINKS: graph_part(elements)}


def _draw_pickers(shown: Shown) -> Parts:
    layers, heads = shown.manifest.cross_attention_layers, shown.manifest.cross_attention_heads
    return {
        TranslationRole.LAYER: _pick_part(layers, "layer", shown.options.layer),
        TranslationRole.HEAD: _pick_part(heads, "head", shown.options.head),
        TranslationRole.AVERAGING: attributes_part(hidden=layers * heads <= 1),
        TranslationRole.VIEW: html_part(describe_attention(shown)),
    }


def _pick_part(number: int, what: str, pick: Pick) -> Part:
    return control_part(data=as_options(pick_options(number, what)), value=str(pick))


def _attention_options(pane: str) -> Component:
    """A button that names the attention that is drawn and opens its options."""
    content = [_averaging(pane), _mass_slider(pane), head_grid.layout()]
    name = html.Span("attention", **as_role(TranslationRole.VIEW))
    options = popover(control_id(pane, TranslationRole.ATTENTION), name, content, title="Which attention is drawn")
    return html.Div(options, className="attention-options")


def _averaging(pane: str) -> Component:
    pickers = [
        select(pane, role, {"best": f"clearest {what}"}, "best", what)
        for role, what in ((TranslationRole.LAYER, "layer"), (TranslationRole.HEAD, "head"))
    ]
    return html.Div(
        [*pickers, head_ablation.layout()], className="averaging", hidden=True, **as_role(TranslationRole.AVERAGING)
    )


def _mass_slider(pane: str) -> Component:
    slider = dcc.Input(
        id=control_id(pane, TranslationRole.MASS),
        type="range",
        min=10,
        max=100,
        step=5,
        value=DEFAULT_MASS,
        className="range",
    )
    shown = html.Output(f"{DEFAULT_MASS} %", className="range-value")
    name = html.Span("attention drawn", className="spoken")
    return html.Label(
        [name, slider, shown],
        className="mass",
        title="Draw the fewest links that carry this share of a word's attention",
        **as_control(pane, TranslationRole.MASS),
    )


def _canvas() -> Component:
    twin = as_role(TranslationRole.TWIN) | wild(aria_label="Attention in words")
    rows = [
        _row("source", "source", TranslationRole.SOURCE_WORDS, "words source-words"),
        attention_mode.layout_sliders(),
        _links(),
        html.Div(className="matrix", **as_role(TranslationRole.MATRIX)),
        html.Div(className="attention-twin", role="group", tabIndex="0", **twin),
        _row("target", "target", TranslationRole.TARGET_WORDS, "words target-words"),
        _row("top k", "most probable words", TranslationRole.TOP_K, "top-k", **wild(data_verb="choose")),
    ]
    canvas = html.Div(rows, className="canvas as-links", **as_role(TranslationRole.CANVAS))
    hint = placeholder("Type a source text above and press Enter.")
    return html.Div([canvas, hint], className="scroller", tabIndex="-1", **wild(data_gutter=str(GUTTER)))


def _row(name: str, label: str, role: str, class_name: str, **attributes: str) -> Component:
    named = as_role(role) | wild(aria_label=label) | attributes
    words = html.Div(className=class_name, role="group", **named)
    return html.Div([html.Span(name, className="row-name"), words], className="row")


def _links() -> Component:
    graph = Cytoscape(
        elements=[],
        stylesheet=link_stylesheet("light"),
        layout={"name": "preset", "fit": False},
        style={"width": "100%", "height": f"{HEIGHT}px"},
        zoom=1,
        pan={"x": 0, "y": 0},
        userZoomingEnabled=False,
        userPanningEnabled=False,
        autoungrabify=True,
        autounselectify=True,
        autoRefreshLayout=False,
    )
    sheets = json.dumps({"light": link_stylesheet("light"), "dark": link_stylesheet("dark")})
    seen = wild(aria_label="Attention; see Text", data_bend=json.dumps(BEND), data_sheets=sheets)
    drawing = html.Div(graph, className="links-drawing", role="img", **(as_role(TranslationRole.LINKS) | seen))
    return html.Div([html.Span(className="row-name"), drawing], className="row links-row")
