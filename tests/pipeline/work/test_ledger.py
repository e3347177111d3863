"""The ledger of finished steps: which results are read again, and which steps have to run again."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from exported_models.contract.publishing import publish
from pipeline.work.digests import Digests
from pipeline.work.ledger import STAGED, Done, Ledger


@dataclass(frozen=True, slots=True)
class Rows:
    """The result of the step that the tests run."""

    rows: int
    names: tuple[str, ...] = ()


RESULT = Rows(3, ("encoder", "decoder"))


def open_ledger(root: Path) -> Ledger:
    """The ledger as a new run sees it."""
    return Ledger(root / "build", root / "store", Digests())


def run_step(ledger: Ledger, content: bytes, fingerprint: str) -> Done[Rows]:
    """Run a step that writes one file below the staging folder, unless it is done."""
    path = vectors(ledger)

    def write() -> tuple[Rows, list[Path]]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return RESULT, [path]

    return ledger.run_once("encode", fingerprint, Rows, write)


def vectors(ledger: Ledger) -> Path:
    return ledger.folder / STAGED / "vectors.npy"


def test_a_finished_step_is_read_and_not_run(tmp_path: Path) -> None:
    assert run_step(open_ledger(tmp_path), b"states", "first") == Done(RESULT, cached=False)
    assert run_step(open_ledger(tmp_path), b"other states", "first") == Done(RESULT, cached=True)
    assert vectors(open_ledger(tmp_path)).read_bytes() == b"states"


def test_other_inputs_run_the_step_again(tmp_path: Path) -> None:
    run_step(open_ledger(tmp_path), b"states", "first")
    assert not run_step(open_ledger(tmp_path), b"new states", "second").cached
    assert vectors(open_ledger(tmp_path)).read_bytes() == b"new states"


def test_looking_changes_nothing(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    run_step(ledger, b"states", "first")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert ledger.find("encode", "first", Rows) == RESULT
    assert ledger.find("encode", "second", Rows) is None
    assert ledger.find("index", "first", Rows) is None
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


@pytest.mark.parametrize("size", [0, 3])
def test_a_file_that_is_missing_or_cut_runs_the_step_again(tmp_path: Path, size: int) -> None:
    ledger = open_ledger(tmp_path)
    run_step(ledger, b"states", "first")
    vectors(ledger).write_bytes(b"states"[:size]) if size else vectors(ledger).unlink()
    assert not run_step(open_ledger(tmp_path), b"states", "first").cached


def test_a_result_of_another_kind_runs_the_step_again(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    run_step(ledger, b"states", "first")
    path = ledger.folder / "finished.json"
    steps = json.loads(path.read_text(encoding="utf-8"))
    steps["encode"]["result"] = {"states": 3}
    path.write_text(json.dumps(steps), encoding="utf-8")
    assert not run_step(open_ledger(tmp_path), b"states", "first").cached


def test_a_published_file_is_taken_again(tmp_path: Path) -> None:
    run_step(open_ledger(tmp_path), b"states", "first")
    published = publish(tmp_path / "build" / STAGED, tmp_path / "store", {}, {})
    ledger = open_ledger(tmp_path)
    assert not vectors(ledger).exists()
    assert ledger.find("encode", "second", Rows) is None
    assert ledger.find("encode", "first", Rows) == RESULT
    assert not vectors(ledger).exists()
    assert run_step(ledger, b"other states", "first").cached
    assert vectors(ledger).samefile(published / "vectors.npy")


def test_a_link_to_a_published_file_is_removed_before_the_step_runs_again(tmp_path: Path) -> None:
    run_step(open_ledger(tmp_path), b"states", "first")
    published = publish(tmp_path / "build" / STAGED, tmp_path / "store", {}, {})
    run_step(open_ledger(tmp_path), b"states", "first")
    assert not run_step(open_ledger(tmp_path), b"new states", "second").cached
    assert (published / "vectors.npy").read_bytes() == b"states"


def test_a_published_file_is_copied_where_the_file_system_has_no_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:  # noqa: ARG001 (a stand-in)
        raise PermissionError(errno.EPERM, "no links here")

    run_step(open_ledger(tmp_path), b"states", "first")
    published = publish(tmp_path / "build" / STAGED, tmp_path / "store", {}, {})
    monkeypatch.setattr(os, "link", refuse)
    ledger = open_ledger(tmp_path)
    assert run_step(ledger, b"other states", "first").cached
    assert vectors(ledger).read_bytes() == b"states"
    assert not vectors(ledger).samefile(published / "vectors.npy")


def test_an_older_build_that_is_still_published_is_not_taken_for_the_recorded_one(tmp_path: Path) -> None:
    run_step(open_ledger(tmp_path), b"old states", "first")
    publish(tmp_path / "build" / STAGED, tmp_path / "store", {}, {})
    # A retrained model: states of the same size. The crash comes when the folder is moved and the link is not.
    run_step(open_ledger(tmp_path), b"new states", "second")
    (tmp_path / "build" / STAGED).rename(tmp_path / "moved away")
    ledger = open_ledger(tmp_path)
    assert ledger.find("encode", "second", Rows) is None
    assert not run_step(ledger, b"new states", "second").cached
    assert vectors(ledger).read_bytes() == b"new states"


def test_a_file_is_digested_once_a_run_under_all_its_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []

    def watched(path: Path) -> str:
        read.append(path)
        return f"digest {len(read)}"

    monkeypatch.setattr("pipeline.work.digests.digest_file", watched)
    one, other, digests = tmp_path / "one", tmp_path / "other", Digests()
    one.write_bytes(b"states")
    os.link(one, other)
    assert digests.of(one) == digests.of(other) == digests.of(one.rename(tmp_path / "moved")) == "digest 1"
    other.write_bytes(b"longer states")
    assert digests.of(other) == "digest 2"
    assert read == [one, other]
