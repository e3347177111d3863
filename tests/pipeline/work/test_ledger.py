"""The ledger of finished steps: what is recalled, and what has to be made again."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from exported_models.contract.publishing import publish
from pipeline.work.ledger import STAGED, Ledger, remember_published


def stage(ledger: Ledger, content: bytes, fingerprint: str) -> Path:
    """Do a step: one file below the staging folder."""
    path = ledger.folder / STAGED / "vectors.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    ledger.record("encode", fingerprint, [path], {"rows": 3})
    return path


def test_a_published_file_is_taken_again(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "build", tmp_path / "store")
    path = stage(ledger, b"states", "first")
    publish(ledger.folder / STAGED, tmp_path / "store", {}, {})
    assert not path.exists()
    assert ledger.recall("encode", "second") is None
    assert ledger.recall("encode", "first") == {"rows": 3}
    assert path.read_bytes() == b"states"


def test_a_published_file_is_copied_where_the_file_system_has_no_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:  # noqa: ARG001 (a stand-in)
        raise PermissionError(errno.EPERM, "no links here")

    ledger = Ledger(tmp_path / "build", tmp_path / "store")
    path = stage(ledger, b"states", "first")
    published = publish(ledger.folder / STAGED, tmp_path / "store", {}, {})
    monkeypatch.setattr(os, "link", refuse)
    assert ledger.recall("encode", "first") == {"rows": 3}
    assert path.read_bytes() == b"states"
    assert not path.samefile(published / path.name)


def test_an_older_build_that_is_still_published_is_not_taken_for_the_recorded_one(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "build", tmp_path / "store")
    stage(ledger, b"old states", "first")
    published = publish(ledger.folder / STAGED, tmp_path / "store", {}, {})
    remember_published(ledger.folder, "first", published)
    # A retrained model: states of the same size. The crash comes when the folder is moved and the link is not.
    path = stage(ledger, b"new states", "second")
    path.parent.rename(tmp_path / "moved away")
    assert ledger.recall("encode", "second") is None
    assert not path.exists()
