"""Large matrix products with weights, which twins compute in fewer bits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import onnx

from pipeline.graphs.rewriting import attributes

LARGE: Final = 1 << 15
"""Least number of weights of a product that is computed in fewer bits; smaller ones do not get faster."""
AT_ONCE: Final = 1 << 24
"""Most weights that are rounded at once: the last product of a large vocabulary is half a model."""
_PLAIN: Final = {"alpha": 1.0, "beta": 1.0, "transA": 0}
"""Attributes of a Gemm that computes a product and a bias alone."""


def is_large_product(node: onnx.NodeProto, given: Mapping[str, onnx.TensorProto]) -> bool:
    """Whether a node multiplies its input with a large matrix of weights in float32, and adds a bias at most."""
    if node.op_type not in ("Gemm", "MatMul"):
        return False
    plain = all(attributes(node).get(name, value) == value for name, value in _PLAIN.items())
    return plain and is_large_matrix(node.input[1], given)


def is_large_matrix(name: str, given: Mapping[str, onnx.TensorProto]) -> bool:
    """Whether the value is a large matrix of weights in float32."""
    if name not in given or given[name].data_type != onnx.TensorProto.FLOAT:
        return False
    sizes = given[name].dims
    return len(sizes) == 2 and sizes[0] * sizes[1] >= LARGE
