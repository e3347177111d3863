"""Checkpoints in 16 bits are exported in float32."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from exported_models.contract.request import Request
from exported_models.contract.workspace import Workspace
from exported_models.engine import Engine
from pipeline.adapters import load_adapter
from pipeline.adapters.huggingface.checkpoint import read_checkpoint
from pipeline.export.checkpoints import export_model
from pipeline.progress import SilentProgress
from tests.pipeline.adapters.huggingface.tiny_checkpoints import save_tiny_checkpoint

WEIGHTS = "model.safetensors"
SOURCES = ((11, 12, 13, 14, 15), (21,), tuple(range(30, 55)))


def _save(folder: Path, rounded: torch.dtype, saved: torch.dtype) -> Path:
    """A tiny checkpoint whose weights are those of one type, in a file of another."""
    save_tiny_checkpoint("marian", folder)
    weights = load_file(folder / WEIGHTS)
    save_file(
        {name: weight.to(rounded).to(saved) for name, weight in weights.items()}, folder / WEIGHTS, {"format": "pt"}
    )
    return folder


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_weights_in_16_bits_are_read_as_they_are(tmp_path: Path, dtype: torch.dtype) -> None:
    folder = _save(tmp_path / "checkpoint", dtype, dtype)
    saved = load_file(folder / WEIGHTS)
    read = read_checkpoint(folder).model.state_dict()
    assert {weight.dtype for weight in saved.values()} == {dtype}
    assert {read[name].dtype for name in saved} == {torch.float32}
    assert all(torch.equal(read[name], weight.float()) for name, weight in saved.items())


def test_a_checkpoint_in_16_bits_translates_as_the_library_does_in_float32(tmp_path: Path) -> None:
    halved = _save(tmp_path / "halved", torch.bfloat16, torch.bfloat16)
    workspace = Workspace(tmp_path)
    export_model(halved, None, "halved", workspace, progress=SilentProgress())
    engine = Engine(workspace, threads=1)
    model = engine.model("halved")
    widened = load_adapter("huggingface").load(_save(tmp_path / "widened", torch.bfloat16, torch.float32))
    for ids in SOURCES:
        trace = engine.translate(Request("halved", model.source_tokenizer.decode(ids)))
        wanted = widened.reference.search(trace.source.ids, model.manifest.generation)
        assert [found.token_ids for found in trace.hypotheses] == [right.token_ids for right in wanted]
        scores = [right.score for right in wanted]
        assert [found.normalized for found in trace.hypotheses] == pytest.approx(scores, abs=1e-4)
