"""The header: which model, which text, how to search; theme, link, export, help."""

from __future__ import annotations

from typing import Any

import dash
from dash import Input, Output, State, ctx, dcc, html, no_update
from dash.development.base_component import Component

from dashboard.drawing.attributes import wild
from dashboard.drawing.palette import Theme
from dashboard.drawing.picture import read_picker
from dashboard.drawing.translation_svg import draw_svg
from dashboard.errors import LinkError
from dashboard.services import Services
from dashboard.state.page_state import Json, PageState
from dashboard.state.url_state import decode_fragment, encode_fragment
from dashboard.views.browser import run_in_browser
from dashboard.views.ids import HeaderId, HistoryId, PageId, TranslationId
from dashboard.views.translation import pruned_links
from dashboard.views.what_ifs import start_over
from exported_models.contract.documents import TraceDocument
from exported_models.contract.request import MAX_BEAM_SIZE, MAX_LENGTH_PENALTY, Request

SHORTCUTS = (
    ("/", "go to the source text"),
    ("Enter", "translate; in a view: use what has the focus"),
    ("1 … 5", "bring a stage forward"),
    ("← → ↑ ↓", "walk along the words, the top k, the tree"),
    ("a", "change attention, or back to words"),
    ("u, r", "undo, redo"),
    ("t", "light or dark"),
    ("Esc", "let go of the chosen word"),
    ("?", "this list"),
)


def layout(models: tuple[str, ...]) -> Component:
    """The bar at the top; its height never changes."""
    return html.Header(
        [
            html.H1([html.Span(className="brand-mark"), "Beamscope"], className="brand"),
            _model_picker(models),
            _source_form(),
            _number(HeaderId.BEAM_SIZE, "beam", "Beam size", 1, MAX_BEAM_SIZE, 1),
            _number(
                HeaderId.LENGTH_PENALTY, "length α", "Length penalty", -MAX_LENGTH_PENALTY, MAX_LENGTH_PENALTY, 0.1
            ),
            html.Div(_buttons(), className="header-buttons"),
            dcc.Download(id=HeaderId.DOWNLOAD),
        ],
        className="header",
    )


def register(app: dash.Dash, services: Services) -> None:
    """Requests come in from the link and from the header; the header and the link follow the request."""
    _register_requests(app, services)
    _register_followers(app, services)
    _register_browser_only(app)


def open_link(services: Services, fragment: str, shown: Json | None) -> Json:
    """The request of a link; without a fragment the first model's example, if any; unchanged if it is shown already."""
    state = decode_fragment(fragment) if fragment.strip("#") else _first_request(services)
    if state is None or (shown and PageState.from_json(shown) == state):
        raise dash.exceptions.PreventUpdate
    trace = services.trace(state.request)
    return PageState(state.request, min(state.hypothesis, len(trace.hypotheses) - 1)).to_json()


def link_to(state: PageState) -> Json:
    """The content of ``PageId.LINK``: the fragment of a page, or why it has none. The browser says the latter."""
    try:
        return {"fragment": encode_fragment(state), "refusal": ""}
    except LinkError as error:
        return {"fragment": "", "refusal": str(error)}


def submit(services: Services, shown: Json | None, values: tuple[str, str | None, Any, Any]) -> Json:
    """The request the header asks for; unchanged if that is what the page shows."""
    model_id, source, beam_size, length_penalty = values
    state = PageState.from_json(shown) if shown else None
    request = start_over(state, model_id, source or "", beam_size, length_penalty)
    if state and services.trace(request).request == services.trace(state.request).request:
        raise dash.exceptions.PreventUpdate
    return services.answer(request)


def write_trace(services: Services, state: PageState) -> str:
    """The trace on the page as JSON, with the chosen hypothesis in view."""
    trace, hypothesis = services.chosen(state)
    return TraceDocument.of(trace, trace.hypotheses.index(hypothesis)).to_json()


def _first_request(services: Services) -> PageState | None:
    models = services.workspace.model_ids()
    text = services.example(models[0]) if models else None
    return PageState(Request(models[0], text)) if text else None


def _register_requests(app: dash.Dash, services: Services) -> None:
    @app.callback(Output(PageId.REQUEST, "data"), Input(PageId.ADDRESS, "data"), State(PageId.REQUEST, "data"))
    def follow_link(address: Json, shown: Json | None) -> Json:
        return open_link(services, address["fragment"], shown)

    @app.callback(
        Output(PageId.REQUEST, "data", allow_duplicate=True),
        Input(HeaderId.TRANSLATE, "n_clicks"),
        Input(HeaderId.SOURCE, "n_submit"),
        Input(HeaderId.BEAM_SIZE, "value"),
        Input(HeaderId.LENGTH_PENALTY, "value"),
        Input(HeaderId.MODEL, "value"),
        State(HeaderId.SOURCE, "value"),
        State(PageId.REQUEST, "data"),
        prevent_initial_call=True,
    )
    def translate(
        _clicks: Any, _submits: Any, beam: Any, penalty: Any, model: str, source: str | None, shown: Json | None
    ) -> Json:
        typed = ctx.triggered_id in (HeaderId.TRANSLATE, HeaderId.SOURCE)
        if not typed and not shown:
            raise dash.exceptions.PreventUpdate
        text = source if typed or not shown else shown["request"]["source"]
        return submit(services, shown, (model, text, beam, penalty))


