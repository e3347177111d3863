"""Checkpoints of the hub: fetched from a real server, only what is needed, and nothing without being asked."""

from __future__ import annotations

import io
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from exported_models.contract.workspace import Workspace
from pipeline.adapters.hub import HubId, parse_hub_id
from pipeline.adapters.hub_download import fetch_checkpoint
from pipeline.build.project_file import load_project
from pipeline.errors import CheckpointError
from pipeline.export.checkpoints import PlannedExport, plan_model
from pipeline.progress import LineProgress
from tests.pipeline.hub_server import COMMIT, Hub, serve_hub

NAME = Path("hub:owner/tiny")
AT_COMMIT = Path(f"hub:owner/tiny@{COMMIT}")
FILES = {
    "config.json": b'{"model_type": "marian"}',
    "generation_config.json": b"{}",
    "source.spm": b"source",
    "modeling_tiny.py": b"raise SystemExit('code of the repository was run')",
    "README.md": b"# A model",
    "tf_model.h5": b"other weights",
    "onnx/config.json": b"{}",
    "onnx/model.safetensors": b"other weights",
    "pytorch_model.bin": b"pickled",
}


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    folder = tmp_path / "repository"
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return Hub(folder)


@pytest.fixture(autouse=True)
def endpoint(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    with serve_hub(hub) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        yield


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{free.getsockname()[1]}")


def _plan(checkpoint: Path, tmp_path: Path) -> PlannedExport:
    return plan_model(Workspace(tmp_path / "workspace"), "tiny", checkpoint, None)


def _fetched(hub: Hub) -> set[str]:
    return {request.split("/", 4)[-1] for request in hub.asked if request.startswith("GET owner/tiny/resolve/")}


def test_a_branch_becomes_a_commit(hub: Hub, tmp_path: Path) -> None:
    build = _plan(NAME, tmp_path)
    assert build.adapter == "huggingface"
    assert (build.origin.name, build.origin.revision) == ("owner/tiny", COMMIT)
    assert (build.checkpoint / "source.spm").read_bytes() == b"source"
    assert _fetched(hub) == {"config.json", "generation_config.json", "source.spm", "pytorch_model.bin"}
    assert build.fingerprint == _plan(AT_COMMIT, tmp_path).fingerprint


def test_pickles_stay_there_where_there_are_safetensors(hub: Hub, tmp_path: Path) -> None:
    (hub.folder / "model.safetensors").write_bytes(b"tensors")
    _plan(NAME, tmp_path)
    assert {name for name in _fetched(hub) if "model" in name} == {"model.safetensors"}


@pytest.mark.parametrize(
    ("index", "shards"),
    [
        ("model.safetensors.index.json", ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]),
        ("pytorch_model.bin.index.json", ["pytorch_model-00001-of-00001.bin"]),
    ],
)
def test_an_index_brings_its_shards(hub: Hub, tmp_path: Path, index: str, shards: list[str]) -> None:
    (hub.folder / "pytorch_model.bin").unlink()
    for name in (index, *shards):
        (hub.folder / name).write_bytes(name.encode())
    _plan(NAME, tmp_path)
    assert {name for name in _fetched(hub) if "model" in name} == {index, *shards}


def test_a_folder_of_ctranslate2_is_fetched_with_its_vocabulary(hub: Hub, tmp_path: Path) -> None:
    (hub.folder / "pytorch_model.bin").unlink()
    for name in ("model.bin", "shared_vocabulary.json", "source.spm"):
        (hub.folder / name).write_bytes(name.encode())
    _plan(NAME, tmp_path)
    assert {"config.json", "model.bin", "shared_vocabulary.json", "source.spm"} <= _fetched(hub)


def test_a_commit_that_is_here_is_not_asked_for(hub: Hub, tmp_path: Path) -> None:
    first = _plan(AT_COMMIT, tmp_path)
    hub.asked.clear()
    assert _plan(AT_COMMIT, tmp_path) == first
    assert hub.asked == []


