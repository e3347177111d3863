"""The catalog of a workspace's stores: the store that belongs to a model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from exported_models.contract.errors import BeamscopeError
from exported_models.contract.integrity import Build, identify_build
from exported_models.contract.publishing import MANIFEST_NAME, publication_number
from exported_models.contract.workspace import Workspace
from exported_models.runtime.caches import NewestCache
from exported_models.runtime.file_watch import FileWatch
from exported_models.runtime.model import ExportedModel
from state_store.manifest import StoreManifest, load_store_manifest
from state_store.store import StateStore, check_model


class ModelSource(Protocol):
    """Opens models by name, as `exported_models.engine.Engine` does."""

    def model(self, model_id: str) -> ExportedModel:
        """The model of that name."""

    @property
    def watch(self) -> FileWatch:
        """The check of large files."""


@dataclass(frozen=True, slots=True)
class _PublishedStore:
    """A store with a readable manifest; of two stores, the one with the larger ``order`` is newer."""

    folder: Path
    manifest: StoreManifest
    order: tuple[int, int]

    @classmethod
    def read(cls, folder: Path) -> _PublishedStore:
        manifest = load_store_manifest(folder)
        # Stores of earlier versions have no number; their times order them.
        return cls(folder, manifest, (publication_number(folder), (folder / MANIFEST_NAME).stat().st_mtime_ns))


class StoreCatalog:
    """Opens the store of a model once, and again when another build of the model or of the store is published."""

    def __init__(self, workspace: Workspace, models: ModelSource) -> None:
        self._workspace = workspace
        self._models = models
        self._stores: NewestCache[str, tuple[Build, str], StateStore] = NewestCache()
        # A published build does not change, so it is read once.
        self._published: dict[Build, _PublishedStore] = {}

    def store_for(self, model_id: str) -> StateStore | None:
        """Open the newest store that was built with the published model; None where no store names the model.

        Raises:
            StoreMismatchError: stores name the model, but none was built with its published build.
            StoreError, ArtefactError: the store is damaged. WorkspaceError: there is no such model.
        """
        model = self._models.model(model_id)
        found = self._choose(model)
        if found is None:
            return None
        check_model(found.manifest, model_id, model.content_hash)
        version = (identify_build(found.folder), model.content_hash)
        store = self._stores.get(model_id, version, lambda: StateStore.open(found.folder, model, self._models.watch))
        store.require_pairs()
        return store

    def _choose(self, model: ExportedModel) -> _PublishedStore | None:
        """Find the newest store of the model's build, else the newest store that names the model."""
        readable, damage = self._list_stores()
        named = [store for store in readable if store.manifest.model_id == model.manifest.model_id]
        matching = [store for store in named if store.manifest.model_hash == model.content_hash]
        candidates = matching or named
        if not candidates and damage is not None:
            # The unreadable store may be the model's.
            raise damage
        return max(candidates, key=lambda store: store.order) if candidates else None

    def _list_stores(self) -> tuple[list[_PublishedStore], BeamscopeError | None]:
        """List every store with a readable manifest; the error is that of a store without one."""
        readable, damage = [], None
        for store_id in self._workspace.store_ids():
            try:
                folder = self._workspace.store_folder(store_id)
                build = identify_build(folder)
                if build not in self._published:
                    self._published[build] = _PublishedStore.read(folder)
                readable.append(self._published[build])
            except BeamscopeError as error:
                damage = error
        return readable, damage
