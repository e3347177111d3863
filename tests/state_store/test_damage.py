"""Damage of a published store: refused by name, the rest is served, and nothing but our own errors comes out."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from beamscope.verification import check_workspace
from exported_models.contract.errors import ArtefactError, BeamscopeError
from exported_models.contract.integrity import SMALL_FILE
from exported_models.contract.publishing import publish, read_manifest
from exported_models.contract.request import Request
from exported_models.contract.workspace import Workspace
from exported_models.engine import Engine
from state_store import layout
from state_store.arrays import map_array
from state_store.catalog import StoreCatalog
from state_store.errors import StoreError
from state_store.manifest import load_store_manifest
from state_store.neighborhood import gather_evidence
from state_store.scann_index import scann_is_installed
from state_store.store import StateStore
from tests.state_store.letters import LETTERS, Corpus, make_store

SPACES = ("encoder", "decoder", "context")


@pytest.fixture
def copied(dates_workspace: Workspace, tmp_path: Path) -> Workspace:
    """A copy of model and store of the dates, free to be damaged."""
    workspace = Workspace(tmp_path / "copy")
    shutil.copytree(dates_workspace.models_folder, workspace.models_folder, symlinks=True)
    shutil.copytree(dates_workspace.stores_folder, workspace.stores_folder, symlinks=True)
    return workspace


def flip(path: Path, byte: int, bit: int = 0) -> None:
    data = bytearray(path.read_bytes())
    data[byte % len(data)] ^= 1 << bit
    path.write_bytes(data)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip_in_the_header(path: Path) -> None:
    flip(path, 20, 5)


def flip_in_the_middle(path: Path) -> None:
    flip(path, path.stat().st_size // 2)


DAMAGES = [Path.unlink, empty, flip_in_the_header, flip_in_the_middle]


def list_data(folder: Path) -> list[str]:
    return sorted(read_manifest(folder)["files"])


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_damaged_file_is_named_and_the_others_are_checked(copied: Workspace, damage) -> None:  # type: ignore[no-untyped-def]
    folders = {"dates model": copied.model_folder("dates"), "dates store": copied.store_folder("dates")}
    damaged = {name: list_data(folder)[::2] for name, folder in folders.items()}
    for name, folder in folders.items():
        for file in damaged[name]:
            damage(folder / file)

    for check, name in zip(check_workspace(copied), folders, strict=True):
        assert [file.name for file in check.files] == list_data(folders[name])
        assert [file.name for file in check.files if file.problem] == damaged[name]
        assert all(any(file in problem for problem in check.problems) for file in damaged[name])


def ask_everything(workspace: Workspace) -> dict[str, str]:
    """Ask for neighbors in every space; what is wrong with each, which only an error of our own may say."""
    engine = Engine(workspace, threads=1)
    catalog = StoreCatalog(workspace, engine)
    found = {}
    for space in SPACES:
        try:
            trace = engine.translate(Request("dates", "March 3, 1999"))
            store = catalog.store_for("dates")
            assert store is not None
            gather_evidence(store, trace, trace.best, space, k=5)
            store.background(space, "umap", 50)
            found[space] = ""
        except BeamscopeError as error:
            found[space] = str(error)
    return found


@pytest.mark.parametrize("space", SPACES)
def test_a_damaged_space_is_refused_by_name_and_the_others_answer(copied: Workspace, space: str) -> None:
    folder = copied.store_folder("dates")
    names = [name for name in list_data(folder) if layout.space_of(name) == space]
    assert names
    for name in names:
        before = (folder / name).read_bytes()
        flip_in_the_header(folder / name)

        found = ask_everything(copied)

        assert f"{name} has other bytes than were published; build the store again." in found.pop(space)
        assert set(found.values()) == {""}
        (folder / name).write_bytes(before)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", layout.PAIR_FILES)
def test_damaged_pairs_are_refused_everywhere(copied: Workspace, name: str, damage) -> None:  # type: ignore[no-untyped-def]
    damage(copied.store_folder("dates") / name)

    found = ask_everything(copied)

    assert all(name in sentence and sentence.endswith("build the store again.") for sentence in found.values())


def test_a_space_whose_shape_is_another_is_refused_by_name(copied: Workspace, tmp_path: Path) -> None:
    staged = tmp_path / "staged"
    shutil.copytree(copied.store_folder("dates"), staged)
    manifest = read_manifest(staged)
    manifest["spaces"][0]["rows"] += 1
    publish(staged, copied.stores_folder / "dates", manifest, {})

    found = ask_everything(copied)

    assert "where the manifest announces" in found.pop(manifest["spaces"][0]["name"])
    assert set(found.values()) == {""}


@pytest.mark.parametrize("name", ["../../dec", "/tmp/dec", "a/b", ".."])
def test_a_space_outside_the_store_is_refused(copied: Workspace, tmp_path: Path, name: str) -> None:
    staged = tmp_path / "staged"
    shutil.copytree(copied.store_folder("dates"), staged)
    manifest = read_manifest(staged)
    manifest["spaces"][0]["name"] = name
    folder = publish(staged, copied.stores_folder / "dates", manifest, {})

    with pytest.raises(ArtefactError, match=r"not valid at spaces\.0\.name"):
        load_store_manifest(folder)


def test_a_large_file_that_is_damaged_is_refused_soon(copied: Workspace, tmp_path: Path) -> None:
    staged = tmp_path / "staged"
    shutil.copytree(copied.store_folder("dates"), staged)
    (staged / "spaces" / "decoder" / "more.npy").write_bytes(bytes(SMALL_FILE + 1))
    folder = publish(staged, copied.stores_folder / "dates", read_manifest(staged), {})
    flip(folder / "spaces" / "decoder" / "more.npy", 100)
    engine = Engine(copied, threads=1)
    store = StoreCatalog(copied, engine).store_for("dates")
    assert store is not None
    assert store.describe_damage() == ""

    assert engine.watch.wait(60)

    with pytest.raises(StoreError, match=r"decoder/more\.npy has other bytes"):
        store.space("decoder")
    assert store.space("encoder").space.name == "encoder"
    assert "decoder/more.npy" in store.describe_damage()


HEADER_DAMAGE = [(byte, bit) for byte in range(0, 64, 3) for bit in (0, 4, 7)]


@pytest.mark.parametrize(("byte", "bit"), HEADER_DAMAGE)
@pytest.mark.filterwarnings("ignore:Reading")
def test_no_header_of_an_array_brings_another_error(tmp_path: Path, byte: int, bit: int) -> None:
    path = tmp_path / "array.npy"
    np.save(path, np.zeros((7, 4), np.float32))
    flip(path, byte, bit)

    try:
        found, problem = map_array(path, np.float32, (7, 4)), ""
    except StoreError as error:
        found, problem = np.zeros((7, 4)), str(error)

    # Some bits say the same otherwise, such as "=" for "<" before a number's kind.
    assert np.array_equal(found, np.zeros((7, 4)))
    assert not problem or (problem.startswith(str(path)) and problem.endswith("; build the store again."))


@pytest.fixture
def tree_store(tmp_path: Path, corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A published store whose spaces have ScaNN's index, small as they are."""
    if not scann_is_installed():
        pytest.skip("ScaNN has no wheel for this platform")
    monkeypatch.setattr("state_store.scann_index.TREE_FROM_ROWS", 10)
    return make_store(tmp_path, corpus).folder