def _register_followers(app: dash.Dash, services: Services) -> None:
    @app.callback(
        Output(HeaderId.MODEL, "value"),
        Output(HeaderId.BEAM_SIZE, "value", allow_duplicate=True),
        Output(HeaderId.LENGTH_PENALTY, "value", allow_duplicate=True),
        Input(PageId.REQUEST, "data"),
        prevent_initial_call=True,
    )
    def show_request(shown: Json) -> tuple[str, int | None, float | None]:
        request = services.trace(PageState.from_json(shown).request).request
        return request.model_id, request.beam_size, request.length_penalty

    @app.callback(Output(PageId.LINK, "data"), Input(PageId.REQUEST, "data"), prevent_initial_call=True)
    def make_link(shown: Json) -> Json:
        return link_to(PageState.from_json(shown))

    @app.callback(
        Output(HeaderId.DOWNLOAD, "data"),
        Input(HeaderId.EXPORT_JSON, "n_clicks"),
        Input(HeaderId.EXPORT_SVG, "n_clicks"),
        State(PageId.REQUEST, "data"),
        State(TranslationId.MASS, "value"),
        State(TranslationId.LAYER, "value"),
        State(TranslationId.HEAD, "value"),
        State(PageId.THEME, "data"),
        prevent_initial_call=True,
    )
    def export(_json: Any, _svg: Any, shown: Json | None, mass: Any, layer: Any, head: Any, theme: Theme) -> Any:
        if not shown:
            return no_update
        state = PageState.from_json(shown)
        if ctx.triggered_id == HeaderId.EXPORT_JSON:
            return _download(write_trace(services, state), "trace.json", "application/json")
        picture = services.picture(state)
        links = pruned_links(picture, float(mass), read_picker(layer), read_picker(head))
        return _download(draw_svg(picture, links, theme), "translation.svg", "image/svg+xml")


def _register_browser_only(app: dash.Dash) -> None:
    run_in_browser(app, "readAddress", Output(PageId.ADDRESS, "data"), Input(PageId.BODY, "id"))
    run_in_browser(app, "pushLink", Input(PageId.LINK, "data"))
    run_in_browser(app, "fillSource", Output(HeaderId.SOURCE, "value"), Input(PageId.REQUEST, "data"), at_start=False)
    run_in_browser(
        app,
        "toggleTheme",
        Output(PageId.THEME, "data"),
        Input(HeaderId.THEME, "n_clicks"),
    )
    run_in_browser(
        app,
        "shareLink",
        Input(HeaderId.SHARE, "n_clicks"),
        State(PageId.LINK, "data"),
        at_start=False,
    )
    run_in_browser(
        app,
        "showNotice",
        Output(PageId.NOTICE_REGION, "children"),
        Output(PageId.NOTICE_REGION, "className"),
        Input(PageId.NOTICE, "data"),
    )
    run_in_browser(
        app,
        "clearNotice",
        Output(PageId.NOTICE, "data"),
        Input(PageId.REQUEST, "data"),
        at_start=False,
    )


def _download(content: str, filename: str, kind: str) -> Json:
    return {"content": content, "filename": filename, "type": kind}


def _model_picker(models: tuple[str, ...]) -> Component:
    picker = dcc.Dropdown(
        id=HeaderId.MODEL, options=list(models), value=models[0], clearable=False, searchable=len(models) > 8
    )
    return html.Div(picker, className="model-picker", role="group", title="Model", **wild(aria_label="Model"))


def _source_form() -> Component:
    return html.Div(
        [
            dcc.Input(
                id=HeaderId.SOURCE,
                type="text",
                placeholder="Source text",
                className="source-text",
                spellCheck=False,
                autoComplete="off",
            ),
            html.Button("Translate", id=HeaderId.TRANSLATE, className="primary"),
        ],
        className="source-form",
        role="search",
        **wild(aria_label="Source text"),
    )


def _number(number_id: str, text: str, title: str, low: float, high: float, step: float) -> Component:
    field = dcc.Input(id=number_id, type="number", min=low, max=high, step=step, debounce=True)
    return html.Label([text, field], className="number", title=title)


def _buttons() -> list[Component]:
    return [
        html.Button("Undo", id=HistoryId.UNDO, className="quiet", disabled=True),
        html.Button("Redo", id=HistoryId.REDO, className="quiet", disabled=True),
        html.Button("Share", id=HeaderId.SHARE, className="quiet", title="Copy a link to what the page shows"),
        _menu(
            HeaderId.EXPORT,
            "Export",
            [
                html.Button("Trace as JSON", id=HeaderId.EXPORT_JSON, className="menu-item"),
                html.Button("Translation as SVG", id=HeaderId.EXPORT_SVG, className="menu-item"),
            ],
        ),
        html.Button(
            "◐", id=HeaderId.THEME, className="quiet", title="Light or dark", **wild(aria_label="Light or dark")
        ),
        _menu(HeaderId.HELP, "?", [_shortcut_list()], "Keyboard shortcuts"),
    ]


def _menu(menu_id: str, text: str, content: list[Component], label: str = "") -> Component:
    summary = html.Summary(text, className="quiet", title=label or None, **wild(aria_label=label or text))
    return html.Details([summary, html.Div(content, className="menu")], id=menu_id, className="menu-holder")


def _shortcut_list() -> Component:
    rows = [item for key, meaning in SHORTCUTS for item in (html.Dt(html.Kbd(key)), html.Dd(meaning))]
    return html.Div([html.H2("Keyboard"), html.Dl(rows)], className="shortcuts")
