"""Names of checkpoints on the Hugging Face hub: ``hub:owner/name@revision``.

Only names of this form are fetched over the network. Any other name is a path, even if a repository has it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import CheckpointError

PREFIX = "hub:"
_DEFAULT_REVISION = "main"
_HUB_NAME = r"[A-Za-z0-9][\w.-]*(?:/[A-Za-z0-9][\w.-]*)?"


@dataclass(frozen=True, slots=True)
class HubId:
    """A repository of the hub, ``owner/name``, and a branch, tag or commit hash of it."""

    name: str
    revision: str

    def __str__(self) -> str:
        return f"{PREFIX}{self.name}@{self.revision}"


@dataclass(frozen=True, slots=True)
class HubCheckpoint:
    """A repository's checkpoint at ``commit``, fetched to ``folder``."""

    name: str
    commit: str
    folder: Path


def names_hub(checkpoint: Path) -> bool:
    """Whether a checkpoint, as it was typed, names one on the hub."""
    return str(checkpoint).startswith(PREFIX)


def parse_hub_id(checkpoint: Path) -> HubId:
    """Parse ``hub:owner/name@revision``; without a revision it is the branch ``main``.

    Raises:
        CheckpointError: the name has another form.
    """
    found = re.fullmatch(rf"{PREFIX}({_HUB_NAME})(?:@([\w./-]+))?", str(checkpoint))
    if found is None:
        raise CheckpointError(f"{checkpoint} names no checkpoint of the hub; write {PREFIX}owner/name@revision.")
    return HubId(found[1], found[2] or _DEFAULT_REVISION)


def hint_at_hub(checkpoint: Path) -> str:
    """A hint to append to the message about a missing folder, if its name could be a repository's; else empty."""
    meant = not checkpoint.is_absolute() and "/" in str(checkpoint) and re.fullmatch(_HUB_NAME, str(checkpoint))
    return f" To fetch one of that name from the Hugging Face hub, write {PREFIX}{checkpoint}." if meant else ""
