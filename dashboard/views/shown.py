"""The content of a pane, as two values that its views draw.

`Shown` needs the trace alone and is there at once; `Surroundings` are the training states around it, which take longer.
Views are pure functions of one of the two. Nothing else asks the services for what is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dashboard.drawing.attention_ranking import AttentionView, Pick
from dashboard.drawing.picture import Picture
from dashboard.services import Services
from dashboard.state.page_state import PageState, Selection
from dashboard.state.question import Options
from dashboard.views.merged import Merged, merge
from dashboard.views.scene import Scene, choose_space, find_map, maps_of, open_scene, spaces_of
from exported_models.contract.arrays import Floats
from exported_models.contract.manifest import STAGES, ModelManifest, SpaceSpec
from exported_models.contract.source import Source
from state_store.neighborhood import Neighborhood, TokenEvidence


@dataclass(frozen=True, slots=True)
class Shown:
    """One request with its answer.

    Attributes:
        options: values of the controls.
        view: the view of attention that is drawn; None where the model has none.
    """

    state: PageState
    picture: Picture
    options: Options
    manifest: ModelManifest
    view: AttentionView | None

    @property
    def on_view(self) -> PageState:
        """The state as it is drawn."""
        return find_on_view(self.state, self.options)

    @property
    def layer(self) -> int | None:
        """The layer of attention that is drawn; None for the mean of all."""
        return self.view.layer if self.view else None

    @property
    def head(self) -> int | None:
        """The head of attention that is drawn; None for the mean of all."""
        return self.view.head if self.view else None

    @property
    def attention(self) -> Floats | None:
        """[target, source] attention as drawn, or None where the model has none."""
        return self.picture.attention(self.layer, self.head)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The states of a request among those of the training data.

    Attributes:
        source: what the encoder read.
        spaces: those that can be shown.
        scene: the states of the shown space; None without a store to use, and ``missing`` then says why.
        found: the scene on the map that is shown.
        merged: the states of the pinned answer and of the shown one on one map; None where nothing is compared.
        corpus_maps: kinds of the corpus map that the store keeps of the space.
        stages: for each stage that is about states, their neighbors; None where the stage's space is not indexed.
        stage_spaces: for each stage, the space that it is about, where that can be shown.
    """

    state: PageState
    options: Options
    selection: Selection | None
    source: Source
    spaces: tuple[SpaceSpec, ...]
    scene: Scene | None
    missing: str
    found: Neighborhood | None
    merged: Merged | None
    corpus_maps: tuple[str, ...]
    stages: Mapping[int, Sequence[TokenEvidence] | None]
    stage_spaces: Mapping[int, str]


def look(services: Services, state: PageState, options: Options) -> Shown:
    """Answer a request and lay it out in the room that the pane has."""
    manifest = services.engine.model(state.request.model_id).manifest
    fitted: dict[str, Pick] = {
        "layer": _fit_pick(options.layer, manifest.cross_attention_layers),
        "head": _fit_pick(options.head, manifest.cross_attention_heads),
    }
    picture = services.picture(state, options.room)
    view = picture.view(fitted["layer"], fitted["head"])
    return Shown(state, picture, options.model_copy(update=fitted), manifest, view)


def find_on_view(state: PageState, options: Options) -> PageState:
    """The state as it is drawn: without the pinned answer, which stays pinned, while attention is changed."""
    return state if options.mode == "words" else state.bare


def look_around(
    services: Services, state: PageState, options: Options, selection: Selection | None, *, follows: bool
) -> Surroundings:
    """Find the neighbors of a request's states; ``follows``: the selection is new, and the space goes with it."""
    spaces = spaces_of(services, state)
    space = choose_space(spaces, options.space, selection.side if follows and selection else None)
    scene = open_scene(services, state, space)
    corpus_maps = maps_of(services, state, space)
    fitted = options.model_copy(update={"space": space or "", **fit_maps(options.map, options.method, corpus_maps)})
    _, missing = services.store_or_reason(state.request.model_id)
    stage_spaces = find_stage_spaces(spaces)
    merged = merge(services, scene, state.pinned, fitted.method) if state.compares else None
    return Surroundings(
        state,
        fitted,
        selection,
        services.trace(state.request).source,
        spaces,
        scene,
        missing,
        merged.after if merged else find_map(services, scene, fitted.method) if scene else None,
        merged,
        corpus_maps,
        {stage: _evidence(services, state, stage_spaces.get(stage)) for stage in (1, 2)},
        stage_spaces,
    )


def find_stage_spaces(spaces: Sequence[SpaceSpec]) -> dict[int, str]:
    """For each stage, counted from 1, the first of the spaces that belongs to it."""
    found: dict[int, str] = {}
    for space in spaces:
        if space.stage is not None:
            found.setdefault(STAGES.index(space.stage) + 1, space.name)
    return found


def fit_maps(extent: str, method: str, kept: Sequence[str]) -> dict[str, str]:
    """Extent and method of a map where the store keeps the corpus maps ``kept``, as near as can be to those wanted."""
    fitting = extent if kept else "local"
    methods = methods_of(fitting, kept)
    return {"map": fitting, "method": method if method in methods else next(iter(methods))}


def methods_of(extent: str, kept: Sequence[str]) -> dict[str, str]:
    """Methods of a map of that extent: kind -> name."""
    return (
        {kind: text for kind, text in CORPUS_METHODS.items() if kind in kept} if extent == "corpus" else LOCAL_METHODS
    )


LOCAL_METHODS = {"mds": "MDS", "pca": "PCA", "tsne": "t-SNE"}
CORPUS_METHODS = {"umap": "UMAP", "landmark_mds": "Landmark MDS"}


def _fit_pick(pick: Pick, count: int) -> Pick:
    """A layer or head that the model has; the clearest in place of another."""
    return "best" if isinstance(pick, int) and not 0 <= pick < count else pick


def _evidence(services: Services, state: PageState, space: str | None) -> tuple[TokenEvidence, ...] | None:
    store, _ = services.store_or_reason(state.request.model_id)
    if store is None or space not in store.manifest.space_names:
        return None
    trace, hypothesis = services.chosen(state)
    return services.neighborhoods.evidence(store, trace, trace.hypotheses.index(hypothesis), space)
