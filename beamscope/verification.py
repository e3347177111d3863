"""Checking every file of every published artefact, and that what was published fits together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exported_models.contract.errors import BeamscopeError
from exported_models.contract.publishing import FileCheck, check_files, content_hash, read_manifest
from exported_models.contract.workspace import Workspace

MODEL = "exported model"
STORE = "state store"

_Findings = tuple[tuple[FileCheck, ...], list[str]]
"""One result a file, and sentences about everything else."""


@dataclass(frozen=True, slots=True)
class ArtefactCheck:
    """What was found of one published artefact; ``problems`` are sentences, none when it is intact."""

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
    """Check the models, then the stores, reading every byte of them."""
    for name in _published_names(workspace.models_folder, workspace.model_ids()):
        yield _check_artefact(MODEL, name, workspace.models_folder, _check_model)
    for name in _published_names(workspace.stores_folder, workspace.store_ids()):
        yield _check_artefact(STORE, name, workspace.stores_folder, lambda folder: _check_store(folder, workspace))


def _published_names(folder: Path, known: tuple[str, ...]) -> list[str]:
    """The known names, and those whose link leads nowhere or to a folder without a manifest."""
    links = {path.name for path in folder.iterdir() if path.is_symlink()} if folder.is_dir() else set()
    return sorted({name for name in links if not name.startswith(".")} | set(known))


def _check_artefact(kind: str, name: str, parent: Path, check: Callable[[Path], _Findings]) -> ArtefactCheck:
    # Resolved once: a build published meanwhile is another folder.
    folder = (parent / name).resolve()
    identity = ""
    files: tuple[FileCheck, ...] = ()
    problems: list[str] = []
    try:
        manifest = read_manifest(folder)
        identity = str(manifest.get("content_hash", ""))
        problems += _manifest_problems(kind, name, manifest)
        files, found = check(folder)
        problems += [_describe_file(folder, file) for file in files if file.problem]
        problems += found
    except BeamscopeError as error:
        problems.append(str(error))
    except (AttributeError, KeyError, TypeError):
        problems.append(f"The manifest in {folder} does not list its files as a manifest does.")
    return ArtefactCheck(kind, name, folder, identity, files, tuple(dict.fromkeys(problems)))


def _manifest_problems(kind: str, name: str, manifest: Mapping[str, Any]) -> Iterator[str]:
    called = manifest.get("model_id" if kind == MODEL else "store_id")
    if called != name:
        yield f"The manifest belongs to an artefact named {called!r}."
    files = manifest.get("files")
    if not files:
        yield "The manifest lists no files."
    elif manifest.get("content_hash") != content_hash(files):
        yield "The manifest's content hash is not that of the files it lists."


def _check_model(folder: Path) -> _Findings:
    from exported_models.runtime.model import ExportedModel

    files = tuple(check_files(folder))
    damaged = any(file.problem for file in files)
    return files, [] if damaged else _problem_of(lambda: ExportedModel.open(folder, threads=1))


def _check_store(folder: Path, workspace: Workspace) -> _Findings:
    """Files, contents, and whether the model it names is the one it was built with."""
    from exported_models.contract.manifest import load_model_manifest
    from state_store.check import check_contents
    from state_store.manifest import load_store_manifest
    from state_store.store import check_model

    manifest = load_store_manifest(folder)

    def check_binding() -> None:
        model = load_model_manifest(workspace.model_folder(manifest.model_id))
        check_model(manifest, manifest.model_id, model.content_hash)

    return tuple(check_files(folder)), [*check_contents(folder), *_problem_of(check_binding)]


def _problem_of(attempt: Callable[[], object]) -> list[str]:
    try:
        attempt()
    except BeamscopeError as error:
        return [str(error)]
    return []


def _describe_file(folder: Path, check: FileCheck) -> str:
    return f"{check.path.relative_to(folder)} {check.problem}."
