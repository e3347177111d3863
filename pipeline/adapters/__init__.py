"""Adapters: the interface to a model family, and the search for the adapter of a checkpoint.

An adapter reads a family's checkpoints and gives a `LoadedCheckpoint`. Adapters are found through the entry points of
the group ``beamscope.adapters``, the built-in ones too, so installing a package can add a family.
"""

from __future__ import annotations

import difflib
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol, runtime_checkable

from exported_models.contract.errors import shorten
from exported_models.contract.publishing import content_hash, digest_file, digest_value, list_files
from pipeline.errors import AdapterError, CheckpointError
from pipeline.models.checkpoint import LoadedCheckpoint

ENTRY_POINT_GROUP = "beamscope.adapters"
_READ_BESIDE = (".json", ".model", ".spm", ".txt", ".vocab", ".yaml", ".yml")
"""Suffixes of the files that are read besides a checkpoint of one file."""


@runtime_checkable
class Adapter(Protocol):
    """Reads the checkpoints of one model family."""

    @property
    def name(self) -> str:
        """The name of the family in project files and manifests."""

    @property
    def reads(self) -> str:
        """The form of the family's checkpoints on disk, for the message about one that no adapter recognizes."""

    def recognizes(self, checkpoint: Path) -> bool:
        """Whether ``checkpoint`` looks like one of the family. Must be fast and must not raise."""

    def load(self, checkpoint: Path) -> LoadedCheckpoint:
        """Read a checkpoint.

        Raises:
            CheckpointError: it is incomplete, damaged, or of a model that cannot be exported.
        """


def adapter_names() -> tuple[str, ...]:
    """Names of the installed adapters, sorted."""
    return tuple(sorted({entry.name for entry in entry_points(group=ENTRY_POINT_GROUP)}))


def load_adapter(name: str) -> Adapter:
    """The adapter of that name.

    Raises:
        AdapterError: there is none of that name, or its package cannot be imported.
    """
    _check_known(name)
    entry = next(entry for entry in entry_points(group=ENTRY_POINT_GROUP) if entry.name == name)
    try:
        adapter = entry.load()()
    except ImportError as error:
        raise AdapterError(
            f"The adapter {name!r} cannot be imported ({error}); install what building needs in the checkout: "
            "pip install -e '.[build]'."
        ) from error
    if not isinstance(adapter, Adapter):
        raise AdapterError(f"{entry.value}, installed as adapter {name!r}, is no adapter; ask its author.")
    return adapter


def find_adapter(checkpoint: Path, name: str | None = None) -> str:
    """The name of the adapter for a checkpoint: ``name`` if given, else that of the adapter that recognizes it.

    A given name is looked up without loading the adapter, so that a build with nothing to do needs no torch.

    Raises:
        CheckpointError: there is nothing at ``checkpoint``.
        AdapterError: no adapter has the name, or none recognizes the checkpoint.
    """
    if not checkpoint.exists():
        raise CheckpointError(f"There is no checkpoint at {shorten(str(checkpoint))}.")
    if name is not None:
        _check_known(name)
        return name
    adapters = {known: load_adapter(known) for known in adapter_names()}
    for known, adapter in adapters.items():
        if adapter.recognizes(checkpoint):
            return known
    kinds = ", ".join(f"{known} ({adapter.reads})" for known, adapter in adapters.items())
    raise AdapterError(
        f"No adapter recognizes the checkpoint {checkpoint}: it is of another kind, or a file of it is missing or "
        f"damaged. These can be read: {kinds or 'none, as no adapter is installed'}."
    )


def _check_known(name: str) -> None:
    known = adapter_names()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        raise AdapterError(f"There is no adapter {shorten(name)!r} (known: {', '.join(known) or 'none'}){hint}")


def digest_checkpoint(checkpoint: Path) -> str:
    """Digest of a checkpoint's content: of a folder, or of a file and the settings and vocabularies beside it."""
    if not checkpoint.is_file():
        return content_hash(list_files(checkpoint))
    beside = [path for path in sorted(checkpoint.parent.iterdir()) if path.suffix in _READ_BESIDE and path.is_file()]
    digests = {path.name: digest_file(path) for path in (checkpoint, *beside)}
    return digest_value(digests) if beside else digests[checkpoint.name]
