"""The file of a model's tensors: each once, in reach of every graph, and none in a graph."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import helper, numpy_helper

from exported_models.contract.workspace import Workspace
from pipeline.graphs.weights_file import is_external, read_tensor, write_weights

LARGE = np.random.default_rng(5).normal(size=(64, 32)).astype(np.float32)


def make_graph(weights: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> onnx.ModelProto:
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "weights"], ["product"]),
            helper.make_node("Add", ["product", "bias"], ["y"]),
        ],
        "product",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["rows", 64])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["rows", 32])],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(np.ones(32, np.float32), "bias")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def test_equal_tensors_are_written_once_and_small_ones_stay(tmp_path: Path) -> None:
    graphs = [make_graph(LARGE), make_graph(LARGE.copy()), make_graph(LARGE + 1)]
    with write_weights(tmp_path / "weights.bin") as weights:
        for proto in graphs:
            weights.take(proto.graph, tmp_path)
    assert (tmp_path / "weights.bin").stat().st_size == 2 * LARGE.nbytes
    assert [[is_external(tensor) for tensor in proto.graph.initializer] for proto in graphs] == [[True, False]] * 3
    np.testing.assert_array_equal(read_tensor(graphs[2].graph.initializer[0], tmp_path), LARGE + 1)

    onnx.save(graphs[2], tmp_path / "graph.onnx")
    x = np.eye(64, dtype=np.float32)
    (found,) = ort.InferenceSession(tmp_path / "graph.onnx").run(None, {"x": x})
    np.testing.assert_allclose(found, LARGE + 2, rtol=1e-6)


def test_tensors_move_from_one_file_to_another(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    proto = make_graph(LARGE)
    for folder, before in ((first, tmp_path), (second, first)):
        folder.mkdir()
        with write_weights(folder / "weights.bin") as weights:
            weights.take(proto.graph, before)
    assert (first / "weights.bin").read_bytes() == (second / "weights.bin").read_bytes()


def write_half(path: Path) -> None:
    with write_weights(path) as weights:
        weights.take(make_graph(LARGE).graph, path.parent)
        raise ValueError("stop")


def test_a_file_without_tensors_or_with_an_error_is_not_there(tmp_path: Path) -> None:
    with write_weights(tmp_path / "none.bin"):
        pass
    with pytest.raises(ValueError, match="stop"):
        write_half(tmp_path / "half.bin")
    assert not list(tmp_path.iterdir())


def test_no_graph_of_an_exported_model_holds_weights(dates_workspace: Workspace) -> None:
    folder = dates_workspace.model_folder("dates")
    for path in folder.glob("*.onnx"):
        for tensor in onnx.load(path, load_external_data=False).graph.initializer:
            assert is_external(tensor) or len(tensor.raw_data) < 1024, f"{tensor.name} of {path.name}"
