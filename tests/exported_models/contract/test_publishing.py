"""Publishing is one atomic step, and what was published can be checked byte by byte."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from exported_models.contract.errors import ArtefactError, PublishingError
from exported_models.contract.publishing import (
    MANIFEST_NAME,
    PROVENANCE_NAME,
    check_files,
    content_hash,
    explain_disk_errors,
    format_size,
    list_files,
    publication_number,
    publish,
    read_manifest,
    write_json_atomically,
)


def make_staged(root: Path, text: str) -> Path:
    staged = root / f"staged-{text}"
    (staged / "inner").mkdir(parents=True)
    (staged / "data.txt").write_text(text, encoding="utf-8")
    (staged / "inner" / "more.bin").write_bytes(b"\x00\x01")
    return staged


def problems(folder: Path) -> dict[str, str]:
    return {Path(check.name).name: check.problem for check in check_files(folder) if check.problem}


def test_a_published_folder_lists_its_files_and_is_intact(tmp_path: Path) -> None:
    folder = publish(make_staged(tmp_path, "a"), tmp_path / "store", {"format": 1}, {"built": "today"})

    manifest = read_manifest(tmp_path / "store")
    assert set(manifest["files"]) == {"data.txt", "inner/more.bin"}
    assert manifest["content_hash"] == content_hash(manifest["files"])
    assert problems(folder) == {}


def test_provenance_does_not_change_the_content_hash(tmp_path: Path) -> None:
    first = publish(make_staged(tmp_path, "a"), tmp_path / "one", {}, {"built": "today"})
    second = publish(make_staged(tmp_path, "a"), tmp_path / "two", {}, {"built": "tomorrow"})

    assert read_manifest(first)["content_hash"] == read_manifest(second)["content_hash"]


def test_builds_are_numbered_in_the_order_of_their_publishing(tmp_path: Path) -> None:
    names = ("one", "two", "one")
    folders = [publish(make_staged(tmp_path, f"{place}"), tmp_path / name, {}, {}) for place, name in enumerate(names)]

    assert [publication_number(folder) for folder in folders] == [1, 2, 3]


@pytest.mark.parametrize("content", ["", "[1]", "{}", '{"number": "3"}'])
def test_a_build_whose_provenance_is_damaged_or_older_has_the_number_zero(tmp_path: Path, content: str) -> None:
    folder = publish(make_staged(tmp_path, "a"), tmp_path / "store", {}, {})
    (folder / PROVENANCE_NAME).write_text(content, encoding="utf-8")

    assert publication_number(folder) == 0
    assert publication_number(tmp_path / "nothing") == 0


def test_a_reader_of_the_old_build_keeps_it_while_a_new_one_is_published(tmp_path: Path) -> None:
    opened = publish(make_staged(tmp_path, "old"), tmp_path / "store", {}, {})
    publish(make_staged(tmp_path, "new"), tmp_path / "store", {}, {})

    assert (opened / "data.txt").read_text(encoding="utf-8") == "old"
    assert (tmp_path / "store" / "data.txt").read_text(encoding="utf-8") == "new"


def test_only_the_newest_superseded_build_is_kept(tmp_path: Path) -> None:
    for text in ("one", "two", "three"):
        publish(make_staged(tmp_path, text), tmp_path / "store", {}, {})

    builds = list((tmp_path / ".builds" / "store").iterdir())
    assert sorted((build / "data.txt").read_text(encoding="utf-8") for build in builds) == ["three", "two"]


def test_the_build_before_is_kept_though_the_clock_was_set_back(tmp_path: Path) -> None:
    for text, hour in (("one", 3), ("two", 2)):
        folder = publish(make_staged(tmp_path, text), tmp_path / "store", {}, {})
        os.utime(folder, (3600 * hour, 3600 * hour))

    publish(make_staged(tmp_path, "three"), tmp_path / "store", {}, {})

    builds = (tmp_path / ".builds" / "store").iterdir()
    assert sorted((build / "data.txt").read_text(encoding="utf-8") for build in builds) == ["three", "two"]


def test_publishing_equal_content_again_repairs_a_damaged_build(tmp_path: Path) -> None:
    folder = publish(make_staged(tmp_path, "a"), tmp_path / "store", {}, {})
    (folder / "data.txt").write_text("b", encoding="utf-8")

    publish(make_staged(tmp_path, "a"), tmp_path / "store", {}, {})

    assert problems(tmp_path / "store") == {}


def test_equal_data_with_another_manifest_is_another_build(tmp_path: Path) -> None:
    publish(make_staged(tmp_path, "a"), tmp_path / "store", {"model": "old"}, {})
    publish(make_staged(tmp_path, "a"), tmp_path / "store", {"model": "new"}, {})

    assert read_manifest(tmp_path / "store")["model"] == "new"


@pytest.mark.parametrize(
    ("damage", "name", "problem"),
    [
        (lambda folder: (folder / "data.txt").unlink(), "data.txt", "missing"),
        (lambda folder: (folder / "data.txt").write_text("longer", encoding="utf-8"), "data.txt", "bytes where"),
        (lambda folder: (folder / "data.txt").write_text("x", encoding="utf-8"), "data.txt", "other bytes"),
        (lambda folder: (folder / "new.txt").write_text("x", encoding="utf-8"), "new.txt", "not listed"),
    ],
)
def test_damage_is_named(tmp_path: Path, damage, name: str, problem: str) -> None:  # type: ignore[no-untyped-def]
    folder = publish(make_staged(tmp_path, "a"), tmp_path / "store", {}, {})
    damage(folder)

    assert problem in problems(folder)[name]


def test_a_folder_without_manifest_was_never_published(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="never published"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("content", ["{", "[]"])
def test_an_unreadable_manifest_is_one_sentence(tmp_path: Path, content: str) -> None:
    (tmp_path / MANIFEST_NAME).write_text(content, encoding="utf-8")

    with pytest.raises(ArtefactError, match="build the artefact again"):
        read_manifest(tmp_path)


def test_a_full_disk_is_one_sentence_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(PublishingError, match=r"the disk is full\. Free some space"), explain_disk_errors(tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "value.json"
    write_json_atomically(path, {"old": True})

    with pytest.raises(TypeError):
        write_json_atomically(path, {"new": object()})

    assert json.loads(path.read_text(encoding="utf-8")) == {"old": True}
    assert [entry.name for entry in tmp_path.iterdir()] == ["value.json"]


def test_files_are_listed_by_relative_posix_path(tmp_path: Path) -> None:
    staged = make_staged(tmp_path, "a")

    assert list_files(staged)["inner/more.bin"]["bytes"] == 2


@pytest.mark.parametrize(
    ("size", "written"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1234, "1.2 kB"),
        (99_960, "100 kB"),
        (999_999, "1.0 MB"),
        (5_600_000, "5.6 MB"),
        (120e9, "120 GB"),
        (3e12, "3.0 TB"),
    ],
)
def test_a_size_has_the_unit_that_suits_it(size: float, written: str) -> None:
    assert format_size(size) == written
