"""The dates project as the benchmarks use it: built once into a folder, and kept there."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from beamscope.settings import find_example
from examples.dates.corpus import ensure_corpus
from exported_models.contract.workspace import Workspace
from exported_models.engine import Engine
from exported_models.runtime.model import ExportedModel
from pipeline.adapters import find_adapter, load_adapter
from pipeline.build.building import build
from pipeline.build.project_file import Project, load_project
from pipeline.corpus.readers import SentencePair, TsvReader
from pipeline.export.checkpoints import export_model
from pipeline.models.checkpoint import LoadedCheckpoint
from pipeline.progress import open_progress
from state_store.store import StateStore

THREADS = 1


class Dates:
    """The project in a workspace folder; everything is made when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def project(self) -> Project:
        return load_project(find_example("dates"))

    @cached_property
    def checkpoint(self) -> LoadedCheckpoint:
        """The checkpoint as torch modules."""
        checkpoint = self.project.checkpoint
        return load_adapter(find_adapter(checkpoint)).load(checkpoint)

    @cached_property
    def workspace(self) -> Workspace:
        """A workspace with the exported model; what measures the model alone need not wait for a store."""
        workspace, project = Workspace(self._folder), self.project
        adapter = project.content.model.adapter
        export_model(project.checkpoint, adapter, project.model_id, workspace, progress=open_progress())
        return workspace

    @cached_property
    def model(self) -> ExportedModel:
        return ExportedModel.open(self.workspace.model_folder(self.project.model_id), threads=THREADS)

    @cached_property
    def store(self) -> StateStore:
        """The store, built into the workspace."""
        build(self.project, self.workspace, progress=open_progress())
        return StateStore.open(self.workspace.store_folder(self.project.store_id), self.model)

    def pairs(self, split: str) -> list[SentencePair]:
        """The pairs of ``train`` (which the store holds) or ``test`` (which nothing has seen)."""
        corpus = self._folder / "corpus"
        ensure_corpus(corpus)
        return list(TsvReader(corpus / f"{split}.tsv"))

    def new_engine(self) -> Engine:
        """An engine that remembers no trace but the last: what it is asked again it computes again."""
        return Engine(self.workspace, threads=THREADS, cache_bytes=0)
