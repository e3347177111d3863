"""Large matrix products in 8-bit integers, for CPUs.

A product with weights becomes one ``DynamicQuantizeMatMul`` of ONNX Runtime. Its weights are int8, symmetric, with a
scale for every output. Its input is quantized to 8 bits at run time, with one scale and zero point for all rows, so the
result of a row depends slightly on the other rows. Embeddings, attention between states, norms, recurrent layers and
small products stay in float32. `onnxruntime.quantization` computes the same, but supports neither weights in a file
shared by several graphs nor a projection that is also the table of embeddings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from pipeline.graphs import products
from pipeline.graphs.products import is_large_product
from pipeline.graphs.rewriting import RUNTIME_DOMAIN, attributes, drop_unused_weights, use_runtime_operators
from pipeline.graphs.weights_file import read_tensor

METHOD: Final = "large products in int8, a scale for each output, inputs quantized as they come; the rest in float32"
_LARGEST: Final = 127


@dataclass(slots=True)
class _Weights:
    """The constants of a graph, and the quantized form of those that were quantized."""

    given: Mapping[str, onnx.TensorProto]
    folder: Path
    made: dict[str, tuple[onnx.TensorProto, onnx.TensorProto]] = field(default_factory=dict)
    """name -> (weights [inputs, outputs] int8, scales [outputs] float32)."""

    def quantize(self, name: str, *, transposed: bool) -> tuple[str, str]:
        """Names of the quantized weights and their scales; ``transposed`` for weights given as [outputs, inputs]."""
        if name not in self.made:
            weights = read_tensor(self.given[name], self.folder).astype(np.float32, copy=False)
            values, scales = _round(weights.T if transposed else weights)
            self.made[name] = (
                numpy_helper.from_array(values, f"{name}.int8"),
                numpy_helper.from_array(scales, f"{name}.scales"),
            )
        values_tensor, scales_tensor = self.made[name]
        return values_tensor.name, scales_tensor.name


def use_integers(proto: onnx.ModelProto, folder: Path) -> int:
    """Compute the large products of a graph from ``folder`` in integers, in place; return their number."""
    graph = proto.graph
    weights = _Weights({tensor.name: tensor for tensor in graph.initializer}, folder)
    replaced = {place: node for place, node in enumerate(graph.node) if is_large_product(node, weights.given)}
    for place, node in replaced.items():
        graph.node[place].CopyFrom(_in_integers(node, weights))
    # Before there are new ones, as what is kept is copied.
    drop_unused_weights(graph)
    graph.initializer.extend(tensor for pair in weights.made.values() for tensor in pair)
    if replaced:
        use_runtime_operators(proto)
    return len(replaced)


def _in_integers(node: onnx.NodeProto, weights: _Weights) -> onnx.NodeProto:
    """The same product in integers; a bias is added in floats."""
    transposed = bool(attributes(node).get("transB", 0))
    values, scales = weights.quantize(node.input[1], transposed=transposed)
    bias = node.input[2] if len(node.input) > 2 else ""
    inputs = [node.input[0], values, scales, "", bias]
    return helper.make_node("DynamicQuantizeMatMul", inputs, list(node.output), name=node.name, domain=RUNTIME_DOMAIN)


def _round(weights: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Round weights [inputs, outputs] to int8 with a scale for every output; zeros get an arbitrary scale."""
    values, scales = np.empty(weights.shape, np.int8), np.empty(weights.shape[1], np.float32)
    step = max(1, products.AT_ONCE // len(weights))
    for start in range(0, len(scales), step):
        part = slice(start, start + step)
        largest = np.abs(weights[:, part]).max(axis=0)
        scales[part] = np.where(largest > 0, largest, 1.0).astype(np.float32) / np.float32(_LARGEST)
        values[:, part] = np.rint(weights[:, part] / scales[part])
    return values, scales
