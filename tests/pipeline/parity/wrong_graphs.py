"""Exported graphs with one thing wrong, as a faulty exporter could write them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from exported_models.contract.graphs import Graph
from exported_models.contract.publishing import MANIFEST_NAME

Fault = Callable[[onnx.GraphProto], None]

BUCKETS = 32
"""Ranges of distances of a T5, by default."""
_MASK = 1e8
"""Constants beyond it hide what must not be seen."""


def copy_with_fault(exported: Path, folder: Path, graph: Graph, fault: Fault) -> Path:
    """A copy of an exported model, not sealed, whose graph of that kind has the fault."""
    shutil.copytree(exported, folder)
    (folder / MANIFEST_NAME).unlink(missing_ok=True)
    proto = onnx.load(folder / graph.filename)
    fault(proto.graph)
    (folder / graph.filename).write_bytes(proto.SerializeToString())
    return folder


def scale(name: str, factor: float) -> Fault:
    """All values of one weight, named by the end of its name, times a factor; 0 leaves it out."""

    def fault(graph: onnx.GraphProto) -> None:
        (weight,) = (tensor for tensor in graph.initializer if tensor.name.endswith(name))
        weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) * np.float32(factor), weight.name))

    return fault


def drop_distance_bias(graph: onnx.GraphProto) -> None:
    """Self-attention ignores distances, whose table [buckets, heads] the exporter has folded to a constant."""
    (table,) = (tensor for tensor in graph.initializer if list(tensor.dims)[:1] == [BUCKETS] and len(tensor.dims) == 2)
    table.CopyFrom(numpy_helper.from_array(np.zeros_like(numpy_helper.to_array(table)), table.name))


def drop_mask(graph: onnx.GraphProto) -> None:
    """The first mask hides nothing."""
    mask = next(tensor for tensor in graph.initializer if _is_mask(tensor))
    mask.CopyFrom(numpy_helper.from_array(np.zeros_like(numpy_helper.to_array(mask)), mask.name))


def _is_mask(tensor: onnx.TensorProto) -> bool:
    scalar = not tensor.dims and tensor.data_type == onnx.TensorProto.FLOAT
    return scalar and abs(float(numpy_helper.to_array(tensor))) > _MASK