def test_no_flipped_bit_of_an_index_reaches_scann(tree_store: Path) -> None:
    index = tree_store / "spaces" / "encoder" / layout.INDEX_FOLDER
    for path in sorted(index.iterdir()):
        for bit in range(0, min(path.stat().st_size, 400) * 8, 41):
            flip(path, bit // 8, bit % 8)
            store = StateStore.open_with_vocabularies(tree_store, LETTERS, LETTERS)
            with pytest.raises(StoreError, match=rf"{path.name} has other bytes than were published"):
                store.space("encoder")
            assert store.typicality("decoder", 0.1) is not None
            flip(path, bit // 8, bit % 8)


@pytest.mark.parametrize("name", ["../center.npy", "/etc/hostname", "nothing.npy"])
def test_an_index_that_names_a_file_elsewhere_is_refused(tree_store: Path, tmp_path: Path, name: str) -> None:
    staged = tmp_path / "again"
    shutil.copytree(tree_store, staged)
    assets = staged / "spaces" / "encoder" / layout.INDEX_FOLDER / "scann_assets.pbtxt"
    assets.write_text(assets.read_text().replace("int8_multipliers.npy", name))
    folder = publish(staged, tmp_path / "letters", read_manifest(staged), {})

    with pytest.raises(StoreError, match="that is not in its folder"):
        StateStore.open_with_vocabularies(folder, LETTERS, LETTERS).space("encoder")
