"""Where the states of a sentence lie among those of the training data: the trajectory and its pictograms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from dash import Dash, Input, Output, Patch, State, ctx, dcc, html, no_update
from dash.development.base_component import Component

from dashboard.drawing.attributes import wild
from dashboard.drawing.evidence import describe_author
from dashboard.drawing.findings import find_focus
from dashboard.drawing.map_figure import (
    Layer,
    MapDrawing,
    Points,
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
from dashboard.services import Services
from dashboard.state.page_state import Json, PageState, Selection
from dashboard.views.controls import card, segmented
from dashboard.views.ids import NeighborhoodId, PageId
from dashboard.views.missing_store import explain_missing_store
from dashboard.views.scene import Scene, choose_space, find_map, maps_of, open_scene, spaces_of
from exported_models.contract.manifest import SpaceSpec
from state_store.manifest import GLOBAL_MAP_KINDS
from state_store.neighborhood import Neighborhood, TokenEvidence

EXTENTS = {"local": "Local map", "corpus": "Corpus map"}
LOCAL_METHODS = {"mds": "MDS", "pca": "PCA", "tsne": "t-SNE"}
CORPUS_METHODS = {"umap": "UMAP", "landmark_mds": "Landmark MDS"}

_GRAPH_CONFIG: Any = {
    "displaylogo": False,
    "showSendToCloud": False,
    "scrollZoom": True,
    "responsive": True,
    "modeBarButtons": [["zoomIn2d", "zoomOut2d", "resetScale2d"]],
}


def layout() -> Component:
    """The card."""
    spaces = segmented(
        NeighborhoodId.SPACE,
        {"encoder": "Encoder", "decoder": "Decoder", "context": "Context"},
        "decoder",
        "Space of states",
    )
    extents = segmented(NeighborhoodId.MAP, EXTENTS, "local", "Extent of the map")
    methods = segmented(NeighborhoodId.METHOD, LOCAL_METHODS, "mds", "How the map is made")
    graph = dcc.Graph(id=NeighborhoodId.GRAPH, figure=draw_nothing(), config=_GRAPH_CONFIG, className="map-graph")
    return card(
        NeighborhoodId.CARD,
        "Neighborhood",
        [spaces, extents],
        [
            html.Div([methods, html.Div(id=NeighborhoodId.SUMMARY, className="summary")], className="map-options"),
            html.Div(graph, role="img", className="map-frame", **wild(aria_label="Map of states; a table follows")),
            html.Div(id=NeighborhoodId.PICTOGRAMS, className="pictograms"),
            html.Div(id=NeighborhoodId.TWIN, className="spoken"),
            dcc.Store(id=NeighborhoodId.DRAWN),
        ],
        stages="1 2",
    )


def register(app: Dash, services: Services) -> None:
    """Controls follow the model and the selection; the drawings follow the controls."""
    _register_controls(app, services)
    _register_drawings(app, services)


def _register_controls(app: Dash, services: Services) -> None:
    @app.callback(
        Output(NeighborhoodId.SPACE, "options"),
        Output(NeighborhoodId.SPACE, "value"),
        Input(PageId.REQUEST, "data"),
        Input(PageId.SELECTION, "data"),
        State(NeighborhoodId.SPACE, "value"),
        prevent_initial_call=True,
    )
    def follow_selection(shown: Json | None, selected: Json | None, space: str) -> tuple[Any, Any]:
        spaces = spaces_of(services, shown)
        # A new request keeps the space; only a newly selected word of the other side changes it.
        is_new = ctx.triggered_id == PageId.SELECTION
        wanted = choose_space(spaces, space, selected["side"] if is_new and selected else None)
        return _space_options(spaces) or no_update, no_update if wanted in (space, None) else wanted

    @app.callback(
        Output(NeighborhoodId.METHOD, "options"),
        Output(NeighborhoodId.METHOD, "value"),
        Output(NeighborhoodId.MAP, "options"),
        Output(NeighborhoodId.MAP, "value"),
        Input(NeighborhoodId.MAP, "value"),
        Input(NeighborhoodId.SPACE, "value"),
        Input(PageId.REQUEST, "data"),
        State(NeighborhoodId.METHOD, "value"),
        prevent_initial_call=True,
    )
    def offer_maps(extent: str, space: str, shown: Json | None, method: str) -> tuple[Any, ...]:
        return fit_maps(extent, method, maps_of(services, shown, space))


def fit_maps(extent: str, method: str, kept: Sequence[str]) -> tuple[Any, ...]:
    """Options and value of the methods and of the extents, where the store keeps these maps of the corpus.

    What need not change is left as it is: a value that is set, even to itself, draws the map again.
    """
    corpus = {kind: text for kind, text in CORPUS_METHODS.items() if kind in kept}
    fitting = "local" if not corpus else extent
    methods = corpus if fitting == "corpus" else LOCAL_METHODS
    extents = EXTENTS if corpus else {"local": EXTENTS["local"]}
    return (
        _as_options(methods),
        no_update if method in methods else next(iter(methods)),
        _as_options(extents),
        no_update if fitting == extent else fitting,
    )


def _as_options(texts: Mapping[str, str]) -> list[Json]:
    return [{"label": text, "value": kind} for kind, text in texts.items()]


def _register_drawings(app: Dash, services: Services) -> None:
    # One callback draws the map and marks a word in it: Dash drops the answer of a call that a later one overtakes,
    # and what stands on the page then tells whether the mark has a map to go on.
    @app.callback(
        Output(NeighborhoodId.DRAWN, "data"),
        Output(NeighborhoodId.CARD, "className"),
        Output(NeighborhoodId.GRAPH, "figure"),
        Output(NeighborhoodId.PICTOGRAMS, "style"),
        Output(NeighborhoodId.SUMMARY, "children"),
        Output(NeighborhoodId.TWIN, "children"),
        Input(PageId.REQUEST, "data"),
        Input(NeighborhoodId.SPACE, "value"),
        Input(NeighborhoodId.METHOD, "value"),
        Input(PageId.THEME, "data"),
        Input(PageId.SELECTION, "data"),
        State(NeighborhoodId.DRAWN, "data"),
        prevent_initial_call=True,
    )
    def draw(
        shown: Json | None, space: str, method: str, theme: Theme, selected: Json | None, drawn: list[Any] | None
    ) -> tuple[Any, ...]:
        scene = open_scene(services, shown, space)
        if scene is None:
            return None, "card is-empty", draw_nothing(), {}, _explain(services, shown), ""
        found, palette = find_map(services, scene, method), colors(theme)
        drawing, focus = drawing_of(scene, found), focus_index(scene, selected)
        wanted = [shown, space, method, theme]
        if drawn == wanted:
            return (no_update, no_update, mark_focus(drawing, focus, theme), *3 * (no_update,))
        sprite = draw_pictograms(drawing.path, drawing.neighbors, palette)
        style = {"--pictograms": f'url("{sprite}")'}
        return wanted, "card", draw_map(drawing, focus, palette), style, summarize(scene, found), tabulate(scene)

    @app.callback(
        Output(NeighborhoodId.PICTOGRAMS, "children"),
        Input(PageId.REQUEST, "data"),
        Input(NeighborhoodId.SPACE, "value"),
        Input(PageId.SELECTION, "data"),
        prevent_initial_call=True,
    )
    def lay_out_words(shown: Json | None, space: str, selected: Json | None) -> list[Component]:
        scene = open_scene(services, shown, space)
        return lay_out_pictograms(scene, focus_index(scene, selected)) if scene else []


def drawing_of(scene: Scene, found: Neighborhood) -> MapDrawing:
    """What a map shows of a scene."""
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
    )
    return drawing if found.map_kind in GLOBAL_MAP_KINDS else turn_to_fit(drawing)


def focus_index(scene: Scene, selected: Mapping[str, Any] | None) -> int:
    """The word in red: the same one that the neighbor list shows."""
    selection = Selection.from_json(selected, scene.trace, scene.hypothesis)
    return find_focus(scene.side, selection, scene.trace, scene.hypothesis).index


def mark_focus(drawing: MapDrawing, chosen: int, theme: Theme) -> Patch:
    """Another word in red, the figure and its zoom left as they are."""
    palette, patch = colors(theme), Patch()
    patch["data"][Layer.NEIGHBORS]["marker"]["color"] = neighbor_colors(drawing, chosen, palette)
    for name, value in chosen_point(drawing, chosen).items():
        patch["data"][Layer.CHOSEN][name] = value
    return patch


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
    """What the map shows, in a line."""
    if found.map_kind in GLOBAL_MAP_KINDS:
        rows = scene.store.manifest.space(scene.space).rows
        return f"{min(rows, MAX_BACKGROUND):,} of {rows:,} corpus states · from ■ to □"
    most = max(len(group) for group in found.neighbors)
    return f"{count(most, 'neighbor')} a token · from ■ to □"


def tabulate(scene: Scene) -> Component:
    """The map in words, for who does not see it."""
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


def _space_options(spaces: Sequence[SpaceSpec]) -> list[Json]:
    return [{"label": space.name.capitalize(), "value": space.name, "title": space.meaning} for space in spaces]


def _explain(services: Services, shown: Mapping[str, Any] | None) -> list[Component | str]:
    if not shown:
        return ["Translate a text to see its states."]
    return explain_missing_store(services, PageState.from_json(shown).request.model_id)
