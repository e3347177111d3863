"""The workspace: one folder that holds exported models and state stores."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from exported_models.contract.errors import WorkspaceError, shorten
from exported_models.contract.publishing import MANIFEST_NAME

RESERVED_NAMES = frozenset({"comparison", "contract", "runtime", "search", "tokenizers", "what_ifs"})
"""Names of sub-packages of the contract packages, which no artefact may have."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Workspace:
    """A folder laid out as ``exported_models/<model_id>/`` and ``state_store/<store_id>/``.

    A checkout is a workspace too: both folders may hold Python code, and an artefact is a folder with a manifest.
    """

    root: Path

    @property
    def models_folder(self) -> Path:
        return self.root / "exported_models"

    @property
    def stores_folder(self) -> Path:
        return self.root / "state_store"

    @property
    def builds_folder(self) -> Path:
        """Unfinished builds, kept so that an interrupted build can go on; safe to delete."""
        return self.root / ".beamscope"

    def model_ids(self) -> tuple[str, ...]:
        """Names of the published models, sorted."""
        return _published(self.models_folder)

    def store_ids(self) -> tuple[str, ...]:
        """Names of the published stores, sorted."""
        return _published(self.stores_folder)

    def model_folder(self, model_id: str) -> Path:
        """The immutable folder of a published model.

        Raises:
            WorkspaceError: no model of that name; the message lists the known ones.
        """
        return _resolve(self.models_folder, model_id, "exported model", self.root)

    def store_folder(self, store_id: str) -> Path:
        """The immutable folder of a published store.

        Raises:
            WorkspaceError: no store of that name; the message lists the known ones.
        """
        return _resolve(self.stores_folder, store_id, "state store", self.root)


def check_artefact_name(name: str) -> str:
    """Return ``name`` if it can name a model or a store; the name becomes a folder and part of a link.

    Raises:
        WorkspaceError: the name holds anything but letters, digits, dots, underscores and hyphens, or is one of
            `RESERVED_NAMES`.
    """
    if not _NAME.fullmatch(name):
        raise WorkspaceError(
            f"{shorten(name)!r} cannot name a model or store: use 1 to 64 letters, digits, '.', '_' or '-', "
            "the first a letter or digit."
        )
    if name in RESERVED_NAMES:
        raise WorkspaceError(
            f"{name!r} cannot name a model or store: it is a folder of Beamscope's code; choose another name, for "
            f"example {name + '-1'!r}."
        )
    return name


def _published(folder: Path) -> tuple[str, ...]:
    if not folder.is_dir():
        return ()
    entries = (entry for entry in folder.iterdir() if not entry.name.startswith("."))
    return tuple(sorted(entry.name for entry in entries if (entry / MANIFEST_NAME).is_file()))


def _resolve(folder: Path, name: str, kind: str, root: Path) -> Path:
    check_artefact_name(name)
    if not (folder / name / MANIFEST_NAME).is_file():
        listing = ", ".join(_published(folder)) or "none yet; `beamscope build` makes one"
        raise WorkspaceError(f"There is no {kind} named {name!r} in {root.absolute()} (known: {listing}).")
    # Resolved once, so that a reader opens files of one build only, also while another one is published.
    return (folder / name).resolve()
