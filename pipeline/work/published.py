"""Published folders and what they were made from: whether one is current, and publishing a staged one."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exported_models.contract.errors import ArtefactError
from exported_models.contract.json_text import parse_json
from exported_models.contract.publishing import PROVENANCE_NAME, check_files, publish, write_json_atomically
from pipeline.work.digests import Digests
from pipeline.work.ledger import STAGED, Ledger

_PUBLISH = "publish"


@dataclass(frozen=True, slots=True)
class Publication:
    """The result of publishing: ``build`` is the name of the immutable folder behind the link."""

    build: str


def is_intact(complete: Path, fingerprint: str, digests: Digests) -> bool:
    """Whether a complete folder was made from a fingerprint, and every file is as it was written."""
    return _read_fingerprint(complete) == fingerprint and _has_good_files(complete, digests)


def is_current(published: Path | None, fingerprint: str, ledger: Ledger) -> bool:
    """Whether a published folder is the one that would be built, and every file is as it was published.

    Args:
        published: the immutable folder, or None if nothing is published.
        ledger: of the build folder. It knows the folder of an equal build that was made from other inputs: publishing
            keeps the older of two equal folders, with the older fingerprint.
    """
    if published is None:
        return False
    recorded = ledger.find(_PUBLISH, fingerprint, Publication)
    made = _read_fingerprint(published) == fingerprint or (recorded is not None and recorded.build == published.name)
    return made and _has_good_files(published, ledger.digests)


def publish_staged(ledger: Ledger, destination: Path, manifest: Mapping[str, Any], fingerprint: str) -> Path:
    """Publish the staged folder of a build, and record it; return the immutable folder.

    Raises:
        PublishingError: the disk is full or not writable; the earlier build stays published.
    """
    staged = ledger.folder / STAGED
    folder = publish(staged, destination, manifest, describe_making(fingerprint), ledger.digests.of)
    ledger.record(_PUBLISH, fingerprint, [], Publication(folder.name))
    return folder


def mark_finished(folder: Path, fingerprint: str) -> None:
    """Mark a staged folder as complete; `is_intact` holds from now on."""
    write_json_atomically(folder / PROVENANCE_NAME, describe_making(fingerprint))


def describe_making(fingerprint: str) -> dict[str, Any]:
    """The content of ``provenance.json``: everything that may differ between equal builds."""
    return {
        "fingerprint": fingerprint,
        "made_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "host": platform.node(),
        "python": platform.python_version(),
    }


def _read_fingerprint(complete: Path) -> str | None:
    """The fingerprint that a folder was made from; None if it is not complete or damaged."""
    try:
        value = parse_json((complete / PROVENANCE_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value.get("fingerprint") if isinstance(value, dict) else None


def _has_good_files(complete: Path, digests: Digests) -> bool:
    try:
        return not any(check.problem for check in check_files(complete, digests.of))
    except ArtefactError:
        return False
