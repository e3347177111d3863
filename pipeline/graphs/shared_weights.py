"""One file for the weights that several graphs of a model have in common."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence

import onnx

_SMALLEST = 1024
"""Bytes of a tensor that is worth a reference."""
_PAGE = 4096
"""Tensors begin where a runtime can map them into memory."""


def share_weights(graphs: Sequence[onnx.ModelProto], location: str) -> bytes:
    """Take every tensor that two graphs have out of them; return the content of the file ``location`` they then name.

    Equal graphs give equal bytes. Nothing in common gives no bytes, and the graphs stay as they are.
    """
    large = [tensor for graph in graphs for tensor in graph.graph.initializer if len(tensor.raw_data) >= _SMALLEST]
    counts = Counter(map(_identity, large))
    content, offsets = bytearray(), dict[str, int]()
    for tensor in large:
        identity = _identity(tensor)
        if counts[identity] < 2:
            continue
        if identity not in offsets:
            content.extend(bytes(-len(content) % _PAGE))
            offsets[identity] = len(content)
            content.extend(tensor.raw_data)
        _refer(tensor, location, offsets[identity])
    return bytes(content)


def _identity(tensor: onnx.TensorProto) -> str:
    return hashlib.sha256(tensor.raw_data).hexdigest()


def _refer(tensor: onnx.TensorProto, location: str, offset: int) -> None:
    for key, value in (("location", location), ("offset", str(offset)), ("length", str(len(tensor.raw_data)))):
        tensor.external_data.add(key=key, value=value)
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.ClearField("raw_data")
