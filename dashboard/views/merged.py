"""The states of two compared answers on one map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dashboard.services import Services
from dashboard.state.page_state import PageState
from dashboard.views.scene import Scene, fit_map_kind, open_scene
from exported_models.comparison.alignment import Column, align, list_tokens
from state_store.neighborhood import Neighborhood


@dataclass(frozen=True, slots=True)
class Merged:
    """The states of the pinned answer and of the shown one, with their neighbors, placed on one map.

    Attributes:
        rival: the scene of the pinned answer.
        before, after: the places of both.
        columns: the tokens of both, aligned.
    """

    rival: Scene
    before: Neighborhood
    after: Neighborhood
    columns: tuple[Column, ...]

    @property
    def counts(self) -> tuple[int, int, int]:
        """Numbers of training states that are neighbors of both, only of the shown, and only of the pinned answer."""
        old, new = self.before.neighbor_rows, self.after.neighbor_rows
        stayed = len(np.intersect1d(old, new, assume_unique=True))
        return stayed, len(new) - stayed, len(old) - stayed


def merge(services: Services, scene: Scene | None, pinned: PageState | None, wanted: str) -> Merged | None:
    """Place both answers on one map; None where they are of different models or there is no store."""
    if scene is None or pinned is None or pinned.request.model_id != scene.trace.request.model_id:
        return None
    rival = open_scene(services, pinned, scene.space)
    if rival is None:
        return None
    items = ((rival.trace, rival.rank), (scene.trace, scene.rank))
    kind = fit_map_kind(scene, wanted)
    before, after = services.neighborhoods.merged(scene.store, items, scene.space, map_kind=kind)
    return Merged(rival, before, after, align(list_tokens(before.tokens), list_tokens(after.tokens)))
