"""The pivot: source words, attention, target words and the top k under them."""

from __future__ import annotations

import json
from typing import Any

import dash
from dash import Input, Output, State, ctx, dcc, html, no_update
from dash.development.base_component import Component
from dash_cytoscape import Cytoscape

from dashboard.drawing.attributes import wild
from dashboard.drawing.links import BEND, HEIGHT, Link, link_elements, link_stylesheet, prune
from dashboard.drawing.palette import Theme, colors
from dashboard.drawing.picture import DEFAULT_ROOM, MEAN, Picture, read_picker
from dashboard.drawing.translation_parts import (
    canvas_style,
    draw_matrix,
    draw_text_twin,
    draw_top_k,
    draw_words,
    matrix_height,
)
from dashboard.drawing.words import count
from dashboard.services import Services
from dashboard.state.page_state import Json, PageState
from dashboard.views import attention_mode, head_ablation, nbest
from dashboard.views.browser import run_in_browser
from dashboard.views.controls import card, placeholder, segmented
from dashboard.views.ids import PageId, TranslationId
from dashboard.views.what_ifs import choose_alternative

DEFAULT_MASS = 75
NO_ATTENTION = "This model has no attention to draw."
WITHOUT_ATTENTION = "card without-attention"
"""The style of the card that leaves out the controls of attention."""
FIGURE_CONFIG: Any = {"displayModeBar": False, "showSendToCloud": False, "responsive": False}


def layout() -> Component:
    """The card with its controls; the words come with the first translation."""
    return card(
        TranslationId.CARD,
        "Translation",
        [
            segmented(
                TranslationId.MODE,
                {"words": "Change words", "attention": "Change attention"},
                "words",
                "What to change",
            ),
            segmented(
                TranslationId.DRAWING, {"links": "Links", "matrix": "Matrix", "text": "Text"}, "links", "Attention as"
            ),
            _averaging(),
            _mass_slider(),
            html.Span(className="fill"),
            nbest.layout(),
        ],
        [attention_mode.layout(), _canvas(), dcc.Store(id=TranslationId.CHOICE), dcc.Store(id=TranslationId.ROOM)],
        "3 4",
    )


def register(app: dash.Dash, services: Services) -> None:
    """Words, attention and options are sent apart: moving the threshold sends only links."""
    _register_words(app, services)
    _register_attention(app, services)
    _register_options(app, services)
    _register_choice(app, services)


def lay_out_words(picture: Picture) -> tuple[list[Component], list[Component], list[Component], dict[str, Any]]:
    """Source words, target words, top k, and the sizes of their canvas."""
    return (
        draw_words("source", picture.source_words, picture.sources),
        draw_words("target", picture.target_words, picture.targets),
        draw_top_k(picture),
        canvas_style(picture),
    )


def pruned_links(picture: Picture, mass: float, layer: int | None, head: int | None) -> tuple[Link, ...]:
    """The links to draw; none without attention. ``mass`` in percent."""
    attention = picture.attention(layer, head)
    return () if attention is None else prune(attention, mass / 100)


def layer_options(layers: int, what: str) -> list[dict[str, Any]]:
    """Choices of a layer or head, all of them (their mean) first; counted from 1 for people."""
    single = [{"label": f"{what} {index + 1}", "value": index} for index in range(layers)]
    return [{"label": f"all {count(layers, what)}", "value": MEAN}, *single]


def _register_words(app: dash.Dash, services: Services) -> None:
    @app.callback(
        Output(TranslationId.SOURCE_WORDS, "children"),
        Output(TranslationId.TARGET_WORDS, "children"),
        Output(TranslationId.TOP_K, "children"),
        Output(TranslationId.CANVAS, "style"),
        Input(PageId.REQUEST, "data"),
        Input(TranslationId.ROOM, "data"),
        prevent_initial_call=True,
    )
    def show_words(shown: Json | None, room: float | None) -> tuple[Any, ...]:
        return lay_out_words(_picture(services, shown, room))


def _register_attention(app: dash.Dash, services: Services) -> None:
    @app.callback(
        Output(TranslationId.LINKS, "elements"),
        Output(TranslationId.MATRIX, "children"),
        Input(PageId.REQUEST, "data"),
        Input(TranslationId.DRAWING, "value"),
        Input(TranslationId.MASS, "value"),
        Input(TranslationId.LAYER, "value"),
        Input(TranslationId.HEAD, "value"),
        Input(TranslationId.ROOM, "data"),
        Input(PageId.THEME, "data"),
        prevent_initial_call=True,
    )
    def show_attention(
        shown: Json | None, drawing: str, mass: Any, layer: Any, head: Any, room: Any, theme: Theme
    ) -> tuple[Any, Component | None]:
        picture, share = _picture(services, shown, room), float(mass)
        if drawing != "links" or picture.attention(None, None) is None:
            return no_update, draw_twin(picture, drawing, share, read_picker(layer), read_picker(head), theme)
        # Links take the theme's colors from their stylesheet.
        if ctx.triggered_id == PageId.THEME:
            raise dash.exceptions.PreventUpdate
        links = pruned_links(picture, share, read_picker(layer), read_picker(head))
        return link_elements(links, picture.sources, picture.targets, picture.overridden), None


