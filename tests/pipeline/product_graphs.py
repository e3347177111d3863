"""Graphs of large products alone, for twins to be made of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from exported_models.contract.graphs import Graph

SIZE, VOCABULARY = 128, 300
Floats = NDArray[np.float32]


def write_graphs(folder: Path, size: int = SIZE, scale: float = 1.0) -> tuple[Floats, Floats, Floats]:
    """Two graphs with a table of embeddings that is the output projection too, and one with a weight of its own.

    Returns:
        the table, that weight, and an input.
    """
    folder.mkdir()
    generator = np.random.default_rng(0)
    table = (scale * generator.standard_normal((VOCABULARY, size))).astype(np.float32)
    projection = generator.standard_normal((size, VOCABULARY)).astype(np.float32)
    nodes = [
        helper.make_node("Gemm", ["x", "table", "bias"], ["logits"], transB=1),
        helper.make_node("Gather", ["table", "ids"], ["states"]),
    ]
    constants = {"table": table, "bias": np.full(VOCABULARY, 0.5, np.float32)}
    for graph in (Graph.DECODER_STEP, Graph.TEACHER_FORCED):
        _save(folder / graph.filename, nodes, constants, ["x", "ids"], ["logits", "states"])
    product = helper.make_node("MatMul", ["x", "projection"], ["y"])
    _save(folder / Graph.ENCODER.filename, [product], {"projection": projection}, ["x"], ["y"])
    return table, projection, generator.standard_normal((4, size)).astype(np.float32)


def _save(
    path: Path, nodes: Sequence[onnx.NodeProto], constants: dict[str, Floats], inputs: list[str], outputs: list[str]
) -> None:
    kinds = {"ids": TensorProto.INT64}
    values = [helper.make_tensor_value_info(name, kinds.get(name, TensorProto.FLOAT), None) for name in inputs]
    results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    tensors = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, path.stem, values, results, tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)


def run_graph(path: Path, inputs: dict[str, np.ndarray]) -> list[Floats]:
    """The outputs of a graph on the CPU, in their order."""
    found: list[Floats] = ort.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, inputs)
    return found
