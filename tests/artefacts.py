"""Fixtures of the real thing: the shipped dates checkpoint, exported, with a store of a few hundred pairs.

Built once and kept in pytest's cache folder for as long as neither the code that builds it nor the checkpoint changes.
Tests must not change it; those that damage something copy it first.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from exported_models.contract.publishing import content_hash, digest_file, list_files, publish, read_manifest
from exported_models.contract.workspace import Workspace
from exported_models.runtime.model import ExportedModel

if TYPE_CHECKING:
    from pipeline.models.checkpoint import LoadedCheckpoint
    from state_store.store import StateStore

ROOT = Path(__file__).resolve().parent.parent
DATES = ROOT / "examples" / "dates"
BUILDING_PACKAGES = ("exported_models", "pipeline", "state_store")

PROJECT = """
[model]
id = "dates"
adapter = "luong"
checkpoint = {checkpoint}

[corpus]
generator = {generator}
train = "train.tsv"
validation = "validation.tsv"
limit = 300

[store]
shard_pairs = 100
"""


@dataclass(frozen=True, slots=True)
class TinyExport:
    """A checkpoint and an exported model that was made from it, not verified; tests change copies of them."""

    adapter: str
    checkpoint: Path
    graphs: Path

    def load(self) -> LoadedCheckpoint:
        """Read the checkpoint."""
        from pipeline.adapters import load_adapter

        return load_adapter(self.adapter).load(self.checkpoint)

    def open(self) -> ExportedModel:
        """Open the graphs."""
        return ExportedModel.open(self.graphs, threads=1)


def write_dates_project(folder: Path, more: str = "") -> Path:
    """A project file of the shipped checkpoint and 300 pairs; ``more`` is appended (to the table ``store``)."""
    path = folder / "project.toml"
    named = {"checkpoint": f"{DATES / 'checkpoint'}", "generator": f"{DATES / 'corpus.py'}"}
    path.write_text(PROJECT.format(**{name: f"'{value}'" for name, value in named.items()}) + more, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def dates_workspace(pytestconfig: pytest.Config) -> Workspace:
    """A workspace with the model ``dates`` and the store ``dates``."""
    from pipeline.build.building import build
    from pipeline.build.project_file import load_project
    from pipeline.progress import SilentProgress

    assert pytestconfig.cache is not None
    root = pytestconfig.cache.mkdir(f"dates-{_digest_builders()[:16]}")
    with _one_session(root):
        project = load_project(write_dates_project(root))
        build(project, Workspace(root), progress=SilentProgress())
    return Workspace(root)


@pytest.fixture(scope="session")
def dates_model(dates_workspace: Workspace) -> ExportedModel:
    """The exported dates model, opened."""
    return ExportedModel.open(dates_workspace.model_folder("dates"))


@pytest.fixture(scope="session")
def dates_store(dates_workspace: Workspace, dates_model: ExportedModel) -> StateStore:
    """The store of 300 date pairs, opened."""
    from state_store.store import StateStore

    return StateStore.open(dates_workspace.store_folder("dates"), dates_model)


@pytest.fixture(scope="session")
def tiny_export(pytestconfig: pytest.Config) -> Callable[[str], TinyExport]:
    """Graphs of a tiny random checkpoint, by its family: one of Hugging Face, or ``ssru`` of native Marian."""
    assert pytestconfig.cache is not None
    root = pytestconfig.cache.mkdir(f"tiny-{_digest_builders()[:16]}")

    @cache
    def find(family: str) -> TinyExport:
        folder = root / family
        folder.mkdir(exist_ok=True)
        with _one_session(folder):
            return _write_tiny_export(folder / "export", family)

    return find


@pytest.fixture(scope="session")
def phonemes_workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with the model ``g2p``, which has no attention, not verified and without a store."""
    from exported_models.contract.manifest import CheckpointOrigin
    from pipeline.adapters import load_adapter
    from pipeline.adapters.g2p import find_g2p_en
    from pipeline.graphs.export import describe_model, write_graphs

    workspace = Workspace(tmp_path_factory.mktemp("phonemes"))
    staged = workspace.root / "staged"
    source = load_adapter("g2p").load(find_g2p_en())
    write_graphs(source, staged)
    manifest = describe_model(source, "g2p", CheckpointOrigin(adapter="g2p", name="g2p-en", digest="0"))
    workspace.models_folder.mkdir()
    publish(staged, workspace.models_folder / "g2p", manifest.for_publishing(), {})
    return workspace


@pytest.fixture
def contexts_workspace(dates_workspace: Workspace, tmp_path: Path) -> Workspace:
    """The dates model with a store of its contexts only, as a project file may ask for."""
    workspace = Workspace(tmp_path / "contexts")
    workspace.root.mkdir()
    (workspace.root / "exported_models").symlink_to(dates_workspace.models_folder)
    staged = workspace.root / "staged"
    shutil.copytree(dates_workspace.store_folder("dates"), staged)
    for space in ("encoder", "decoder"):
        shutil.rmtree(staged / "spaces" / space)
    manifest = read_manifest(staged)
    spaces = [entry for entry in manifest["spaces"] if entry["name"] == "context"]
    publish(staged, workspace.stores_folder / "dates", {**manifest, "spaces": spaces}, {})
    return workspace


@pytest.fixture
def outdated_workspace(dates_workspace: Workspace, tmp_path: Path) -> Workspace:
    """The dates store beside another build of its model, as a rebuild leaves it until its store is published."""
    workspace = Workspace(tmp_path / "outdated")
    workspace.root.mkdir()
    workspace.stores_folder.symlink_to(dates_workspace.stores_folder)
    staged = workspace.root / "staged"
    shutil.copytree(dates_workspace.model_folder("dates"), staged)
    (staged / "more.txt").write_text("another build", encoding="utf-8")
    publish(staged, workspace.models_folder / "dates", read_manifest(staged), {})
    return workspace


def _write_tiny_export(folder: Path, family: str) -> TinyExport:
    from pipeline.adapters import load_adapter
    from pipeline.graphs.export import write_graphs
    from tests.pipeline.adapters.huggingface.tiny_checkpoints import save_tiny_checkpoint
    from tests.pipeline.adapters.marian.tiny_models import SSRU, save_tiny_model
    from tests.pipeline.tiny_exports import seal_unverified

    adapter = "marian" if family == "ssru" else "huggingface"
    if not folder.is_dir():
        unfinished = folder.with_name("unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        if family == "ssru":
            save_tiny_model(unfinished / "checkpoint", **SSRU)
        else:
            save_tiny_checkpoint(family, unfinished / "checkpoint")
        source = load_adapter(adapter).load(unfinished / "checkpoint")
        write_graphs(source, unfinished / "graphs")
        seal_unverified(unfinished / "graphs", source)
        unfinished.rename(folder)
    return TinyExport(adapter, folder / "checkpoint", folder / "graphs")


def _digest_builders() -> str:
    sources = [path for package in BUILDING_PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    sources += [DATES / "corpus.py", Path(__file__), *sorted((ROOT / "tests" / "pipeline").rglob("tiny_*.py"))]
    digests = {str(path): {"sha256": digest_file(path)} for path in sources}
    return content_hash({**digests, **list_files(DATES / "checkpoint")})


@contextmanager
def _one_session(root: Path) -> Iterator[None]:
    """Sessions that run at the same time wait for the one that builds."""
    with (root / "session.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
