"""A published folder is compared with what was published: manifest and small files at opening, large ones behind."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from exported_models.contract.errors import ArtefactError
from exported_models.contract.integrity import SMALL_FILE, find_damage, identify_build
from exported_models.contract.manifest import FileEntry, load_model_manifest
from exported_models.contract.publishing import list_files, path_inside, publish, read_manifest
from exported_models.contract.request import Request
from exported_models.contract.workspace import Workspace
from exported_models.engine import Engine
from exported_models.runtime.file_watch import FileWatch
from exported_models.runtime.model import ExportedModel


@pytest.fixture
def copied(dates_workspace: Workspace, tmp_path: Path) -> Workspace:
    """A copy of the dates model, free to be damaged."""
    workspace = Workspace(tmp_path / "copy")
    shutil.copytree(dates_workspace.models_folder, workspace.models_folder, symlinks=True)
    return workspace


def edit_manifest(folder: Path, **changes: object) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps({**read_manifest(folder), **changes}), encoding="utf-8")


def flip(path: Path, byte: int) -> None:
    with path.open("r+b") as stream:
        stream.seek(byte)
        (value,) = stream.read(1)
        stream.seek(byte)
        stream.write(bytes([value ^ 1]))


@pytest.mark.parametrize("change", [{"end_id": 3}, {"pad_id": 1}, {"generation": {"max_length": 3}}])
def test_an_edited_manifest_is_refused_at_opening(copied: Workspace, change: dict[str, object]) -> None:
    folder = copied.model_folder("dates")
    edit_manifest(folder, **change)

    with pytest.raises(ArtefactError, match="is not the one that was published"):
        Engine(copied).model("dates")


def test_a_manifest_that_was_written_out_otherwise_is_the_same(copied: Workspace) -> None:
    folder = copied.model_folder("dates")
    edit_manifest(folder)

    assert load_model_manifest(folder).model_id == "dates"


def test_every_bit_of_a_vocabulary_counts(copied: Workspace) -> None:
    folder = copied.model_folder("dates")
    name = next(name for name in load_model_manifest(folder).files if name.endswith("vocabulary.json"))
    flip(folder / name, 12)

    with pytest.raises(ArtefactError, match=rf"{name} has other bytes than were published"):
        ExportedModel.open(folder)


@pytest.mark.parametrize("name", ["../../tv.json", "/etc/hostname", "inner/../../x", "", ".", "a\0b", "x" * 5000])
def test_a_vocabulary_outside_the_model_is_refused(copied: Workspace, tmp_path: Path, name: str) -> None:
    plain = tmp_path / "plain"
    shutil.copytree(copied.model_folder("dates"), plain)
    tokenizer = read_manifest(plain)["source_tokenizer"]
    edit_manifest(plain, source_tokenizer={**tokenizer, "file": name})

    with pytest.raises(ArtefactError, match="not inside it") as caught:
        ExportedModel.open(plain)
    assert len(str(caught.value)) < 200 + len(str(plain))


def test_a_link_out_of_an_artefact_and_a_loop_of_links_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "artefact"
    folder.mkdir()
    (tmp_path / "outside").touch()
    (folder / "away").symlink_to(tmp_path / "outside")
    (folder / "loop").symlink_to("loop")
    (folder / "inside").touch()
    (folder / "alias").symlink_to("inside")

    assert path_inside(folder, "alias") == folder / "alias"
    for name in ("away", "loop", "loop/x"):
        with pytest.raises(ArtefactError, match="not inside it"):
            path_inside(folder, name)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip_first(path: Path) -> None:
    flip(path, 0)


@pytest.mark.parametrize(
    ("damage", "problem"),
    [(Path.unlink, "is missing"), (cut, "bytes where"), (flip_first, "has other bytes than were published")],
)
def test_damage_of_a_small_file_is_found_at_once(tmp_path: Path, damage: Callable[[Path], None], problem: str) -> None:
    (tmp_path / "small").write_bytes(b"abc")
    files = {name: FileEntry.model_validate(entry) for name, entry in list_files(tmp_path).items()}
    damage(tmp_path / "small")

    assert problem in find_damage(tmp_path, files)["small"]


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A published folder with a file that is too large to be read at opening."""
    staged = tmp_path / "staged"
    staged.mkdir()
    (staged / "weights.bin").write_bytes(bytes(SMALL_FILE + 1))
    (staged / "small.bin").write_bytes(b"abc")
    return publish(staged, tmp_path / "published", {}, {})


def files_of(folder: Path) -> dict[str, FileEntry]:
    return {name: FileEntry.model_validate(entry) for name, entry in read_manifest(folder)["files"].items()}


def test_damage_of_a_large_file_is_found_behind(large: Path) -> None:
    flip(large / "weights.bin", SMALL_FILE)
    assert find_damage(large, files_of(large)) == {}

    watch = FileWatch(delay=0)
    watch.add(large, files_of(large))

    assert watch.wait(60)
    assert watch.damage(identify_build(large)) == {"weights.bin": "has other bytes than were published"}


def test_a_critical_file_is_read_however_large_it_is(large: Path) -> None:
    flip(large / "weights.bin", SMALL_FILE)

    assert set(find_damage(large, files_of(large), lambda name: name == "weights.bin")) == {"weights.bin"}


def test_a_build_is_read_once(large: Path) -> None:
    watch = FileWatch(delay=0)
    watch.add(large, files_of(large))
    assert watch.wait(60)
    flip(large / "weights.bin", 0)
    watch.add(large, files_of(large))

    assert watch.wait(60)
    assert watch.damage(identify_build(large)) == {}


def test_a_build_that_is_gone_is_not_damaged(large: Path) -> None:
    watch, build = FileWatch(delay=0.2), identify_build(large)
    watch.add(large, files_of(large))
    shutil.rmtree(large)

    assert watch.wait(60)
    assert watch.damage(build) == {}


@pytest.fixture
def heavy(dates_workspace: Workspace, tmp_path: Path) -> Workspace:
    """The dates model with a file beside it that is too large to be read at opening."""
    workspace = Workspace(tmp_path / "heavy")
    staged = workspace.root / "staged"
    shutil.copytree(dates_workspace.model_folder("dates"), staged)
    (staged / "weights.bin").write_bytes(bytes(SMALL_FILE + 1))
    workspace.models_folder.mkdir()
    publish(staged, workspace.models_folder / "dates", read_manifest(staged), {})
    return workspace


def test_a_model_with_damaged_weights_is_refused_soon_and_served_again_after_a_repair(heavy: Workspace) -> None:
    folder = heavy.model_folder("dates")
    staged = heavy.root / "again"
    shutil.copytree(folder, staged)
    flip(folder / "weights.bin", 1000)
    engine, asked = Engine(heavy, threads=1), Request("dates", "March 3, 1999")
    engine.translate(asked)
    assert engine.watch.wait(60)

    with pytest.raises(ArtefactError, match=r"weights\.bin has other bytes than were published; export the model"):
        engine.translate(asked)

    manifest = read_manifest(staged)
    publish(staged, heavy.models_folder / "dates", {k: manifest[k] for k in manifest if k != "content_hash"}, {})
    assert engine.translate(asked).best.text
