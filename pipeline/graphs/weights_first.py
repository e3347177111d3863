"""Products of large models written with the weights as the left factor, which a runtime reads where they lie.

A projection ``y = x W' + b`` of rows has its weights on the right. ONNX Runtime copies the right factor of a product
into an order of its own when it opens a session, so every graph of a model would hold most of the weights again. It
reads the left factor as it is. Here the product is therefore transposed, ``y' = W x' + b'``: the weights stay in the
file, which is mapped into memory once for all graphs and processes.

For few rows the order of weights matters little where weights come from memory: a whole search with 5 rows takes about
4 % longer, at 740 MB of weights and at 1.2 GB. Where they come from the processor's caches, products with copies are
faster (by a tenth or two at 170 MB), so models below `LARGE_MODEL` keep the copies.
"""

from __future__ import annotations

from collections.abc import Iterator

import onnx
from onnx import helper

from pipeline.graphs.rewriting import attributes, drop_unused_weights, replace_nodes

LARGE_MODEL = 256 << 20
"""Least bytes of all weights of a model whose products are written with the weights first."""
_LARGE_PRODUCT = 1 << 15
"""Least number of weights of such a product; copies of smaller ones cost little."""
_PROJECTION = {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 1}
"""Attributes of a Gemm that computes a projection; those that a node leaves out have their defaults."""
_SWAP = (1, 0)
_COLUMN, _COLUMNS, _GIVEN = ".column", ".columns", ".given"
"""Endings of names: a bias [outputs, 1], a product [outputs, rows], and its right factor [inputs, rows]."""


class _Tensors:
    """The constants of a graph, and those that `put_weights_first` adds."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._given = {tensor.name: tensor for tensor in graph.initializer}
        self.columns: dict[str, onnx.TensorProto] = {}

    def is_large(self, name: str) -> bool:
        """Whether the value is a large matrix of weights in float32."""
        if name not in self._given or self._given[name].data_type != onnx.TensorProto.FLOAT:
            return False
        sizes = self._given[name].dims
        return len(sizes) == 2 and sizes[0] * sizes[1] >= _LARGE_PRODUCT

    def is_bias(self, name: str) -> bool:
        return name in self._given and len(self._given[name].dims) == 1

    def stand(self, bias: str) -> str:
        """The name of the bias as a column [outputs, 1]; its values stay where they are."""
        if bias not in self.columns:
            column = onnx.TensorProto()
            column.CopyFrom(self._given[bias])
            column.name = f"{bias}{_COLUMN}"
            column.dims.append(1)
            self.columns[bias] = column
        return self.columns[bias].name


def put_weights_first(model: onnx.ModelProto) -> int:
    """Transpose the large projections of a graph, in place, those inside loops included; return their number."""
    tensors = _Tensors(model.graph)
    count = _transpose_all(model.graph, tensors)
    model.graph.initializer.extend(tensors.columns.values())
    drop_unused_weights(model.graph)
    return count


def put_weights_last(model: onnx.ModelProto) -> None:
    """Undo `put_weights_first`, in place, outside of loops."""
    graph = model.graph
    made = {name: node for node in graph.node for name in node.output}
    kept = (node for node in graph.node if not node.output[0].endswith((_COLUMNS, _GIVEN)))
    replace_nodes(graph, [_restore(node, made) if _ends_product(node) else node for node in kept])
    rows = [_lie(tensor) for tensor in graph.initializer if tensor.name.endswith(_COLUMN)]
    there = {tensor.name for tensor in graph.initializer}
    graph.initializer.extend(tensor for tensor in rows if tensor.name not in there)
    drop_unused_weights(graph)


def _transpose_all(graph: onnx.GraphProto, tensors: _Tensors) -> int:
    nodes, count = list[onnx.NodeProto](), 0
    for node in graph.node:
        count += sum(_transpose_all(attribute.g, tensors) for attribute in node.attribute if attribute.HasField("g"))
        large = _is_projection(node, tensors)
        nodes += _transpose(node, tensors) if large else [node]
        count += large
    replace_nodes(graph, nodes)
    return count


def _is_projection(node: onnx.NodeProto, tensors: _Tensors) -> bool:
    if node.op_type != "Gemm" or {**_PROJECTION, "transB": 0, **attributes(node)} != _PROJECTION:
        return False
    return tensors.is_large(node.input[1]) and all(map(tensors.is_bias, node.input[2:]))


def _transpose(node: onnx.NodeProto, tensors: _Tensors) -> Iterator[onnx.NodeProto]:
    """Nodes of a projection with the weights first.

    Without a bias it is no Gemm: ONNX Runtime would fuse a Gemm and the transposition of its result into the
    projection that is replaced here.
    """
    (given, weights, *bias), output = node.input, node.output[0]
    product = f"{output}{_COLUMNS}"
    if bias:
        yield helper.make_node(
            "Gemm", [weights, given, tensors.stand(bias[0])], [product], name=node.name, alpha=1.0, beta=1.0, transB=1
        )
    else:
        turned = f"{output}{_GIVEN}"
        yield helper.make_node("Transpose", [given], [turned], perm=_SWAP)
        yield helper.make_node("MatMul", [weights, turned], [product], name=node.name)
    yield helper.make_node("Transpose", [product], [output], perm=_SWAP)


def _ends_product(node: onnx.NodeProto) -> bool:
    return node.op_type == "Transpose" and node.input[0].endswith(_COLUMNS)


def _restore(end: onnx.NodeProto, made: dict[str, onnx.NodeProto]) -> onnx.NodeProto:
    """The projection whose transposed result ``end`` turns."""
    product = made[end.input[0]]
    weights, given, *bias = product.input
    given = made[given].input[0] if product.op_type == "MatMul" else given
    bias = [name.removesuffix(_COLUMN) for name in bias]
    inputs = [given, weights, *bias]
    return helper.make_node(
        "Gemm", inputs, list(end.output), name=product.name, alpha=1.0, beta=1.0, transA=0, transB=1
    )


def _lie(column: onnx.TensorProto) -> onnx.TensorProto:
    """A bias [outputs] of the same values."""
    row = onnx.TensorProto()
    row.CopyFrom(column)
    row.name = column.name.removesuffix(_COLUMN)
    del row.dims[-1]
    return row
