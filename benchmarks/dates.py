"""The dates project as the benchmarks use it: built once into a folder, and kept there."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from beamscope.settings import find_demo_project
from examples.dates.corpus import ensure_corpus
from exported_models.engine import Engine
from exported_models.model import ExportedModel
from exported_models.workspace import Workspace
from pipeline.adapters import SourceModel, load_adapter
from pipeline.build import build
from pipeline.corpora import SentencePair, TsvReader
from pipeline.progress import open_progress
from pipeline.project import Project, load_project
from state_store.store import StateStore

THREADS = 1


class Dates:
    """The project in a workspace folder; everything is made when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def project(self) -> Project:
        return load_project(find_demo_project())

    @cached_property
    def workspace(self) -> Workspace:
        """The workspace, brought up to date."""
        workspace = Workspace(self._folder)
        build(self.project, workspace, progress=open_progress())
        return workspace

    @cached_property
    def model(self) -> ExportedModel:
        return ExportedModel.open(self.workspace.model_folder(self.project.model_id), threads=THREADS)

    @cached_property
    def source_model(self) -> SourceModel:
        """The checkpoint as torch modules."""
        return load_adapter("luong").load(self.project.checkpoint)

    @cached_property
    def store(self) -> StateStore:
        return StateStore.open(self.workspace.store_folder(self.project.store_id), self.model)

    @cached_property
    def test_pairs(self) -> list[SentencePair]:
        """Pairs that are neither in the store nor known to the model."""
        corpus = self._folder / "corpus"
        ensure_corpus(corpus)
        return list(TsvReader(corpus / "test.tsv"))

    def new_engine(self) -> Engine:
        """An engine that remembers no trace: what it is asked twice it computes twice."""
        return Engine(self.workspace, threads=THREADS, cache_bytes=0)
