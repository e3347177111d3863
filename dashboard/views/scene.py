"""What the neighborhood views look at: one trace, one hypothesis, one space, and the states around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dashboard.drawing.words import TokenText
from dashboard.services import Services
from dashboard.state.page_state import PageState, Side
from exported_models.contract.manifest import SpaceSpec
from exported_models.contract.trace import Hypothesis, Trace
from exported_models.runtime.model import ExportedModel
from state_store.manifest import GLOBAL_MAP_KINDS
from state_store.neighborhood import MAP_KINDS, MapKind, Neighborhood, TokenEvidence
from state_store.store import StateStore

DEFAULT_METHOD: MapKind = "mds"


@dataclass(frozen=True, slots=True)
class Scene:
    """States with their neighbors, and everything needed to show them; ``words`` writes the tokens of their side.

    Attributes:
        rank: of the hypothesis in the n-best list.
        evidence: one a token.
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
        """Whose words the states belong to."""
        return self.store.space(self.space).entry.owner


def open_scene(services: Services, shown: Mapping[str, Any] | None, space: str | None) -> Scene | None:
    """The states that the page's stores ask for; None when nothing is translated or there is no store to use.

    A space that this store does not have is replaced by its first.
    """
    if not shown:
        return None
    state = PageState.from_json(shown)
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
    kind = next((kind for kind in MAP_KINDS if kind == wanted), DEFAULT_METHOD)
    kept = scene.store.manifest.space(scene.space).maps
    kind = DEFAULT_METHOD if kind in GLOBAL_MAP_KINDS and kind not in kept else kind
    return services.neighborhoods.get(scene.store, scene.trace, scene.rank, scene.space, map_kind=kind)


def maps_of(services: Services, shown: Mapping[str, Any] | None, space: str | None) -> tuple[MapKind, ...]:
    """The corpus maps that can be offered: those the store holds of a space, all where there is no store."""
    store, _ = services.store_or_reason(PageState.from_json(shown).request.model_id) if shown else (None, "")
    return GLOBAL_MAP_KINDS if store is None else store.manifest.space(_held_space(store, space)).maps


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


def spaces_of(services: Services, shown: Mapping[str, Any] | None) -> tuple[SpaceSpec, ...]:
    """The spaces of the model on the page that its store holds; all of them where there is no store."""
    if not shown:
        return ()
    model_id = PageState.from_json(shown).request.model_id
    spaces = services.engine.model(model_id).manifest.spaces
    store, _ = services.store_or_reason(model_id)
    return spaces if store is None else tuple(space for space in spaces if space.name in store.manifest.space_names)
