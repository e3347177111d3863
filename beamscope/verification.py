"""Checking every file of every published artefact, and that artefacts fit each other."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exported_models.contract.errors import BeamscopeError
from exported_models.contract.integrity import describe_manifest_damage
from exported_models.contract.publishing import FileCheck, check_files, content_hash, read_manifest
from exported_models.contract.workspace import Workspace

MODEL = "exported model"
STORE = "state store"

_Check = Callable[[Path, Collection[str]], list[str]]
"""From a folder and its damaged files to a sentence for everything else that is wrong."""


@dataclass(frozen=True, slots=True)
class ArtefactCheck:
    """The check of one published artefact; ``problems`` are sentences, none if it is intact."""

    kind: str
    name: str
    folder: Path
    content_hash: str
    files: tuple[FileCheck, ...]
    problems: tuple[str, ...]

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files)


def check_workspace(workspace: Workspace) -> Iterator[ArtefactCheck]:
    """Check the models, then the stores; every byte is read."""
    for name in _published_names(workspace.models_folder, workspace.model_ids()):
        yield _check_artefact(MODEL, name, workspace.models_folder, _check_model)

    def check_store(folder: Path, damaged: Collection[str]) -> list[str]:
        return _check_store(folder, damaged, workspace)

    for name in _published_names(workspace.stores_folder, workspace.store_ids()):
        yield _check_artefact(STORE, name, workspace.stores_folder, check_store)


def _published_names(folder: Path, known: tuple[str, ...]) -> list[str]:
    """The known names, and names whose link leads nowhere or to a folder without a manifest."""
    links = {path.name for path in folder.iterdir() if path.is_symlink()} if folder.is_dir() else set()
    return sorted({name for name in links if not name.startswith(".")} | set(known))


def _check_artefact(kind: str, name: str, parent: Path, check: _Check) -> ArtefactCheck:
    folder = parent / name
    identity = ""
    files: tuple[FileCheck, ...] = ()
    problems: list[str] = []
    try:
        # The link is resolved once: a build that is published meanwhile is another folder.
        folder = folder.resolve()
        manifest = read_manifest(folder)
        identity = str(manifest.get("content_hash", ""))
        problems += _manifest_problems(kind, name, folder, manifest)
        files = tuple(check_files(folder))
        problems += [f"{file.name} {file.problem}." for file in files if file.problem]
        problems += check(folder, frozenset(file.name for file in files if file.problem))
    except BeamscopeError as error:
        problems.append(str(error))
    except (OSError, RuntimeError) as error:  # a loop of links is a RuntimeError
        problems.append(f"{folder} cannot be read ({error}).")
    except (AttributeError, KeyError, TypeError, ValueError):
        problems.append(f"The manifest in {folder} does not list its files as a manifest does.")
    return ArtefactCheck(kind, name, folder, identity, files, tuple(dict.fromkeys(problems)))


def _manifest_problems(kind: str, name: str, folder: Path, manifest: Mapping[str, Any]) -> Iterator[str]:
    if problem := describe_manifest_damage(folder, manifest):
        yield problem
    called = manifest.get("model_id" if kind == MODEL else "store_id")
    if called != name:
        yield f"The manifest belongs to an artefact named {called!r}."
    files = manifest.get("files")
    if not files:
        yield "The manifest lists no files."
    elif manifest.get("content_hash") != content_hash(files):
        yield "The manifest's content hash is not that of the files it lists."


def _check_model(folder: Path, damaged: Collection[str]) -> list[str]:
    """Check that a model opens, if its files are as published."""
    from exported_models.runtime.model import ExportedModel

    return [] if damaged else _problem_of(lambda: ExportedModel.open(folder, threads=1))


def _check_store(folder: Path, damaged: Collection[str], workspace: Workspace) -> list[str]:
    """Check the contents, and that the model of that name is the one the store was built with."""
    from exported_models.contract.manifest import load_model_manifest
    from state_store.check import check_contents
    from state_store.manifest import load_store_manifest
    from state_store.store import check_model

    manifest = load_store_manifest(folder)

    def check_binding() -> None:
        model = load_model_manifest(workspace.model_folder(manifest.model_id))
        check_model(manifest, manifest.model_id, model.content_hash)

    return [*check_contents(folder, damaged), *_problem_of(check_binding)]


def _problem_of(attempt: Callable[[], object]) -> list[str]:
    try:
        attempt()
    except BeamscopeError as error:
        return [str(error)]
    return []