def draw_twin(
    picture: Picture, drawing: str, mass: float, layer: int | None, head: int | None, theme: Theme
) -> Component:
    """Attention as a matrix or as text."""
    attention = picture.attention(layer, head)
    if attention is None:
        return html.P(NO_ATTENTION, className="note")
    if drawing == "text":
        return draw_text_twin(picture, prune(attention, mass / 100))
    return dcc.Graph(
        figure=draw_matrix(picture, attention, colors(theme)),
        config=FIGURE_CONFIG,
        style={"height": matrix_height(picture)},
    )


def _register_options(app: dash.Dash, services: Services) -> None:
    @app.callback(
        Output(TranslationId.LAYER, "options"),
        Output(TranslationId.HEAD, "options"),
        Output(TranslationId.AVERAGING, "hidden"),
        Output(TranslationId.CARD, "className"),
        Output(TranslationId.MODE, "value"),
        Input(PageId.REQUEST, "data"),
        prevent_initial_call=True,
    )
    def show_options(shown: Json) -> tuple[list[Any], list[Any], bool, str, Any]:
        manifest = services.engine.model(shown["request"]["model_id"]).manifest
        layers, heads = manifest.cross_attention_layers, manifest.cross_attention_heads
        pickers = layer_options(layers, "layer"), layer_options(heads, "head"), layers * heads <= 1
        return (*pickers, "card", dash.no_update) if manifest.has_attention else (*pickers, WITHOUT_ATTENTION, "words")

    run_in_browser(
        app,
        "pickSheet",
        Output(TranslationId.LINKS, "stylesheet"),
        Input(PageId.THEME, "data"),
        State(TranslationId.LINKS_SHEETS, "data"),
    )
    run_in_browser(
        app,
        "showDrawing",
        Output(TranslationId.CANVAS, "className"),
        Input(TranslationId.DRAWING, "value"),
    )


def _register_choice(app: dash.Dash, services: Services) -> None:
    @app.callback(
        Output(PageId.REQUEST, "data", allow_duplicate=True),
        Input(TranslationId.CHOICE, "data"),
        State(PageId.REQUEST, "data"),
        prevent_initial_call=True,
    )
    def decode_from_here(choice: Json, shown: Json) -> Json:
        trace, hypothesis = services.chosen(PageState.from_json(shown))
        return services.answer(choose_alternative(trace, hypothesis, choice["value"]))


def _picture(services: Services, shown: Json | None, room: float | None) -> Picture:
    if not shown:
        raise dash.exceptions.PreventUpdate
    return services.picture(PageState.from_json(shown), room or DEFAULT_ROOM)


def _averaging() -> Component:
    pickers = [
        dcc.Dropdown(
            id=picker_id,
            options=[{"label": "mean", "value": MEAN}],
            value=MEAN,
            clearable=False,
            searchable=False,
            className="small-picker",
        )
        for picker_id in (TranslationId.LAYER, TranslationId.HEAD)
    ]
    return html.Div([*pickers, head_ablation.layout()], id=TranslationId.AVERAGING, className="averaging", hidden=True)


def _mass_slider() -> Component:
    slider = dcc.Input(
        id=TranslationId.MASS, type="range", min=10, max=100, step=5, value=DEFAULT_MASS, className="range"
    )
    shown = html.Output(f"{DEFAULT_MASS} %", className="range-value")
    name = html.Span("attention drawn", className="spoken")
    return html.Label(
        [name, slider, shown],
        className="mass",
        title="Draw the fewest links that carry this share of a word's attention",
    )


def _canvas() -> Component:
    rows = [
        _row("source", "source", TranslationId.SOURCE_WORDS, "words source-words"),
        _links(),
        html.Div(id=TranslationId.MATRIX, className="matrix"),
        _row("target", "target", TranslationId.TARGET_WORDS, "words target-words"),
        _row("top k", "most probable words", TranslationId.TOP_K, "top-k", **wild(data_send=TranslationId.CHOICE)),
    ]
    canvas = html.Div(rows, id=TranslationId.CANVAS, className="canvas as-links")
    hint = placeholder("Type a source text above and press Enter.")
    return html.Div([canvas, hint], className="scroller", tabIndex="-1")


def _row(name: str, label: str, row_id: str, class_name: str, **attributes: str) -> Component:
    words = html.Div([], id=row_id, className=class_name, role="group", **wild(aria_label=label, **attributes))
    return html.Div([html.Span(name, className="row-name"), words], className="row")


def _links() -> Component:
    graph = Cytoscape(
        id=TranslationId.LINKS,
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
    sheets = {"light": link_stylesheet("light"), "dark": link_stylesheet("dark")}
    seen = wild(aria_label="Attention; see Text", data_bend=json.dumps(BEND))
    drawing = html.Div(graph, className="links-drawing", role="img", **seen)
    name = html.Span(className="row-name")
    return html.Div([name, drawing, dcc.Store(id=TranslationId.LINKS_SHEETS, data=sheets)], className="row links-row")