def test_what_an_interrupted_download_left_is_completed(hub: Hub, tmp_path: Path) -> None:
    hub.refusal = (400, "BadRequest", "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=f"The hub answered 400 when it was asked for hub:owner/tiny@{COMMIT}"):
        _plan(AT_COMMIT, tmp_path)
    hub.refusal = None
    assert (_plan(AT_COMMIT, tmp_path).checkpoint / "pytorch_model.bin").read_bytes() == b"pickled"


def test_a_download_says_how_far_it_is(hub: Hub, capfd: pytest.CaptureFixture[str]) -> None:
    (hub.folder / "model.safetensors").write_bytes(bytes(3_500_000))
    said = io.StringIO()
    fetch_checkpoint(parse_hub_id(NAME), LineProgress(said))
    assert said.getvalue().startswith("download: 3 MB")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("checkpoint", "message"),
    [
        ("hub:owner/other", "The hub has no repository owner/other, or a private one"),
        ("hub:owner/tiny@nowhere", "The repository owner/tiny has no revision 'nowhere'"),
        ("hub:", "hub: names no checkpoint of the hub; write hub:owner/name@revision"),
        ("hub:a/b/c", "hub:a/b/c names no checkpoint of the hub"),
        ("hub:a--b/c", "hub:a--b/c@main names no checkpoint of the hub"),
    ],
)
def test_what_is_not_there_is_said_in_a_sentence(tmp_path: Path, checkpoint: str, message: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        _plan(Path(checkpoint), tmp_path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_gated_repository_is_named_so(hub: Hub, tmp_path: Path) -> None:
    hub.refusal = (403, "GatedRepo", "config.json")
    with pytest.raises(CheckpointError, match="hub:owner/tiny@main is gated: ask for access on its page"):
        _plan(NAME, tmp_path)


@pytest.mark.usefixtures("no_network")
def test_without_a_network_it_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="The hub cannot be reached for hub:owner/tiny@main"):
        _plan(NAME, tmp_path)


@pytest.mark.usefixtures("no_network")
def test_a_part_of_a_repository_is_not_taken_for_all_of_it(tmp_path: Path) -> None:
    """As older versions of the library leave it: without a list of what belongs to it."""
    folder = tmp_path / "cache" / "models--owner--tiny"
    (folder / "snapshots" / COMMIT).mkdir(parents=True)
    (folder / "snapshots" / COMMIT / "config.json").write_bytes(FILES["config.json"])
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(COMMIT)
    with pytest.raises(CheckpointError, match="The hub cannot be reached for hub:owner/tiny@main"):
        _plan(NAME, tmp_path)


def test_a_repository_of_something_else_is_refused(hub: Hub, tmp_path: Path) -> None:
    (hub.folder / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"hub:owner/tiny@main has no config\.json"):
        _plan(NAME, tmp_path)


@pytest.mark.parametrize("typed", ["owner/tiny", "ownr/tiny", "tiny", "./owner/tiny", "a/b/c"])
def test_a_path_never_reaches_for_the_network(hub: Hub, tmp_path: Path, typed: str) -> None:
    with pytest.raises(CheckpointError, match=f"There is no checkpoint at {Path(typed)}") as caught:
        _plan(Path(typed), tmp_path)
    assert hub.asked == []
    assert (f"write hub:{Path(typed)}" in str(caught.value)) == (str(Path(typed)).count("/") == 1)


def test_a_project_names_one_as_the_command_does(tmp_path: Path) -> None:
    path = tmp_path / "project.toml"
    path.write_text(f'[model]\nid = "m"\ncheckpoint = "{AT_COMMIT}"\n[corpus]\ntrain = "x.tsv"\n')
    assert parse_hub_id(load_project(path).checkpoint) == HubId("owner/tiny", COMMIT)
