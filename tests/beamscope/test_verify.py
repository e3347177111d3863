"""`beamscope verify` on published artefacts, damaged in every way a folder can be."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from exported_models.contract.publishing import publish, read_manifest
from exported_models.contract.workspace import Workspace
from tests.beamscope.shell import Beamscope, one_sentence


@pytest.fixture
def copied(dates_workspace: Workspace, tmp_path: Path) -> Workspace:
    """A copy of the model, free to be damaged."""
    workspace = Workspace(tmp_path / "copy")
    shutil.copytree(dates_workspace.models_folder, workspace.models_folder, symlinks=True)
    return workspace


def test_every_file_of_every_artefact_is_named(beamscope: Beamscope, dates_workspace: Workspace) -> None:
    outcome = beamscope("verify", "--workspace", str(dates_workspace.root))

    assert (outcome.exit_code, outcome.stderr) == (0, "")
    assert "exported model dates: intact" in outcome.stdout
    assert "state store dates: intact" in outcome.stdout
    for folder in (dates_workspace.model_folder("dates"), dates_workspace.store_folder("dates")):
        for name in json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["files"]:
            assert f"  {name} " in outcome.stdout


def test_json_lists_what_the_text_shows(beamscope: Beamscope, copied: Workspace) -> None:
    document = json.loads(beamscope("verify", "--json", "--workspace", str(copied.root)).stdout)

    (model,) = document["artefacts"]
    assert document["intact"]
    assert (model["kind"], model["name"], model["problems"]) == ("exported model", "dates", [])
    assert {"encoder.onnx", "decoder_step.onnx"} <= {file["path"] for file in model["files"]}


@pytest.mark.parametrize("damage", ["nothing there", "empty folders"])
def test_an_empty_workspace_fails(beamscope: Beamscope, tmp_path: Path, damage: str) -> None:
    if damage == "empty folders":
        (tmp_path / "exported_models" / "__pycache__").mkdir(parents=True)

    outcome = beamscope("verify", "--workspace", str(tmp_path))

    assert outcome.exit_code == 1
    assert "nothing to verify" in one_sentence(outcome.stderr)


ENTRY = {"bytes": 0, "sha256": "0" * 64}


def change_manifest(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    change(manifest)
    path.write_text(json.dumps(manifest), encoding="utf-8")


def flip_a_byte(folder: Path) -> None:
    path = folder / "encoder.onnx"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def truncate(folder: Path) -> None:
    path = folder / "decoder_step.onnx"
    path.write_bytes(path.read_bytes()[:-1])


def remove_a_file(folder: Path) -> None:
    (folder / "encoder.onnx").unlink()


def add_a_file(folder: Path) -> None:
    (folder / "intruder.bin").write_bytes(b"?")


def change_the_listed_digest(folder: Path) -> None:
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["files"]["encoder.onnx"]["sha256"] = "0" * 64
    path.write_text(json.dumps(manifest), encoding="utf-8")


def change_a_setting(folder: Path) -> None:
    change_manifest(folder, lambda manifest: manifest["generation"].update(beam_size=1))


def name_a_device(folder: Path) -> None:
    change_manifest(folder, lambda manifest: manifest["files"].update({"/dev/zero": ENTRY}))


def name_a_file_outside(folder: Path) -> None:
    change_manifest(folder, lambda manifest: manifest["files"].update({"../../../outside.json": ENTRY}))


def link_a_file_elsewhere(folder: Path) -> None:
    (folder / "encoder.onnx").rename(folder.parent / "elsewhere.onnx")
    (folder / "encoder.onnx").symlink_to(folder.parent / "elsewhere.onnx")


def link_a_file_to_itself(folder: Path) -> None:
    (folder / "loop.bin").symlink_to("loop.bin")


def list_no_files(folder: Path) -> None:
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**manifest, "files": {}}), encoding="utf-8")


def list_nonsense(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps({"format": 2, "model_id": "dates", "files": ["encoder.onnx"]}), encoding="utf-8")


def break_the_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_text("{", encoding="utf-8")


def remove_the_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def remove_everything(folder: Path) -> None:
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (flip_a_byte, "encoder.onnx has other bytes than were published"),
        (truncate, "where"),
        (remove_a_file, "encoder.onnx is missing"),
        (add_a_file, "intruder.bin is not listed"),
        (change_the_listed_digest, "encoder.onnx has other bytes"),
        (change_the_listed_digest, "manifest in"),
        (change_a_setting, "is not the one that was published"),
        (name_a_device, "/dev/zero is not inside the artefact"),
        (name_a_file_outside, "../../../outside.json is not inside the artefact"),
        (link_a_file_elsewhere, "encoder.onnx is not inside the artefact"),
        (link_a_file_to_itself, "loop.bin is not listed in the manifest"),
        (list_no_files, "lists no files"),
        (list_nonsense, "does not list its files"),
        (break_the_manifest, "is not JSON"),
        (remove_the_manifest, "holds no manifest.json"),
        (remove_everything, "holds no manifest.json"),
    ],
)
def test_any_damage_fails_and_is_named(
    beamscope: Beamscope, copied: Workspace, damage: Callable[[Path], None], expected: str
) -> None:
    damage(copied.model_folder("dates"))

    text = beamscope("verify", "--workspace", str(copied.root))
    document = json.loads(beamscope("verify", "--json", "--workspace", str(copied.root)).stdout)

    assert text.exit_code == 1
    assert "exported model dates" in one_sentence(text.stderr)
    assert expected in text.stdout
    assert not document["intact"]
    assert any(expected in problem for problem in document["artefacts"][0]["problems"])


def test_a_store_without_its_model_fails(beamscope: Beamscope, dates_workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "state_store").symlink_to(dates_workspace.stores_folder)

    outcome = beamscope("verify", "--workspace", str(tmp_path))

    assert outcome.exit_code == 1
    assert "no exported model named 'dates'" in outcome.stdout


@pytest.fixture
def copied_whole(copied: Workspace, dates_workspace: Workspace) -> Workspace:
    """A copy of model and store, free to be damaged."""
    shutil.copytree(dates_workspace.stores_folder, copied.stores_folder, symlinks=True)
    return copied


def test_a_damaged_store_is_named_with_the_file(beamscope: Beamscope, copied_whole: Workspace) -> None:
    vectors = copied_whole.store_folder("dates") / "spaces" / "decoder" / "vectors.npy"
    vectors.write_bytes(vectors.read_bytes()[:-2])

    outcome = beamscope("verify", "--workspace", str(copied_whole.root))

    assert outcome.exit_code == 1
    assert one_sentence(outcome.stderr).startswith("Not as published: state store dates;")
    assert "exported model dates: intact" in outcome.stdout
    assert re.search(r"decoder/vectors.npy +\S+ \S+ +has \d+ bytes where \d+ were published", outcome.stdout)


def test_a_store_of_another_build_of_the_model_is_refused_with_both(
    beamscope: Beamscope, copied_whole: Workspace, tmp_path: Path
) -> None:
    old = copied_whole.model_folder("dates")
    staged = tmp_path / "copy" / "staged"
    shutil.copytree(old, staged)
    manifest = json.loads((old / "manifest.json").read_text(encoding="utf-8"))
    (staged / "more.bin").write_bytes(b"another build")
    new = publish(staged, copied_whole.models_folder / "dates", manifest, {})

    workspace = ["--workspace", str(copied_whole.root)]
    verified = beamscope("verify", *workspace)
    asked = beamscope("neighbors", "dates", "March 3, 1999", *workspace)

    assert (verified.exit_code, asked.exit_code) == (1, 1)
    for build in (old, new):
        assert read_manifest(build)["content_hash"][:8] in verified.stdout
        assert read_manifest(build)["content_hash"][:8] in one_sentence(asked.stderr)


@pytest.mark.parametrize(("command", "text"), [("translate", "March 3, 1999"), ("neighbors", "March 3, 1999")])
def test_a_damaged_model_is_refused_in_one_sentence(
    beamscope: Beamscope, copied: Workspace, command: str, text: str
) -> None:
    truncate(copied.model_folder("dates"))

    outcome = beamscope(command, "dates", text, "--workspace", str(copied.root))

    assert outcome.exit_code == 1
    assert "decoder_step.onnx" in one_sentence(outcome.stderr)
