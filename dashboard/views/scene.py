"""The states of one hypothesis in one space, with the training states around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dashboard.drawing.words import TokenText
from dashboard.services import Services
from dashboard.state.page_state import PageState, Side
from exported_models.contract.manifest import SpaceSpec
from exported_models.contract.trace import Hypothesis, Trace
from exported_models.runtime.model import ExportedModel
from state_store.manifest import GLOBAL_MAP_KINDS, GlobalMapKind
from state_store.neighborhood import MAP_KINDS, MapKind, Neighborhood, TokenEvidence
from state_store.store import StateStore

DEFAULT_METHOD: MapKind = "mds"


@dataclass(frozen=True, slots=True)
class Scene:
    """States of one space with their neighbors, and everything needed to show them.

    Attributes:
        rank: of the hypothesis in the n-best list.
        evidence: the neighbors of each token.
        words: writes the tokens of the states' side.
    """

    model: ExportedModel
    trace: Trace
    rank: int
    store: StateStore
    space: str
    evidence: tuple[TokenEvidence, ...]
    words: TokenText

    @property
    def hypothesis(self) -> Hypothesis:
        return self.trace.hypotheses[self.rank]

    @property
    def side(self) -> Side:
        """The side that the states belong to."""
        return self.store.space(self.space).entry.owner


def open_scene(services: Services, state: PageState, space: str | None) -> Scene | None:
    """The states of a request in a space; None where there is no store to use.

    A space that the store does not have is replaced by the store's first.
    """
    store, _ = services.store_or_reason(state.request.model_id)
    if store is None:
        return None
    trace, hypothesis = services.chosen(state)
    chosen = _held_space(store, space)
    rank = trace.hypotheses.index(hypothesis)
    evidence = services.neighborhoods.evidence(store, trace, rank, chosen)
    text = services.token_text(state.request.model_id)
    words = text.source if store.space(chosen).entry.owner == "source" else text.target
    return Scene(services.engine.model(state.request.model_id), trace, rank, store, chosen, evidence, words)


def find_map(services: Services, scene: Scene, wanted: str | None) -> Neighborhood:
    """The scene on the wanted kind of map if its space has it, else on the default."""
    kind = fit_map_kind(scene, wanted)
    return services.neighborhoods.get(scene.store, scene.trace, scene.rank, scene.space, map_kind=kind)


def fit_map_kind(scene: Scene, wanted: str | None) -> MapKind:
    """The wanted kind of map if the scene's space has it, else the default."""
    kind = next((kind for kind in MAP_KINDS if kind == wanted), DEFAULT_METHOD)
    kept = scene.store.manifest.space(scene.space).maps
    return DEFAULT_METHOD if kind in GLOBAL_MAP_KINDS and kind not in kept else kind


def maps_of(services: Services, state: PageState, space: str | None) -> tuple[GlobalMapKind, ...]:
    """The corpus maps that the store holds of a space; none where there is no store."""
    store, _ = services.store_or_reason(state.request.model_id)
    return () if store is None else store.manifest.space(_held_space(store, space)).maps


def _held_space(store: StateStore, wanted: str | None) -> str:
    names = store.manifest.space_names
    return wanted if wanted in names and wanted is not None else names[0]


def choose_space(spaces: Sequence[SpaceSpec], current: str, side: str | None) -> str | None:
    """The current space unless the model lacks it or the selected word is of the other side; None without spaces."""
    fitting = [space for space in spaces if side in (None, space.owner)] or list(spaces)
    kept = next((space for space in fitting if space.name == current), None)
    # A model lists its spaces from the encoder on; what is predicted interests first.
    default = next((space for space in fitting if space.owner == "target"), None)
    chosen = kept or default or next(iter(fitting), None)
    return chosen.name if chosen else None


def spaces_of(services: Services, state: PageState) -> tuple[SpaceSpec, ...]:
    """The model's spaces that its store holds; the recorded ones where there is no store."""
    model_id = state.request.model_id
    spaces = services.engine.model(model_id).manifest.spaces
    store, _ = services.store_or_reason(model_id)
    if store is None:
        return tuple(space for space in spaces if space.kind == "recorded")
    return tuple(space for space in spaces if space.name in store.manifest.space_names)
