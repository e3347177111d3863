"""Large matrix products and tables of embeddings in 16-bit floats, for GPUs.

A product reads weights and inputs as float16 and gives float16. All that lies between products (attention, norms,
residual sums, log-probabilities, states, decoder memory) stays in float32, as in mixed precision (Micikevicius et al.
2018, "Mixed Precision Training"). `onnxruntime.transformers.float16` turns whole graphs into halves, norms and softmax
too, and holds all weights in memory.

ONNX Runtime computes the products in float32 on CPUs, which have no such kernel: the twin can be run there, and takes
more time and memory than the full model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from pipeline.errors import ExportError
from pipeline.graphs.products import is_large_matrix, is_large_product
from pipeline.graphs.rewriting import drop_unused_weights, replace_nodes
from pipeline.graphs.weights_file import read_tensor

METHOD: Final = "large products and tables of embeddings in float16; the rest in float32"
_LARGEST: Final = float(np.finfo(np.float16).max)
_GIVEN, _FOUND = ".given.float16", ".float16"
"""Endings of the names of a product's input and of its result, or of weights, in float16."""


@dataclass(slots=True)
class _Weights:
    """The constants of a graph, and the float16 form of those that were rounded."""

    given: Mapping[str, onnx.TensorProto]
    folder: Path
    made: dict[str, onnx.TensorProto] = field(default_factory=dict)

    def round(self, name: str) -> str:
        """The name of the weights in float16.

        Raises:
            ExportError: one of them is too large.
        """
        if name not in self.made:
            weights = read_tensor(self.given[name], self.folder)
            if not max(-float(weights.min()), float(weights.max())) <= _LARGEST:  # so that NaN is refused too
                raise ExportError(f"The weights {name} reach beyond {_LARGEST:,.0f}, the largest number of float16.")
            self.made[name] = numpy_helper.from_array(weights.astype(np.float16), f"{name}{_FOUND}")
        return self.made[name].name


def use_halves(proto: onnx.ModelProto, folder: Path) -> int:
    """Compute the large products of a graph from ``folder`` in float16, in place; return their number.

    Raises:
        ExportError: a weight is too large for float16.
    """
    graph = proto.graph
    weights = _Weights({tensor.name: tensor for tensor in graph.initializer}, folder)
    nodes, count = list[onnx.NodeProto](), 0
    for node in graph.node:
        if is_large_product(node, weights.given):
            nodes += _multiply(node, weights)
            count += 1
        elif node.op_type == "Gather" and is_large_matrix(node.input[0], weights.given):
            nodes += _look_up(node, weights)
        else:
            nodes.append(node)
    replace_nodes(graph, nodes)
    # Before there are new ones, as what is kept is copied.
    drop_unused_weights(graph)
    graph.initializer.extend(weights.made.values())
    return count


def _multiply(node: onnx.NodeProto, weights: _Weights) -> Iterator[onnx.NodeProto]:
    """The same product in float16; a bias is added in float32."""
    given, output, bias = node.input[0], node.output[0], list(node.input[2:])
    product = f"{output}.product" if bias else output
    yield helper.make_node("Cast", [given], [f"{output}{_GIVEN}"], to=TensorProto.FLOAT16)
    inner = onnx.NodeProto()
    inner.CopyFrom(node)
    del inner.input[:], inner.output[:]
    inner.input.extend([f"{output}{_GIVEN}", weights.round(node.input[1])])
    inner.output.append(f"{output}{_FOUND}")
    yield inner
    yield helper.make_node("Cast", [f"{output}{_FOUND}"], [product], to=TensorProto.FLOAT)
    if bias:
        yield helper.make_node("Add", [product, *bias], [output])


def _look_up(node: onnx.NodeProto, weights: _Weights) -> Iterator[onnx.NodeProto]:
    """The same rows of a table in float16, as float32."""
    output = node.output[0]
    inner = onnx.NodeProto()
    inner.CopyFrom(node)
    inner.input[0], inner.output[0] = weights.round(node.input[0]), f"{output}{_FOUND}"
    yield inner
    yield helper.make_node("Cast", [f"{output}{_FOUND}"], [output], to=TensorProto.FLOAT)
