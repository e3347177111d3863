"""Graphs of states on demand, cut out of the graphs that compute them on their way.

A runtime computes all outputs of a graph, also those that a call does not ask for. The graphs of a search therefore
output the states of recorded spaces only, and a copy of each outputs the states of the others.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from copy import deepcopy

import onnx

from exported_models.contract.graphs import NEXT_PREFIX, Graph
from exported_models.contract.manifest import SpaceSpec
from pipeline.graphs.rewriting import keep_outputs, replace_nodes, replace_values

_GRAPHS = {
    Graph.ENCODER: Graph.ENCODER_STATES,
    Graph.DECODER_STEP: Graph.STEP_STATES,
    Graph.TEACHER_FORCED: Graph.FORCED_STATES,
}


def divide_states(protos: Mapping[Graph, onnx.ModelProto], spaces: Sequence[SpaceSpec]) -> dict[Graph, onnx.ModelProto]:
    """Cut states on demand out of exported graphs, each into a graph of its own beside the rest.

    Args:
        protos: graphs with the states of every space but tables; they are cut in place.
    """
    on_demand = {space.output for space in spaces if space.kind == "on_demand"}
    divided = dict(protos)
    for graph, proto in protos.items():
        names = [value.name for value in proto.graph.output]
        if on_demand.intersection(names):
            divided[_GRAPHS[graph]] = _cut_out(proto, {name for name in names if _stays(name, on_demand)})
            _leave_out(proto, on_demand)
    return divided


def _stays(name: str, on_demand: Collection[str]) -> bool:
    """Whether a graph of states has the output: states, and in a step the memory that the next step reads."""
    return name in on_demand or name.startswith(NEXT_PREFIX)


def _cut_out(proto: onnx.ModelProto, names: Collection[str]) -> onnx.ModelProto:
    cut = deepcopy(proto)
    keep_outputs(cut.graph, names)
    return cut


def _leave_out(proto: onnx.ModelProto, names: Collection[str]) -> None:
    """Cut outputs off a graph; its inputs stay, as every graph of a kind is fed alike."""
    graph = proto.graph
    inputs = deepcopy(list(graph.input))
    keep_outputs(graph, [value.name for value in graph.output if value.name not in names])
    _drop_copies(graph, names)
    replace_values(graph, inputs, list(graph.output))


def _drop_copies(graph: onnx.GraphProto, names: Collection[str]) -> None:
    """Compute the outputs that are copies of these values directly."""
    copies = [node for node in graph.node if node.op_type == "Identity" and node.input[0] in names]
    instead = {node.input[0]: node.output[0] for node in copies}
    replace_nodes(graph, [node for node in graph.node if node not in copies])
    for node in graph.node:
        for values in (node.input, node.output):
            for place, name in enumerate(values):
                values[place] = instead.get(name, name)
