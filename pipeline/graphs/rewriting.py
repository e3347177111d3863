"""Reading and editing the nodes, values and weights of ONNX graphs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from exported_models.contract.graphs import TensorSpec

RUNTIME_DOMAIN = "com.microsoft"
"""Domain of the operators that ONNX Runtime adds to ONNX."""


class OtherFormError(Exception):
    """A graph is not wired as a rewriting expects."""


class Wiring:
    """The node that makes each value of a graph, and the nodes that read it."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._makers: dict[str, onnx.NodeProto] = {name: node for node in graph.node for name in node.output}
        self._readers: dict[str, list[onnx.NodeProto]] = {}
        for node in graph.node:
            for name in node.input:
                self._readers.setdefault(name, []).append(node)

    def made(self, name: str, *kinds: str) -> onnx.NodeProto:
        """The node that makes a value; raises OtherFormError if it is of none of these kinds."""
        node = self._makers.get(name)
        if node is None or node.op_type not in kinds:
            raise OtherFormError
        return node

    def origin(self, name: str, kinds: Collection[str]) -> str:
        """The value at the start of a chain of nodes of these kinds, found by following first inputs from ``name``."""
        while name in self._makers and self._makers[name].op_type in kinds:
            name = self._makers[name].input[0]
        return name

    def read(self, name: str, *kinds: str) -> onnx.NodeProto:
        """The only node of these kinds that reads a value; raises OtherFormError if there is none or more."""
        nodes = [node for node in self._readers.get(name, []) if node.op_type in kinds]
        if len(nodes) != 1:
            raise OtherFormError
        return nodes[0]

    def read_once(self, name: str, *kinds: str) -> onnx.NodeProto:
        """The only node that reads a value; raises OtherFormError if others do or it is of none of these kinds."""
        if len(self._readers.get(name, [])) != 1:
            raise OtherFormError
        return self.read(name, *kinds)


@dataclass(slots=True)
class Trail:
    """Nodes followed from a value, each the only reader of the one before."""

    wiring: Wiring
    at: str
    passed: list[onnx.NodeProto] = field(default_factory=list)

    def go(self, *kinds: str) -> onnx.NodeProto:
        """Follow to the reader; raises OtherFormError if it is of none of these kinds."""
        node = self.wiring.read_once(self.at, *kinds)
        self.passed.append(node)
        self.at = node.output[0]
        return node

    def may_go(self, *kinds: str) -> onnx.NodeProto | None:
        """Follow to the reader if it is of one of these kinds."""
        try:
            return self.go(*kinds)
        except OtherFormError:
            return None


def read_constant(name: str, constants: Mapping[str, onnx.TensorProto]) -> NDArray[Any]:
    """The value of a constant; raises OtherFormError if the value is none."""
    if name not in constants:
        raise OtherFormError
    return numpy_helper.to_array(constants[name])


def use_runtime_operators(proto: onnx.ModelProto) -> None:
    """Declare that a graph has operators of `RUNTIME_DOMAIN`."""
    if all(entry.domain != RUNTIME_DOMAIN for entry in proto.opset_import):
        proto.opset_import.append(helper.make_opsetid(RUNTIME_DOMAIN, 1))


def attributes(node: onnx.NodeProto) -> dict[str, object]:
    """A node's attributes by name."""
    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}


def replace_nodes(graph: onnx.GraphProto, nodes: Sequence[onnx.NodeProto]) -> None:
    """Make these the graph's nodes; some may be its own."""
    _replace(graph.node, nodes)


def replace_values(
    graph: onnx.GraphProto, inputs: Sequence[onnx.ValueInfoProto], outputs: Sequence[onnx.ValueInfoProto]
) -> None:
    """Make these the graph's inputs and outputs; some may be its own."""
    _replace(graph.input, inputs)
    _replace(graph.output, outputs)


def describe(spec: TensorSpec) -> onnx.ValueInfoProto:
    """An input or output of the contract as one of a graph."""
    return helper.make_tensor_value_info(spec.name, helper.np_dtype_to_tensor_dtype(np.dtype(spec.dtype)), spec.shape)


def keep_outputs(graph: onnx.GraphProto, names: Collection[str]) -> None:
    """Cut a graph down, in place, to the outputs of these names and the nodes, weights and inputs they depend on."""
    needed, nodes = set(names), list[onnx.NodeProto]()
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            nodes.append(node)
    _replace(graph.node, nodes[::-1])
    _replace(graph.initializer, [tensor for tensor in graph.initializer if tensor.name in needed])
    _replace(graph.input, [entry for entry in graph.input if entry.name in needed])
    _replace(graph.output, [entry for entry in graph.output if entry.name in names])


def drop_unused_weights(graph: onnx.GraphProto) -> None:
    """Drop every constant that no node reads."""
    used = set(_list_read(graph))
    _replace(graph.initializer, [tensor for tensor in graph.initializer if tensor.name in used])


def _list_read(graph: onnx.GraphProto) -> Iterator[str]:
    """Names of the values that nodes read, those inside loops included."""
    for node in graph.node:
        yield from node.input
        for attribute in node.attribute:
            yield from _list_read(attribute.g)


def _replace(entries: Any, kept: Sequence[Any]) -> None:
    # Deleting an entry of a protobuf list empties the entry, even if a variable still refers to it.
    copies = [deepcopy(entry) for entry in kept]
    del entries[:]
    entries.extend(copies)
