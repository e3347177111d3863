"""The header: which model, which text, how to search; theme, link, export, help."""

from __future__ import annotations

from dash import Dash, Input, dcc, html
from dash.development.base_component import Component

from dashboard.drawing.attributes import wild
from dashboard.drawing.typography import text_width
from dashboard.views import exports, search_settings
from dashboard.views.browser import run_in_browser
from dashboard.views.controls import select
from dashboard.views.ids import HeaderRole, as_control, as_role, control_id
from dashboard.views.mantine import as_options, popover
from dashboard.views.parts import Part, Parts, control_part
from dashboard.views.shown import Shown
from exported_models.contract.manifest import ModelManifest, Owner
from exported_models.contract.request import MAX_BEAM_SIZE, MAX_LENGTH_PENALTY

SHORTCUTS = (
    ("/", "go to the source text"),
    ("Enter", "translate; in a view: use what has the focus"),
    ("1 … 5", "bring a stage forward"),
    ("← → ↑ ↓", "walk along the words, the top k, the tree"),
    ("a", "change attention, or back to words"),
    ("u, r", "undo, redo"),
    ("h", "the history as a tree; in it: n note, F2 name, * star, Delete a branch"),
    ("p", "pin the answer, or the chosen moment, and compare others with it"),
    ("s", "swap pivot and compare"),
    ("e", "menu of the chosen word; so do a second click or Enter on it, and the right button"),
    ("E", "edit the whole target"),
    ("x", "save a view, a table or the trace to a file"),
    ("k", "keep a prefix of the tree, or a word of the top k, beside the others; so does the right button"),
    ("w", "try many what-ifs at once; on a word of the top k, find attention for it"),
    ("t", "light or dark"),
    ("f", "enlarge a card to the whole page, or back"),
    (
        "Esc",
        "stop what is waited for, close a menu, panel, history or enlarged card, let go of the chosen word, "
        "leave attention, end comparing",
    ),
    ("?", "this list"),
)


PICKER_SIDES = 40.0
NARROWEST_PICKER = 110.0
WIDEST_PICKER = 260.0
LANGUAGE_PICKER = 112
"""Pixels of the picker of models: around the longest name, at least and at most; and of those of languages."""


def layout(models: tuple[str, ...]) -> Component:
    """The bar at the top; its height never changes."""
    return html.Header(
        [
            html.H1([html.Span(className="brand-mark"), "Beamscope"], className="brand"),
            _model_picker(models),
            _source_form(),
            _language_picker(HeaderRole.SOURCE_LANGUAGE, "from", "Language of the source"),
            _language_picker(HeaderRole.TARGET_LANGUAGE, "to", "Language of the target"),
            _number(HeaderRole.BEAM_SIZE, "beam", "Beam size", 1, MAX_BEAM_SIZE, 1),
            _number(
                HeaderRole.LENGTH_PENALTY, "length α", "Length penalty", -MAX_LENGTH_PENALTY, MAX_LENGTH_PENALTY, 0.1
            ),
            search_settings.layout(),
            html.Div(_buttons(), className="header-buttons"),
        ],
        className="header",
        **wild(data_frame="yes"),
    )


def register(app: Dash) -> None:
    """Tell the browser's pane what the header says."""
    run_in_browser(
        app,
        "readHeader",
        Input(HeaderRole.TRANSLATE, "n_clicks"),
        Input(HeaderRole.BEAM_SIZE, "value"),
        Input(HeaderRole.LENGTH_PENALTY, "value"),
        Input(HeaderRole.MODEL, "value"),
        Input(HeaderRole.SOURCE_LANGUAGE, "value"),
        Input(HeaderRole.TARGET_LANGUAGE, "value"),
    )


def draw(shown: Shown) -> Parts:
    """The values of the request."""
    request = shown.picture.trace.request
    return {
        HeaderRole.MODEL: control_part(value=request.model_id),
        HeaderRole.BEAM_SIZE: control_part(value=request.beam_size),
        HeaderRole.LENGTH_PENALTY: control_part(value=request.length_penalty),
        HeaderRole.SOURCE: Part({"fill": request.source}),
        HeaderRole.SOURCE_LANGUAGE: _fill_languages(shown.manifest, request.source_language, "source"),
        HeaderRole.TARGET_LANGUAGE: _fill_languages(shown.manifest, request.target_language, "target"),
    }


def _model_picker(models: tuple[str, ...]) -> Component:
    longest = max(text_width(model, 13) for model in models)
    style = {"width": min(max(longest + PICKER_SIDES, NARROWEST_PICKER), WIDEST_PICKER)}
    names = {model: model for model in models}
    picker = select("", HeaderRole.MODEL, names, models[0], "Model", searchable=len(models) > 8)
    return html.Div(picker, className="model-picker", title="Model", style=style)


def _language_picker(role: HeaderRole, text: str, title: str) -> Component:
    """A list that is filled, and seen, where a model has languages."""
    picker = select("", role, {}, None, title, searchable=True, placeholder=text, display="none", w=LANGUAGE_PICKER)
    return html.Div(picker, className="language-picker", title=title)


def _fill_languages(manifest: ModelManifest, chosen: str | None, side: Owner) -> Part:
    languages = manifest.languages
    if languages is None or (side == "source" and languages.source_tag is None):
        return control_part(data=[], value=None, display="none")
    codes = {code: code for code in sorted(languages.tags)}
    return control_part(data=as_options(codes), value=chosen, display="block")


def _source_form() -> Component:
    return html.Div(
        [
            html.Div(className="source-field", **as_role(HeaderRole.SOURCE)),
            html.Button(
                "Translate",
                id=control_id("", HeaderRole.TRANSLATE),
                className="primary",
                **as_role(HeaderRole.TRANSLATE),
            ),
        ],
        className="source-form",
        role="search",
        **wild(aria_label="Source text"),
    )


def _number(role: str, text: str, title: str, low: float, high: float, step: float) -> Component:
    field = dcc.Input(id=control_id("", role), type="number", min=low, max=high, step=step, debounce=True)
    return html.Label([text, field], className="number", title=title, **as_control("", role))


def _buttons() -> list[Component]:
    theme = as_role(HeaderRole.THEME) | wild(aria_label="Light or dark")
    return [
        _verb("Undo", "undo", HeaderRole.UNDO),
        _verb("Redo", "redo", HeaderRole.REDO),
        html.Button(
            "Share", className="quiet", title="Copy a link to what the page shows", **as_role(HeaderRole.SHARE)
        ),
        _panel(HeaderRole.EXPORT, "Export", [exports.layout()], "Save to a file"),
        html.Button("◐", className="quiet", title="Light or dark", **theme),
        _panel(HeaderRole.HELP, "?", [_shortcut_list()], "Keyboard shortcuts"),
    ]


def _verb(text: str, verb: str, role: str) -> Component:
    return html.Button(text, className="quiet", disabled=True, **(as_role(role) | wild(data_verb=verb)))


def _panel(role: str, text: str, content: list[Component], title: str) -> Component:
    return html.Div(popover(f"{role}-panel", text, content, title=title, side="end"), **as_role(role))


def _shortcut_list() -> Component:
    rows = [item for key, meaning in SHORTCUTS for item in (html.Dt(html.Kbd(key)), html.Dd(meaning))]
    return html.Div([html.H2("Keyboard"), html.Dl(rows)], className="shortcuts")
