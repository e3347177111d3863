"""The file that holds the tensors of a model's graphs, each once.

A graph refers to its tensors by their places in the file (ONNX external data). No graph in memory holds weights, so
graphs may be copied and rewritten freely, and a model may be larger than the 2 GB that one serialized graph can have.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import onnx
import onnx_ir as ir
import torch
from numpy.typing import NDArray

from exported_models.contract.publishing import open_atomically
from pipeline.errors import ExportError

_SMALLEST = 1024
"""Least number of bytes of a tensor that is moved to the file."""
_PAGE = 4096
"""Tensors begin at multiples of it, so that a runtime can map them into memory."""


class WeightsFile:
    """A file of tensors that is being written."""

    def __init__(self, location: str, stream: IO[bytes]) -> None:
        self._location, self._stream = location, stream
        self._places: dict[bytes, int] = {}
        # Every graph of a model has the same tensors in memory, and reading one again takes as long as writing it.
        # They are kept, as another tensor could get the address of one that is gone.
        self._seen: dict[tuple[int, int], tuple[torch.Tensor, int]] = {}

    @property
    def is_empty(self) -> bool:
        """Whether no tensor was large enough for the file."""
        return not self._places

    def take_from_model(self, model: ir.Model) -> None:
        """Move the large initializers of an exporter's model to the file.

        Raises:
            ExportError: a tensor cannot be read.
        """
        for value in model.graph.initializers.values():
            if value.const_value is not None and value.const_value.nbytes >= _SMALLEST:
                value.const_value = self._move(value.const_value)

    def take(self, graph: onnx.GraphProto, folder: Path) -> None:
        """Move the large initializers of a graph to the file, also those that lie in a file of ``folder``.

        Raises:
            ExportError: a tensor cannot be read.
        """
        for given in graph.initializer:
            tensor = ir.serde.deserialize_tensor(given, folder)
            if tensor.nbytes >= _SMALLEST:
                given.CopyFrom(ir.serde.serialize_tensor(self._move(tensor)))

    def _move(self, tensor: ir.TensorProtocol) -> ir.ExternalTensor:
        """The same tensor, which lies in this file."""
        place, shape = self._find(tensor), ir.Shape(tensor.shape.numpy())
        return ir.ExternalTensor(
            self._location, place, tensor.nbytes, tensor.dtype, shape=shape, name=tensor.name or ""
        )

    def _find(self, tensor: ir.TensorProtocol) -> int:
        """The offset of a tensor in the file; one that lies in memory as a whole is read once."""
        raw = getattr(tensor, "raw", None)
        if not isinstance(raw, torch.Tensor) or not raw.is_contiguous():
            return self._place(np.ascontiguousarray(_read(tensor)))
        address = (raw.data_ptr(), raw.nbytes)
        if address not in self._seen:
            self._seen[address] = (raw, self._place(_read(tensor)))
        return self._seen[address][1]

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
    with open_atomically(path) as stream:
        weights = WeightsFile(path.name, stream)
        yield weights
    if weights.is_empty:
        path.unlink()


def read_tensor(tensor: onnx.TensorProto, folder: Path) -> NDArray[np.generic]:
    """The values of a tensor; those in a file of ``folder`` are mapped into memory, and no copy is made.

    Raises:
        ExportError: the file is not there, or ends before the tensor does.
    """
    return _read(ir.serde.deserialize_tensor(tensor, folder))


def _read(tensor: ir.TensorProtocol) -> NDArray[np.generic]:
    try:
        values: NDArray[np.generic] = tensor.numpy()
    except (OSError, RuntimeError, TypeError, ValueError) as error:
        raise ExportError(f"The weights {tensor.name} cannot be read ({error}); export the model again.") from error
    return values
