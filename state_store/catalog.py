"""The catalog of a workspace's stores: the store that belongs to a model."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from exported_models.contract.errors import BeamscopeError
from exported_models.contract.integrity import Build, identify_build
from exported_models.contract.publishing import MANIFEST_NAME
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


class StoreCatalog:
    """Opens the store of a model once, and again when another build of the model or of the store is published."""

    def __init__(self, workspace: Workspace, models: ModelSource) -> None:
        self._workspace = workspace
        self._models = models
        self._stores: NewestCache[str, tuple[Build, str], StateStore] = NewestCache()
        # The manifest of a published build does not change, so it is read once.
        self._manifests: dict[Build, StoreManifest] = {}

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
        folder, manifest = found
        check_model(manifest, model_id, model.content_hash)
        version = (identify_build(folder), model.content_hash)
        store = self._stores.get(model_id, version, lambda: StateStore.open(folder, model, self._models.watch))
        store.require_pairs()
        return store

    def _choose(self, model: ExportedModel) -> tuple[Path, StoreManifest] | None:
        """Find the newest store of the model's build, else the newest store that names the model."""
        readable, damage = self._list_stores()
        named = [store for store in readable if store[1].model_id == model.manifest.model_id]
        matching = [store for store in named if store[1].model_hash == model.content_hash]
        candidates = matching or named
        if not candidates and damage is not None:
            # The unreadable store may be the model's.
            raise damage
        return max(candidates, key=_publication_time) if candidates else None

    def _list_stores(self) -> tuple[list[tuple[Path, StoreManifest]], BeamscopeError | None]:
        """List every store with a readable manifest; the error is that of a store without one."""
        readable, damage = [], None
        for store_id in self._workspace.store_ids():
            try:
                folder = self._workspace.store_folder(store_id)
                build = identify_build(folder)
                if build not in self._manifests:
                    self._manifests[build] = load_store_manifest(folder)
                readable.append((folder, self._manifests[build]))
            except BeamscopeError as error:
                damage = error
        return readable, damage


def _publication_time(store: tuple[Path, StoreManifest]) -> int:
    return (store[0] / MANIFEST_NAME).stat().st_mtime_ns
