"""Files that are written from what a pane shows: views for print, tables, and the trace."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Final

from dash import html
from dash.development.base_component import Component

from dashboard.drawing.attributes import wild
from dashboard.drawing.palette import colors
from dashboard.drawing.svg.document import Drawing, write_svg
from dashboard.services import Services
from dashboard.state.page_state import Json, PageState
from dashboard.state.question import Export, PrintedView
from dashboard.table_columns import MEDIA_TYPES, TABLES, FileKind, TableName
from dashboard.tables import Table, make_comparison_table, make_neighbor_table, make_table, write_table
from dashboard.views import prints
from dashboard.views.compared import Compared, look_at_both
from dashboard.views.shown import Shown, Surroundings, look_around
from dashboard.views.wishes import Turn
from exported_models.contract.documents import TraceDocument
from exported_models.contract.errors import RequestError

VIEW_NAMES: Final[Mapping[PrintedView, str]] = {
    "translation": "Translation",
    "matrix": "Attention matrix",
    "tree": "Beam tree",
    "map": "Map of states",
    "neighbors": "Training examples",
}
TABLE_NAMES: Final[Mapping[TableName, str]] = {
    "hypotheses": "Hypotheses by token",
    "candidates": "Candidates by step",
    "top_k": "Most probable tokens",
    "attention": "Attention weights",
}
PNG_SCALE: Final = 3
"""Pixels of a PNG for each of the drawing: some 300 a printed inch."""


def layout() -> Component:
    """The content of the panel: a row a view or table, a button a format. Beside a pinned answer views show both."""
    rows = [_row(text, value, ("svg", "png")) for value, text in VIEW_NAMES.items()]
    rows += [_row("Training examples of all words", "neighbors", ("csv", "parquet"))]
    rows += [_row("Comparison by token", "comparison", ("csv", "parquet"), "export-row of-comparison")]
    rows += [_row(TABLE_NAMES[value], value, ("csv", "parquet")) for value in TABLES]
    rows += [_row("Trace", "trace", ("json",)), _row_of_report()]
    return html.Div(rows, className="export-rows")


def write(services: Services, shown: Shown, turn: Turn, wish: Export) -> Json:
    """The file that a wish asks for.

    Raises:
        BeamscopeError: the model or its store lacks what the view shows, or Parquet cannot be written.
    """
    name = f"{shown.state.request.model_id}-{wish.value}.{wish.format}"
    if wish.value == "trace":
        return _download(write_trace(shown), name, "application/json")
    if wish.format in MEDIA_TYPES:
        return _write_table(_make_table(services, shown, turn, wish), wish, name)
    svg = write_svg(_print(services, shown, turn, wish), colors(prints.THEME))
    file = _download(svg, name, "image/svg+xml")
    return {**file, "scale": PNG_SCALE} if wish.format == "png" else file


def write_trace(shown: Shown) -> str:
    """The trace as JSON, with the chosen hypothesis in view."""
    return TraceDocument.of(shown.picture.trace, _rank(shown)).to_json()


def _make_table(services: Services, shown: Shown, turn: Turn, wish: Export) -> Table:
    if wish.value == "neighbors":
        scene = prints.find_scene(_look_around(services, shown, turn))
        return make_neighbor_table(scene.trace, scene.rank, scene.space, scene.evidence)
    if wish.value == "comparison":
        return make_comparison_table(look_at_both(services, shown, _find_pinned(shown)).found)
    table = next(name for name in TABLES if name == wish.value)
    return make_table(table, shown.picture.trace, _rank(shown))


def _find_pinned(shown: Shown) -> PageState:
    pinned = shown.state.pinned
    if pinned is None or not shown.state.compares:
        raise RequestError("Nothing is compared; pin an answer (p) and show another one.", field="value")
    return pinned


def _write_table(table: Table, wish: Export, name: str) -> Json:
    kind: FileKind = "parquet" if wish.format == "parquet" else "csv"
    content = write_table(table, kind)
    return {**_download(base64.b64encode(content).decode(), name, MEDIA_TYPES[kind]), "encoding": "base64"}


def _print(services: Services, shown: Shown, turn: Turn, wish: Export) -> Drawing:
    """A view for print; beside a pinned answer that of both, where both are drawn in one."""
    view = next(name for name in VIEW_NAMES if name == wish.value)
    if view in _OF_STATES:
        return _OF_STATES[view](_look_around(services, shown, turn))
    pinned = shown.on_view.pinned if shown.on_view.compares else None
    return _OF_ANSWER[view](shown) if pinned is None else _OF_BOTH[view](look_at_both(services, shown, pinned))


def _look_around(services: Services, shown: Shown, turn: Turn) -> Surroundings:
    picture = shown.picture
    selection = turn.selection and turn.selection.within(picture.trace, picture.hypothesis)
    return look_around(services, shown.on_view, shown.options, selection, follows=False)


def _rank(shown: Shown) -> int:
    return shown.picture.trace.hypotheses.index(shown.picture.hypothesis)


_OF_ANSWER: Final[Mapping[PrintedView, Callable[[Shown], Drawing]]] = {
    "translation": prints.print_translation,
    "matrix": prints.print_matrix,
    "tree": prints.print_tree,
}
_OF_BOTH: Final[Mapping[PrintedView, Callable[[Compared], Drawing]]] = {
    "translation": prints.print_comparison,
    "matrix": prints.print_difference,
    "tree": prints.print_overlay,
}
_OF_STATES: Final[Mapping[PrintedView, Callable[[Surroundings], Drawing]]] = {
    "map": prints.print_map,
    "neighbors": prints.print_neighbors,
}


def _row_of_report() -> Component:
    """The whole history; the browser sends it."""
    label = wild(aria_label="Report as HTML", data_report="yes")
    return html.Div([html.Span("Report"), html.Button("HTML", className="menu-item", **label)], className="export-row")


def _row(text: str, value: str, formats: tuple[str, ...], class_name: str = "export-row") -> Component:
    buttons = [
        html.Button(
            "Parquet" if kind == "parquet" else kind.upper(),
            className="menu-item",
            **wild(
                data_wish=json.dumps({"verb": "export", "value": value, "format": kind}),
                aria_label=f"{text} as {'Parquet' if kind == 'parquet' else kind.upper()}",
            ),
        )
        for kind in formats
    ]
    return html.Div([html.Span(text), *buttons], className=class_name)


def _download(content: str, filename: str, kind: str) -> Json:
    return {"content": content, "filename": filename, "type": kind}
