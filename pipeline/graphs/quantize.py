"""The graphs of an exported model with their large matrix products in 8-bit integers.

A product with weights becomes one ``DynamicQuantizeMatMul`` of ONNX Runtime. Its weights are int8, symmetric, with a
scale for every output. Its input is quantized to 8 bits at run time, with one scale and zero point for all rows, so the
result of a row depends slightly on the other rows. Embeddings, attention between states, norms, recurrent layers and
small products stay in float32. `onnxruntime.quantization` computes the same, but supports neither weights in a file
shared by several graphs nor a projection that is also the table of embeddings.

Steps of short sources are not folded (`pipeline.graphs.folded_step`). Folded products would stay in float32, and a
what-if with an override, which runs on unfolded steps, would differ from the search it is compared with by more than
its own effect.

Quantized graphs run on CPUs, so the self-attention of their steps is fused as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from exported_models.contract.graphs import Graph
from exported_models.contract.publishing import write_bytes_atomically
from pipeline.errors import ExportError
from pipeline.graphs.beam_search import derive_searches
from pipeline.graphs.fused_attention import fuse_self_attention
from pipeline.graphs.rewriting import RUNTIME_DOMAIN, attributes, drop_unused_weights, use_runtime_operators
from pipeline.graphs.weights_file import read_tensor, write_weights
from pipeline.graphs.weights_first import put_weights_last

METHOD = "large products in int8, a scale for each output, inputs quantized as they come; the rest in float32"
LARGE = 1 << 15
"""Least number of weights of a product that is quantized; smaller ones do not get faster."""
_LARGEST = 127
AT_ONCE = 1 << 24
"""Most weights that are rounded at once."""
_PLAIN = {"alpha": 1.0, "beta": 1.0, "transA": 0}
"""Attributes of a Gemm that computes a product and a bias alone."""


def quantize_graphs(source: Path, destination: Path, weights_file: str) -> int:
    """Write quantized graphs of the exported model ``source`` into ``destination``; return the number of products.

    Their tensors are written to ``weights_file``, beside the graphs. Equal graphs give equal bytes.

    Raises:
        ExportError: no product is large enough.
        PublishingError: the folder cannot be written.
    """
    searches = (source / Graph.BEAM_SEARCH.filename).is_file()
    graphs = [graph for graph in Graph if graph not in (Graph.BEAM_SEARCH, Graph.FOLDED_BEAM_SEARCH)]
    protos: dict[Graph, onnx.ModelProto] = {
        graph: onnx.load(source / graph.filename, load_external_data=False)
        for graph in graphs
        if (source / graph.filename).is_file()
    }
    products = 0
    with write_weights(destination / weights_file) as weights:
        for proto in protos.values():
            put_weights_last(proto)
            products += _quantize(proto, source)
            weights.take(proto.graph, source)
        if not products:
            raise ExportError(f"No product in {source.name} has {LARGE:,} weights or more; nothing can be quantized.")
    fuse_self_attention(protos[Graph.DECODER_STEP])
    if searches:
        protos |= derive_searches(protos[Graph.PLAIN_STEP])
    for graph, proto in protos.items():
        write_bytes_atomically(destination / graph.filename, bytes(proto.SerializeToString(deterministic=True)))
    return products


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


def _quantize(proto: onnx.ModelProto, folder: Path) -> int:
    """Replace the large products of a graph from ``folder``, in place; return their number."""
    graph = proto.graph
    weights = _Weights({tensor.name: tensor for tensor in graph.initializer}, folder)
    replaced = {place: node for place, node in enumerate(graph.node) if _is_large_product(node, weights.given)}
    for place, node in replaced.items():
        graph.node[place].CopyFrom(_in_integers(node, weights))
    # Before there are new ones, as what is kept is copied.
    drop_unused_weights(graph)
    graph.initializer.extend(tensor for pair in weights.made.values() for tensor in pair)
    if replaced:
        use_runtime_operators(proto)
    return len(replaced)


def _is_large_product(node: onnx.NodeProto, given: Mapping[str, onnx.TensorProto]) -> bool:
    if node.op_type not in ("Gemm", "MatMul") or node.input[1] not in given:
        return False
    weights = given[node.input[1]]
    plain = all(attributes(node).get(name, value) == value for name, value in _PLAIN.items())
    is_matrix = len(weights.dims) == 2 and weights.data_type == onnx.TensorProto.FLOAT
    return plain and is_matrix and weights.dims[0] * weights.dims[1] >= LARGE


def _in_integers(node: onnx.NodeProto, weights: _Weights) -> onnx.NodeProto:
    """The same product in integers; a bias is added in floats."""
    transposed = bool(attributes(node).get("transB", 0))
    values, scales = weights.quantize(node.input[1], transposed=transposed)
    bias = node.input[2] if len(node.input) > 2 else ""
    inputs = [node.input[0], values, scales, "", bias]
    return helper.make_node("DynamicQuantizeMatMul", inputs, list(node.output), name=node.name, domain=RUNTIME_DOMAIN)


def _round(weights: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Round weights [inputs, outputs] to int8 with a scale for every output; zeros get an arbitrary scale.

    Some outputs are rounded at a time: the last product of a large vocabulary is half a model.
    """
    values, scales = np.empty(weights.shape, np.int8), np.empty(weights.shape[1], np.float32)
    step = max(1, AT_ONCE // len(weights))
    for start in range(0, len(scales), step):
        part = slice(start, start + step)
        largest = np.abs(weights[:, part]).max(axis=0)
        scales[part] = np.where(largest > 0, largest, 1.0).astype(np.float32) / np.float32(_LARGEST)
        values[:, part] = np.rint(weights[:, part] / scales[part])
    return values, scales
