"""Whether a published folder still is what was published: its manifest, and each file against its digest.

Sizes are compared at every opening, digests of small files too. Digests of large files take longer than a person waits;
`exported_models.runtime.file_watch` compares them in the background.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from exported_models.contract.errors import ArtefactError
from exported_models.contract.publishing import BUILDS_FOLDER, HASH_DIGITS, check_file, digest_value

SMALL_FILE = 4 << 20
"""Bytes up to which a file is compared with its digest at opening: some 2 to 8 ms."""


class ListedFile(Protocol):
    """A manifest's entry of one file."""

    @property
    def bytes(self) -> int:
        """Size as published."""

    @property
    def sha256(self) -> str:
        """Digest as published, in hex."""


Build = tuple[Path, int]
"""A published folder and its inode: a build that is repaired gets another folder of the same name."""


def identify_build(folder: Path) -> Build:
    """The build that a resolved folder holds now.

    Raises:
        ArtefactError: the folder is gone.
    """
    try:
        return folder, folder.stat().st_ino
    except OSError as error:
        raise ArtefactError(f"{folder} cannot be read ({error.strerror}); build the artefact again.") from error


def describe_manifest_damage(folder: Path, manifest: Mapping[str, Any]) -> str:
    """A sentence where the manifest in ``folder`` is not the published one, else empty.

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
    """What an opening can afford to check of a folder's files: name of each damaged file -> what is wrong with it.

    Sizes of all are compared, and digests of small ones.

    Args:
        is_critical: tells the files whose digests are compared however large they are.
    """
    found = (
        check_file(folder, name, entry.bytes, entry.sha256 if entry.bytes <= SMALL_FILE or is_critical(name) else None)
        for name, entry in files.items()
    )
    return {check.name: check.problem for check in found if check.problem}
