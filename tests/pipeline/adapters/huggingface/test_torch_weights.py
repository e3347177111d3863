"""Checkpoints whose weights are a ``pytorch_model.bin``: read as far as they are tensors, and never run."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from pipeline.adapters import load_adapter
from pipeline.adapters.huggingface.checkpoint import read_checkpoint
from pipeline.errors import CheckpointError
from tests.pipeline.adapters.huggingface.tiny_checkpoints import save_tiny_checkpoint

WEIGHTS = "model.safetensors"
PICKLED = "pytorch_model.bin"


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return save_tiny_checkpoint("marian", tmp_path / "checkpoint")


def _state(checkpoint: Path) -> dict[str, torch.Tensor]:
    """Everything that the library's own model holds: like older checkpoints, tied weights under all their names."""
    return read_checkpoint(checkpoint).model.state_dict()


def _save_whole(state: dict[str, torch.Tensor], folder: Path) -> None:
    torch.save(state, folder / PICKLED)


def _save_as_long_ago(state: dict[str, torch.Tensor], folder: Path) -> None:
    torch.save(state, folder / PICKLED, _use_new_zipfile_serialization=False)


def _save_halved(state: dict[str, torch.Tensor], folder: Path) -> None:
    torch.save({name: tensor.half() for name, tensor in state.items()}, folder / PICKLED)


def _save_in_shards(state: dict[str, torch.Tensor], folder: Path) -> None:
    places = {name: f"pytorch_model-{index % 2 + 1:05}-of-00002.bin" for index, name in enumerate(sorted(state))}
    for shard in set(places.values()):
        torch.save({name: state[name] for name in state if places[name] == shard}, folder / shard)
    size = sum(tensor.nbytes for tensor in state.values())
    (folder / f"{PICKLED}.index.json").write_text(json.dumps({"metadata": {"total_size": size}, "weight_map": places}))


@pytest.mark.parametrize(
    ("save", "tolerance"),
    [(_save_whole, 0.0), (_save_as_long_ago, 0.0), (_save_in_shards, 0.0), (_save_halved, 1e-3)],
)
def test_they_are_the_weights_of_the_same_model(
    checkpoint: Path, save: Callable[[dict[str, torch.Tensor], Path], None], tolerance: float
) -> None:
    wanted = _state(checkpoint)
    save(wanted, checkpoint)
    (checkpoint / WEIGHTS).unlink()
    found = read_checkpoint(checkpoint).model.state_dict()
    assert found.keys() == wanted.keys()
    for name, tensor in found.items():
        assert tensor.dtype == torch.float32
        torch.testing.assert_close(tensor, wanted[name], atol=tolerance, rtol=tolerance)


def test_safetensors_are_read_where_both_are_there(checkpoint: Path) -> None:
    torch.save({"not": torch.zeros(1)}, checkpoint / PICKLED)
    expected = load_file(checkpoint / WEIGHTS)
    found = read_checkpoint(checkpoint).model.state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


class _Payload:
    """A pickle that makes a folder when it is read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("zipped", [True, False])
def test_what_would_run_code_is_refused_and_not_run(checkpoint: Path, tmp_path: Path, zipped: bool) -> None:
    proof = tmp_path / "it ran"
    state = {**_state(checkpoint), "model.shared.weight": _Payload(proof)}
    torch.save(state, checkpoint / PICKLED, _use_new_zipfile_serialization=zipped)
    (checkpoint / WEIGHTS).unlink()
    with pytest.raises(CheckpointError, match=r"holds more than tensors and would run \w+\.mkdir") as caught:
        load_adapter("huggingface").load(checkpoint)
    assert str(checkpoint) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not proof.exists()
    # The payload is no dud: an unrestricted reader runs it.
    torch.load(checkpoint / PICKLED, weights_only=False)
    assert proof.is_dir()


def _truncated(state: dict[str, torch.Tensor]) -> bytes:
    stream = io.BytesIO()
    torch.save(state, stream)
    return stream.getvalue()[:-200]


def _archived(state: dict[str, torch.Tensor]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("pickle"))
    return stream.getvalue() + bytes(len(state))


def _listed(state: dict[str, torch.Tensor]) -> bytes:
    stream = io.BytesIO()
    torch.save(list(state.values()), stream)
    return stream.getvalue()


@pytest.mark.parametrize("damage", [_truncated, _archived, _listed, lambda _: b"", lambda _: b"no weights at all"])
def test_what_holds_no_weights_is_refused_in_one_sentence(
    checkpoint: Path, damage: Callable[[dict[str, torch.Tensor]], bytes]
) -> None:
    content = damage(_state(checkpoint))
    (checkpoint / WEIGHTS).unlink()
    (checkpoint / PICKLED).write_bytes(content)
    with pytest.raises(CheckpointError) as caught:
        load_adapter("huggingface").load(checkpoint)
    assert str(checkpoint) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "weights_only" not in str(caught.value)
