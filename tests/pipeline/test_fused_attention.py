"""A step with fused self-attention computes what it computed before, for every length of the past."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from exported_models.graphs import MEMORY_PREFIX, NEXT_PREFIX, SOURCE_PREFIX, Graph, memory_name
from pipeline.adapters import load_adapter
from pipeline.export import write_graphs
from pipeline.fused_attention import fuse_self_attention
from tests.pipeline.adapters.huggingface.tiny_checkpoints import save_tiny_checkpoint

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

LAYERS, HEADS, ROWS = 3, 3, 4
Arrays = dict[str, np.ndarray]


def _export(family: str, folder: Path) -> Path:
    write_graphs(load_adapter("huggingface").load(save_tiny_checkpoint(family, folder / "checkpoint")), folder)
    return folder


def _run(path: Path, inputs: Arrays) -> Arrays:
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_outputs()]
    asked = {value.name for value in session.get_inputs()}
    found = session.run(names, {name: array for name, array in inputs.items() if name in asked})
    return dict(zip(names, found, strict=True))


def test_every_step_is_as_before(tmp_path: Path) -> None:
    folder = _export("marian", tmp_path)
    proto = onnx.load(folder / Graph.DECODER_STEP.filename)
    before = len(proto.graph.node)
    assert fuse_self_attention(proto) == LAYERS
    assert len(proto.graph.node) < before
    onnx.checker.check_model(proto)
    fused = folder / "fused.onnx"
    fused.write_bytes(proto.SerializeToString())

    mask = np.ones((1, 6), np.bool_)
    heads = np.ones((LAYERS, HEADS), np.float32)
    heads[1, 2] = 0
    encoded = _run(
        folder / Graph.ENCODER.filename,
        {"source_ids": np.arange(5, 11)[None], "source_mask": mask, "head_mask": np.ones((2, 4), np.float32)},
    )
    inputs: Arrays = {
        **{name: array for name, array in encoded.items() if name.startswith((SOURCE_PREFIX, MEMORY_PREFIX))},
        "source_mask": mask,
        "top_count": np.array([5]),
        "forced_ids": np.full(ROWS, 7),
        "decoder_head_mask": heads,
        "attention_override": np.zeros((ROWS, LAYERS, HEADS, 6), np.float32),
        "override_on": np.zeros((ROWS, LAYERS, HEADS), np.bool_),
    }
    for position, rows in enumerate(([0, 0, 0, 0], [0, 2, 1, 1], [3, 0, 0, 2])):
        inputs |= {
            "previous_ids": np.arange(8, 8 + ROWS) + position,
            "beam_index": np.array(rows),
            "position": np.array([position]),
        }
        wanted, found = (_run(path, inputs) for path in (folder / Graph.DECODER_STEP.filename, fused))
        assert wanted.keys() == found.keys()
        for name, array in wanted.items():
            np.testing.assert_allclose(found[name], array, atol=1e-5, err_msg=name)
        inputs |= {memory_name(name): array for name, array in found.items() if name.startswith(NEXT_PREFIX)}
    assert found["next.key.0"].shape[2] == 3


def test_attention_with_relative_positions_is_left_as_it_is(tmp_path: Path) -> None:
    proto = onnx.load(_export("t5", tmp_path) / Graph.DECODER_STEP.filename)
    content = proto.SerializeToString(deterministic=True)
    assert fuse_self_attention(proto) == 0
    assert proto.SerializeToString(deterministic=True) == content
