"""Which store belongs to which model of a workspace."""

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
    """Whoever opens models by name: the engine."""

    def model(self, model_id: str) -> ExportedModel:
        """The model of that name."""

    @property
    def watch(self) -> FileWatch:
        """The check of large files."""


class StoreCatalog:
    """Opens the store of a model once, and again when another build of either is published."""

    def __init__(self, workspace: Workspace, models: ModelSource) -> None:
        self._workspace = workspace
        self._models = models
        self._stores: NewestCache[str, tuple[Build, str], StateStore] = NewestCache()
        # Published folders never change, so their manifests are read once.
        self._manifests: dict[Build, StoreManifest] = {}

    def store_for(self, model_id: str) -> StateStore | None:
        """The newest store built with the model as it is now; None where no store names the model.

        Raises:
            StoreMismatchError: stores name the model, but none was built with it as it is now.
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
        """The newest matching store, else the newest that at least names the model."""
        readable, damage = self._list_stores()
        named = [store for store in readable if store[1].model_id == model.manifest.model_id]
        matching = [store for store in named if store[1].model_hash == model.content_hash]
        candidates = matching or named
        if not candidates and damage is not None:
            # It may be the one that is looked for.
            raise damage
        return max(candidates, key=_publication_time) if candidates else None

    def _list_stores(self) -> tuple[list[tuple[Path, StoreManifest]], BeamscopeError | None]:
        """Every store with a readable manifest, and what is wrong with one that has none."""
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
