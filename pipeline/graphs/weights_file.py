"""The file that holds the tensors of a model's graphs, each once.

A graph refers to its tensors by their places in the file (ONNX external data). No graph in memory holds weights, so
graphs may be copied and rewritten freely, and a model may be larger than the 2 GB that one serialized graph can have.
"""

from __future__ import annotations

import hashlib
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray
from onnx import numpy_helper

from exported_models.contract.publishing import explain_disk_errors

_SMALLEST = 1024
"""Least number of bytes of a tensor that is moved to the file."""
_PAGE = 4096
"""Tensors begin at multiples of it, so that a runtime can map them into memory."""


class WeightsFile:
    """A file of tensors that is being written."""

    def __init__(self, location: str, stream: IO[bytes]) -> None:
        self._location, self._stream = location, stream
        self._places: dict[bytes, int] = {}

    @property
    def is_empty(self) -> bool:
        """Whether no tensor was large enough for the file."""
        return not self._places

    def take_from_model(self, model: ir.Model) -> None:
        """Move the large initializers of an exporter's model to the file."""
        for value in model.graph.initializers.values():
            tensor = value.const_value
            if tensor is not None and tensor.nbytes >= _SMALLEST:
                values = np.ascontiguousarray(tensor.numpy())
                place = self._place(values)
                value.const_value = ir.ExternalTensor(
                    self._location,
                    place,
                    tensor.nbytes,
                    tensor.dtype,
                    shape=ir.Shape(values.shape),
                    name=value.name or "",
                )

    def take(self, graph: onnx.GraphProto, folder: Path) -> None:
        """Move the large initializers of a graph to the file, also those that lie in a file of ``folder``."""
        for tensor in graph.initializer:
            if is_external(tensor) or len(tensor.raw_data) >= _SMALLEST:
                values = read_tensor(tensor, folder)
                _refer(tensor, self._location, self._place(np.ascontiguousarray(values)), values.nbytes)

    def _place(self, values: NDArray[np.generic]) -> int:
        """The offset of these values in the file, where they are written if they are not there yet."""
        content: NDArray[np.uint8] = values.reshape(-1).view(np.uint8)
        identity = hashlib.sha256(content.data).digest()
        if identity not in self._places:
            self._stream.write(bytes(-self._stream.tell() % _PAGE))
            self._places[identity] = self._stream.tell()
            self._stream.write(content.data)
        return self._places[identity]


@contextmanager
def write_weights(path: Path) -> Iterator[WeightsFile]:
    """Write a file of tensors, which is there once the context ends without an error; without tensors there is none.

    Equal tensors in equal order give equal bytes.

    Raises:
        PublishingError: the file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with explain_disk_errors(path), temporary.open("wb") as stream:
            weights = WeightsFile(path.name, stream)
            yield weights
            stream.flush()
            os.fsync(stream.fileno())
        if not weights.is_empty:
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def is_external(tensor: onnx.TensorProto) -> bool:
    """Whether the values of a tensor lie in a file beside the graph."""
    return bool(tensor.data_location == onnx.TensorProto.EXTERNAL)


def read_tensor(tensor: onnx.TensorProto, folder: Path) -> NDArray[np.generic]:
    """The values of a tensor; those in a file of ``folder`` are mapped into memory, and no copy is made."""
    if not is_external(tensor):
        values: NDArray[np.generic] = numpy_helper.to_array(tensor)
        return values
    named = {entry.key: entry.value for entry in tensor.external_data}
    dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
    with (folder / named["location"]).open("rb") as stream:
        content = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    count = int(named["length"]) // dtype.itemsize
    mapped: NDArray[np.generic] = np.frombuffer(content, dtype, count, int(named["offset"])).reshape(tensor.dims)
    return mapped


def _refer(tensor: onnx.TensorProto, location: str, offset: int, length: int) -> None:
    del tensor.external_data[:]
    for key, value in (("location", location), ("offset", str(offset)), ("length", str(length))):
        tensor.external_data.add(key=key, value=value)
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.ClearField("raw_data")
