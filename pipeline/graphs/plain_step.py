"""The step graph without interventions, derived from the one with them.

Most steps of a search override no attention, ablate no head and force no token. The plain step is a copy of the step
graph without the nodes that serve interventions alone, or a
repetition penalty that the model has not. Its self-attention is fused into one kernel, which supports
float32 on CPUs only.
"""

from __future__ import annotations

from copy import deepcopy

import onnx

from exported_models.contract.graphs import DECODER_HEAD_MASK, INTERVENTIONS, SCORES, STEP_NORMALIZER
from pipeline.graphs.fused_attention import fuse_self_attention
from pipeline.graphs.rewriting import Wiring, attributes, drop_unused_weights, keep_outputs

_SHAPING = frozenset({"Cast", "Gather", "Reshape", "Split", "Squeeze", "Transpose", "Unsqueeze"})
"""Operators that change the shape of their first input and none of its values."""


def derive_plain_step(step: onnx.ModelProto, *, penalizes: bool) -> onnx.ModelProto | None:
    """Derive the plain step from a step graph; None if its interventions have a form that is not recognized.

    Args:
        penalizes: whether the model has a repetition penalty, so that its searches read normalizers in every step.
    """
    plain = deepcopy(step)
    graph = plain.graph
    wiring = Wiring(graph)
    _leave_out(graph, wiring)
    _measure_elsewhere(graph)
    _read_directly(graph, wiring)
    unread = SCORES if penalizes else SCORES | {STEP_NORMALIZER.name}
    keep_outputs(graph, [value.name for value in graph.output if value.name not in unread])
    if INTERVENTIONS.intersection(value.name for value in graph.input):
        return None
    # Inputs that the step does not read stay, since all steps are fed alike.
    del graph.input[:]
    graph.input.extend(value for value in step.graph.input if value.name not in INTERVENTIONS)
    fuse_self_attention(plain)
    drop_unused_weights(graph)
    return plain


def _leave_out(graph: onnx.GraphProto, wiring: Wiring) -> None:
    """Bypass every choice between an override and the model's attention, and every product with a mask of heads."""
    instead = {}
    for node in graph.node:
        if node.op_type == "Where" and wiring.origin(node.input[0], _SHAPING) == "override_on":
            instead[node.output[0]] = node.input[2]
        elif node.op_type == "Mul":
            others = [name for name in node.input if wiring.origin(name, _SHAPING) != DECODER_HEAD_MASK.name]
            if len(others) == 1:
                instead[node.output[0]] = others[0]
    for node in graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = _follow(name, instead)


def _follow(name: str, instead: dict[str, str]) -> str:
    while name in instead:
        name = instead[name]
    return name


def _measure_elsewhere(graph: onnx.GraphProto) -> None:
    """Take sizes that are read from a removed input from one that stays."""
    sizes = {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in graph.input
    }
    places = {
        size: (name, axis)
        for name, shape in sizes.items()
        if name not in INTERVENTIONS
        for axis, size in enumerate(shape)
    }
    for node in graph.node:
        wanted = attributes(node)
        if node.op_type == "Shape" and node.input[0] in INTERVENTIONS:
            size = sizes[node.input[0]][_as_int(wanted["start"])]
            if _as_int(wanted["end"]) == _as_int(wanted["start"]) + 1 and size in places:
                _measure(node, *places[size])


def _read_directly(graph: onnx.GraphProto, wiring: Wiring) -> None:
    """Read ``beam_index`` and ``top_count`` directly, where the exporter takes them apart and joins them again."""
    for node in graph.node:
        if node.op_type in ("Gather", "TopK"):
            asked = wiring.origin(node.input[1], _SHAPING)
            node.input[1] = asked if asked in ("beam_index", "top_count") else node.input[1]


def _measure(node: onnx.NodeProto, name: str, axis: int) -> None:
    node.input[0] = name
    for attribute in node.attribute:
        attribute.i = axis if attribute.name == "start" else axis + 1


def _as_int(value: object) -> int:
    assert isinstance(value, int)
    return value
