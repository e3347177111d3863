"""Checks of a published folder at its opening: its manifest, and each file against its size and digest.

Sizes of all files and digests of small ones are compared at every opening. Digests of large files take too long for
that; `exported_models.runtime.file_watch` compares them in the background.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from exported_models.contract.errors import ArtefactError
from exported_models.contract.publishing import BUILDS_FOLDER, HASH_DIGITS, check_file, digest_value

SMALL_FILE = 4 << 20
"""Largest file, in bytes, whose digest is compared at opening; takes 2 to 8 ms."""


class ListedFile(Protocol):
    """A manifest's entry of one file."""

    @property
    def bytes(self) -> int:
        """Size as published."""

    @property
    def sha256(self) -> str:
        """Digest as published, in hex."""


Build = tuple[Path, int]
"""A published folder and its inode; a repaired build is another folder of the same name."""


def identify_build(folder: Path) -> Build:
    """The build that a resolved folder holds at present.

    Raises:
        ArtefactError: the folder is gone.
    """
    try:
        return folder, folder.stat().st_ino
    except OSError as error:
        raise ArtefactError(f"{folder} cannot be read ({error.strerror}); build the artefact again.") from error


def describe_manifest_damage(folder: Path, manifest: Mapping[str, Any]) -> str:
    """Describe a manifest that is not the published one in one sentence; empty where it is.

    `publishing.publish` names a build's folder by the digest of its manifest. A folder elsewhere, such as one that is
    still being built or was copied without its link, has no such name, and nothing to compare with.
    """
    if folder.parent.parent.name != BUILDS_FOLDER or len(folder.name) != HASH_DIGITS:
        return ""
    try:
        same = digest_value(manifest)[:HASH_DIGITS] == folder.name
    except (ValueError, RecursionError):
        same = False
    return "" if same else f"The manifest in {folder} is not the one that was published; build the artefact again."


def find_damage(
    folder: Path, files: Mapping[str, ListedFile], is_critical: Callable[[str], bool] = lambda _: False
) -> dict[str, str]:
    """Compare sizes of all files and digests of small ones: name of each damaged file -> its problem.

    Args:
        is_critical: names of files whose digests are compared whatever their size.
    """
    found = (
        check_file(folder, name, entry.bytes, entry.sha256 if entry.bytes <= SMALL_FILE or is_critical(name) else None)
        for name, entry in files.items()
    )
    return {check.name: check.problem for check in found if check.problem}
