"""The states of a sentence among those of the training data: the trajectory and its pictograms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from dash import dcc, html
from dash.development.base_component import Component

from dashboard.drawing.attributes import wild
from dashboard.drawing.evidence import describe_author
from dashboard.drawing.findings import find_focus
from dashboard.drawing.map_figure import (
    Layer,
    MapDrawing,
    Points,
    RivalPath,
    chosen_point,
    draw_map,
    draw_nothing,
    neighbor_colors,
    turn_to_fit,
)
from dashboard.drawing.palette import Theme, colors
from dashboard.drawing.pictograms import draw_pictograms
from dashboard.drawing.words import count
from dashboard.neighborhoods import MAX_BACKGROUND
from dashboard.state.page_state import Json, Selection
from dashboard.views.controls import card, held_back, pending, placeholder, segmented
from dashboard.views.ids import NeighborhoodRole, as_role, control_id
from dashboard.views.mantine import as_options, popover
from dashboard.views.merged import Merged
from dashboard.views.merged_neighbors import draw_neighbors_of_both
from dashboard.views.missing_store import explain_missing_store
from dashboard.views.parts import Part, Parts, attributes_part, control_part, figure_part, html_part
from dashboard.views.scene import Scene
from dashboard.views.shown import LOCAL_METHODS, Surroundings, methods_of
from exported_models.comparison.alignment import Change
from exported_models.contract.manifest import SpaceSpec
from state_store.manifest import GLOBAL_MAP_KINDS
from state_store.neighborhood import Neighborhood, TokenEvidence
from state_store.neighbors import Neighbor

EXTENTS = {"local": "Local map", "corpus": "Corpus map"}

_OF_BOTH = as_role(NeighborhoodRole.OF_BOTH) | wild(aria_label="Neighbors of the chosen word on both sides")
_GRAPH_CONFIG: Any = {
    "displaylogo": False,
    "showSendToCloud": False,
    "scrollZoom": True,
    "responsive": True,
    "modeBarButtons": [["zoomIn2d", "zoomOut2d", "resetScale2d"]],
}


def layout(pane: str) -> Component:
    """The card; the spaces come with the first model."""
    spaces = segmented(pane, NeighborhoodRole.SPACE, {}, "", "Space of states")
    extents = segmented(pane, NeighborhoodRole.MAP, EXTENTS, "local", "Extent of the map")
    methods = segmented(pane, NeighborhoodRole.METHOD, LOCAL_METHODS, "mds", "How the map is made")
    graph = dcc.Graph(figure=draw_nothing(), config=_GRAPH_CONFIG, className="map-graph")
    label = wild(aria_label="Map of states; a table follows")
    frame = held_back(pane, NeighborhoodRole.GRAPH, graph, role="group", className="map-frame", **label)
    summary = html.Div(className="summary map-summary", **as_role(NeighborhoodRole.SUMMARY))
    name = html.Span("map", **as_role(NeighborhoodRole.MAP_NAME))
    maps = popover(control_id(pane, NeighborhoodRole.MAPS), name, [extents, methods], title="Which map", side="end")
    return card(
        NeighborhoodRole.CARD,
        "Neighborhood",
        [spaces, maps],
        [
            summary,
            pending("Placing the states on a map …"),
            frame,
            html.Div(className="pictograms", **as_role(NeighborhoodRole.PICTOGRAMS)),
            html.Div(className="of-both", tabIndex="0", role="group", **_OF_BOTH),
            html.Div(className="spoken", **as_role(NeighborhoodRole.TWIN)),
            placeholder("Translate a text to see its states."),
        ],
        stages="1 2",
    )


def draw(around: Surroundings) -> Parts:
    """Map, pictograms and their table, and the controls that fit the model and its store."""
    return {**_draw_controls(around), **_draw_states(around)}


def _draw_controls(around: Surroundings) -> Parts:
    options, kept = around.options, around.corpus_maps
    extents = EXTENTS if kept else {"local": EXTENTS["local"]}
    methods = methods_of(options.map, kept)
    return {
        NeighborhoodRole.SPACE: control_part(data=as_options(_name_spaces(around.spaces)), value=options.space),
        NeighborhoodRole.MAP: control_part(data=as_options(extents), value=options.map),
        NeighborhoodRole.METHOD: control_part(data=as_options(methods), value=options.method),
        NeighborhoodRole.MAP_NAME: html_part(_name_map(EXTENTS[options.map], methods[options.method])),
    }


def _name_map(extent: str, method: str) -> list[Component | str]:
    """The map that is shown; where the window is narrow, its method alone."""
    return [html.Span(f"{extent} · ", className="if-wide"), method]


def _draw_states(around: Surroundings) -> Parts:
    scene, found, theme = around.scene, around.found, around.options.theme
    if scene is None or found is None:
        reason = explain_missing_store(around.state.request.model_id, around.missing)
        return {
            NeighborhoodRole.CARD: attributes_part(data_empty="yes"),
            NeighborhoodRole.SUMMARY: html_part(reason),
            NeighborhoodRole.PICTOGRAMS: html_part(None),
            NeighborhoodRole.TWIN: html_part(None),
            NeighborhoodRole.OF_BOTH: html_part(None),
        }
    drawing, focus = drawing_of(scene, found, around.merged), focus_index(scene, around.selection)
    of_both = draw_neighbors_of_both(scene, around.merged, focus) if around.merged else None
    key = [around.state.to_json(), scene.trace.model_hash, scene.space, found.map_kind, theme]
    return {
        NeighborhoodRole.CARD: attributes_part(data_empty=None),
        NeighborhoodRole.GRAPH: figure_part(draw_map(drawing, focus, colors(theme)), key),
        NeighborhoodRole.FOCUS: Part(
            {"of": NeighborhoodRole.GRAPH, "restyle": mark_focus(drawing, focus, theme)}, [key, focus]
        ),
        NeighborhoodRole.PICTOGRAMS: _draw_pictograms(around, scene, drawing, focus),
        NeighborhoodRole.SUMMARY: html_part(
            _summarize_both(around) or summarize(scene, found), title=_explain_space(around)
        ),
        NeighborhoodRole.TWIN: html_part(tabulate(scene)),
        NeighborhoodRole.OF_BOTH: html_part(of_both),
    }


def _draw_pictograms(around: Surroundings, scene: Scene, drawing: MapDrawing, focus: int) -> Part:
    """One window a word; none where something is compared, since the neighbors on both sides take their place."""
    if around.state.compares:
        return html_part(None)
    sprite = draw_pictograms(drawing.path, drawing.neighbors, colors(around.options.theme))
    return html_part(lay_out_pictograms(scene, focus), style={"--pictograms": f'url("{sprite}")'})


def drawing_of(scene: Scene, found: Neighborhood, merged: Merged | None = None) -> MapDrawing:
    """The points, words and notes of a scene on a map, beside those of the pinned answer where it is compared."""
    place_of = dict(zip(found.neighbor_rows.tolist(), found.neighbor_positions, strict=True))
    groups = found.neighbors
    neighbors = tuple(_places([place_of[other.row] for other in group]) for group in groups)
    notes = tuple(
        tuple(f"{scene.words.show(other.token)} · {other.distance:.2f}" for other in group) for group in groups
    )
    drawing = MapDrawing(
        side=scene.side,
        words=scene.words.show_all(found.tokens),
        path=found.positions,
        neighbors=neighbors,
        notes=notes,
        background=_background(scene, found),
        tones=_tones(merged, groups) if merged else (),
        rival=_draw_rival(merged) if merged else None,
    )
    return drawing if found.map_kind in GLOBAL_MAP_KINDS else turn_to_fit(drawing)


def _tones(merged: Merged, groups: Sequence[Sequence[Neighbor]]) -> tuple[tuple[str, ...], ...]:
    """Gray for neighbors that both answers have, the color of what is compared for those that came."""
    stayed = frozenset(merged.before.neighbor_rows.tolist())
    return tuple(tuple("link" if other.row in stayed else "cmp" for other in group) for group in groups)


def _draw_rival(merged: Merged) -> RivalPath:
    """The states of the pinned answer, and the neighbors that left."""
    before, after, columns = merged.before, merged.after, merged.columns
    left = ~np.isin(before.neighbor_rows, after.neighbor_rows)
    return RivalPath(
        words=merged.rival.words.show_all(before.tokens),
        path=before.positions,
        neighbors=before.neighbor_positions[left],
        joined=tuple((column.before[0], column.after[0]) for column in columns if column.before and column.after),
        labels=tuple(column.before[0] for column in columns if column.before and column.change is not Change.EQUAL),
    )


def _summarize_both(around: Surroundings) -> str:
    """The content of the map of a comparison in a line; empty where nothing is compared."""
    if not around.state.compares:
        return ""
    if around.merged is None:
        return "only the shown answer: states of two models share no map"
    stayed, came, left = around.merged.counts
    return f"neighbors: {stayed} stayed, {came} came, {left} left · pivot dashed"


def focus_index(scene: Scene, selection: Selection | None) -> int:
    """The word in red: the same one that the neighbor list shows."""
    return find_focus(scene.side, selection, scene.trace, scene.hypothesis).index


def mark_focus(drawing: MapDrawing, chosen: int, theme: Theme) -> list[Any]:
    """Changes that mark another word in red and leave figure and zoom as they are: ``[properties, trace]`` each."""
    colored = {"marker.color": neighbor_colors(drawing, chosen, colors(theme))}
    return [[colored, Layer.NEIGHBORS], [chosen_point(drawing, chosen), Layer.CHOSEN]]


def lay_out_pictograms(scene: Scene, chosen: int) -> list[Component]:
    """One button a word; its window is cut out of the one picture."""
    return [
        html.Button(
            [
                html.Span(className="window", style=_cut_window(index, len(scene.evidence))),
                html.Span(scene.words.show(evidence.token), className="word"),
            ],
            className="pictogram",
            title=scene.words.speak(evidence.token),
            **wild(data_side=scene.side, data_index=str(index), aria_pressed="true" if index == chosen else "false"),
        )
        for index, evidence in enumerate(scene.evidence)
    ]


def _cut_window(index: int, windows: int) -> Json:
    """The part of the picture that one window shows, in shares of its size, so that windows may shrink to fit."""
    share = 100 * index / max(windows - 1, 1)
    return {"backgroundSize": f"{100 * windows}% 100%", "backgroundPosition": f"{share:.4f}% 0"}


def summarize(scene: Scene, found: Neighborhood) -> str:
    """The content of the map in a line."""
    if found.map_kind in GLOBAL_MAP_KINDS:
        rows = scene.store.manifest.space(scene.space).rows
        return f"{min(rows, MAX_BACKGROUND):,} of {rows:,} corpus states · from ■ to □"
    most = max(len(group) for group in found.neighbors)
    return f"{count(most, 'neighbor')} a token · from ■ to □"


def tabulate(scene: Scene) -> Component:
    """The map as a table for screen readers."""
    names = ("token", "nearest distance", "neighbors with this token", "nearest training source", "its target")
    head = html.Thead(html.Tr([html.Th(name, scope="col") for name in names]))
    rows = [_tabulate_token(scene, token) for token in scene.evidence]
    title = html.Caption(f"Nearest training states in the {scene.space} space")
    return html.Table([title, head, html.Tbody(rows)])


def _tabulate_token(scene: Scene, evidence: TokenEvidence) -> Component:
    name = html.Th(scene.words.speak(evidence.token), scope="row")
    if evidence.nearest is None:
        return html.Tr([name, html.Td("none", colSpan=4)])
    pair = evidence.neighbors[0].pair
    share = f"{evidence.agreement:.0%} of {len(evidence.neighbors)}"
    cells = (f"{evidence.nearest:.2f}", share, pair.source, f"{pair.target} {describe_author(pair)}".rstrip())
    return html.Tr([name, *(html.Td(cell) for cell in cells)])


def _background(scene: Scene, found: Neighborhood) -> Points:
    if found.map_kind not in GLOBAL_MAP_KINDS:
        return np.zeros((0, 2), np.float32)
    return scene.store.background(found.space, found.map_kind, MAX_BACKGROUND).positions


def _places(places: Sequence[Points]) -> Points:
    return np.stack(places) if places else np.zeros((0, 2), np.float32)


def _explain_space(around: Surroundings) -> str:
    return next((space.meaning for space in around.spaces if space.name == around.options.space), "")


def _name_spaces(spaces: Sequence[SpaceSpec]) -> dict[str, str]:
    return {space.name: space.name.replace("_", " ").capitalize() for space in spaces}
