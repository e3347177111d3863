"""The file of a model's tensors: each once, in reach of every graph, and none in a graph."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import helper, numpy_helper
from onnx.external_data_helper import uses_external_data

from exported_models.contract.workspace import Workspace
from pipeline.errors import ExportError
from pipeline.graphs.weights_file import read_tensor, write_weights

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
    tensors = [proto.graph.initializer for proto in graphs]
    assert [[uses_external_data(tensor) for tensor in own] for own in tensors] == [[True, False]] * 3
    first, same, other = (_place(large) for large, _ in tensors)
    assert first == same != other
    np.testing.assert_array_equal(read_tensor(graphs[2].graph.initializer[0], tmp_path), LARGE + 1)

    onnx.save(graphs[2], tmp_path / "graph.onnx")
    x = np.eye(64, dtype=np.float32)
    (found,) = ort.InferenceSession(tmp_path / "graph.onnx").run(None, {"x": x})
    np.testing.assert_allclose(found, LARGE + 2, rtol=1e-6)


def _place(tensor: onnx.TensorProto) -> dict[str, str]:
    return {entry.key: entry.value for entry in tensor.external_data}


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


@pytest.mark.parametrize("held", [None, b"", b"short"])
def test_weights_that_cannot_be_read_are_named_and_nothing_is_written(tmp_path: Path, held: bytes | None) -> None:
    proto = make_graph(LARGE)
    with write_weights(tmp_path / "weights.bin") as weights:
        weights.take(proto.graph, tmp_path)
    (tmp_path / "weights.bin").unlink()
    if held is not None:
        (tmp_path / "weights.bin").write_bytes(held)

    with (
        pytest.raises(ExportError, match=r"The weights weights cannot be read \(.*\); export the model again"),
        write_weights(tmp_path / "new.bin") as weights,
    ):
        weights.take(proto.graph, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} <= {"weights.bin"}


def test_no_graph_of_an_exported_model_holds_weights(dates_workspace: Workspace) -> None:
    folder = dates_workspace.model_folder("dates")
    for path in folder.glob("*.onnx"):
        for tensor in onnx.load(path, load_external_data=False).graph.initializer:
            assert uses_external_data(tensor) or len(tensor.raw_data) < 1024, f"{tensor.name} of {path.name}"
