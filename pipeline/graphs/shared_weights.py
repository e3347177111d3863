"""A file for the tensors that several graphs of a model have in common."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence

import onnx

_SMALLEST = 1024
"""Least number of bytes of a tensor that is moved to the file."""
_PAGE = 4096
"""Tensors begin at multiples of it, so that a runtime can map them into memory."""


def share_weights(graphs: Sequence[onnx.ModelProto], location: str) -> bytes:
    """Move every tensor that two graphs have to a file; return its content.

    The graphs are edited in place and name the file ``location``. Equal graphs give equal bytes. If no tensor is
    shared, the content is empty and the graphs stay as they are.
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
