"""Decoder steps for one short source, with the projections of cross-attention folded into its keys and values.

A query is ``W_q x + b_q``, so its score with the key ``k`` of a source token is ``(k W_q) x + k b_q``. The value ``v``
of that token adds ``W_o v``, times the attention, to the output. Neither ``k W_q`` nor ``W_o v`` changes from step to
step. A loop over such steps computes both once (`pipeline.graphs.beam_search`), and each step needs two matrix products
in place of four, without transposing between them.

A folded key has the size of a state, an unfolded one the size of a head. Folding therefore saves work as long as the
source has no more tokens than a head has dimensions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from exported_models.contract.graphs import SOURCE_KEY_PREFIX, SOURCE_VALUE_PREFIX
from pipeline.graphs.rewriting import (
    OtherFormError,
    Trail,
    Wiring,
    attributes,
    keep_outputs,
    replace_nodes,
    replace_values,
)

_ATTENTION = "cross_attention"
_FOLDED = "folded."
"""Prefix of the names of folded values."""
_BY_HEAD, _FLAT, _BY_LAYER = (f"{_FOLDED}{shape}" for shape in ("by_head", "flat", "by_layer"))
"""Shapes of attention: [R, A, S], [R, A x S] and [R, L, A, S]."""
_PROJECTION = {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 1}


@dataclass(frozen=True, slots=True)
class _Layer:
    """The cross-attention of one decoder layer: A heads of E dimensions, B heads of keys and values, states of D.

    Attributes:
        size: D.
        query, output: the projections, weights [A x E, D] and [D, A x E].
        padding: name of the bias that is added to scores, [N, 1, 1, S].
        capping: the nodes that cap scores, before the bias is added; empty for none.
    """

    index: str
    heads: int
    key_heads: int
    head_size: int
    size: int
    query: onnx.NodeProto
    output: onnx.NodeProto
    padding: str
    capping: Sequence[onnx.NodeProto]

    def named(self, what: str) -> str:
        return f"{_FOLDED}{what}.{self.index}"


def derive_folded_step(plain: onnx.ModelProto) -> onnx.ModelProto | None:
    """Derive the folded step of one sentence from a plain step; None if its cross-attention has another form."""
    step = deepcopy(plain)
    graph = step.graph
    try:
        layers = list(_find_layers(graph))
    except OtherFormError:
        return None
    if not layers:
        return None
    attending = {layer.output.output[0]: [*_fold(layer), *_attend(layer)] for layer in layers}
    nodes = []
    for node in graph.node:
        if _ATTENTION not in node.output:
            nodes += attending.get(node.output[0], [node])
    replace_nodes(graph, [*nodes, *_stack_attention(layers)])
    heads = layers[0].heads
    graph.initializer.extend([_shape(_BY_HEAD, 0, heads, -1), _shape(_FLAT, 0, -1)])
    graph.initializer.append(_shape(_BY_LAYER, 0, len(layers), heads, -1))
    graph.initializer.extend(shape for layer in layers for shape in _list_shapes(layer))
    # Inputs that the step does not read stay, since all steps are fed alike.
    keep_outputs(graph, [value.name for value in graph.output])
    replace_values(graph, plain.graph.input, plain.graph.output)
    return step


def _find_layers(graph: onnx.GraphProto) -> Iterator[_Layer]:
    wiring = Wiring(graph)
    for value in graph.input:
        if value.name.startswith(SOURCE_KEY_PREFIX):
            key_heads, head_size = (value.type.tensor_type.shape.dim[axis].dim_value for axis in (1, 2))
            score = wiring.read(value.name, "MatMul")
            asked = wiring.made(wiring.origin(score.input[0], {"Reshape"}), "Transpose")
            query = wiring.made(wiring.made(asked.input[0], "Reshape").input[0], "Gemm")
            trail = Trail(wiring, score.output[0])
            trail.may_go("Reshape")
            scale = trail.may_go("Div")
            capping = [scale, trail.go("Tanh"), trail.go("Mul")] if scale else []
            scored, padded = trail.at, trail.go("Add")
            mix = _find_mix(trail.go("Softmax").output[0], wiring)
            output = _find_output(mix, wiring)
            padding = next(name for name in padded.input if name != scored)
            if any(attributes(node) | _PROJECTION != attributes(node) for node in (query, output)):
                raise OtherFormError
            width, size = next(tensor.dims for tensor in graph.initializer if tensor.name == query.input[1])
            index, heads = value.name.removeprefix(SOURCE_KEY_PREFIX), width // head_size
            yield _Layer(index, heads, key_heads, head_size, size, query, output, padding, capping)


def _find_mix(attention: str, wiring: Wiring) -> onnx.NodeProto:
    """The product of attention with values, before which heads that share them are grouped."""
    try:
        return wiring.read(attention, "MatMul")
    except OtherFormError:
        return wiring.read_once(wiring.read(attention, "Reshape").output[0], "MatMul")


def _find_output(mix: onnx.NodeProto, wiring: Wiring) -> onnx.NodeProto:
    """The projection of a product of attention and values."""
    trail = Trail(wiring, mix.output[0])
    trail.may_go("Reshape")
    trail.go("Transpose")
    trail.go("Reshape")
    return trail.go("Gemm")


def _attend(layer: _Layer) -> Iterator[onnx.NodeProto]:
    """Nodes of one layer's cross-attention on folded keys and values."""
    scores, by_head, attention, flat = (layer.named(what) for what in ("scores", "by_head", "attention", "flat"))
    states, bias = layer.query.input[0], layer.output.input[2:]
    yield helper.make_node("Gemm", [states, layer.named("key"), layer.named("bias")], [scores], transB=1)
    for number, node in enumerate(layer.capping):
        capped = layer.named(f"capped.{number}")
        yield helper.make_node(node.op_type, [scores, *node.input[1:]], [capped])
        scores = capped
    yield helper.make_node("Reshape", [scores, _BY_HEAD], [by_head])
    if layer.capping:
        padded = layer.named("padded")
        yield helper.make_node("Add", [by_head, layer.named("padding")], [padded])
        by_head = padded
    yield helper.make_node("Softmax", [by_head], [attention], axis=-1)
    yield helper.make_node("Reshape", [attention, _FLAT], [flat])
    yield helper.make_node("Gemm", [flat, layer.named("value"), *bias], list(layer.output.output))


def _stack_attention(layers: Sequence[_Layer]) -> Iterator[onnx.NodeProto]:
    """Nodes of the output with the attention of all layers."""
    stacked = f"{_FOLDED}attention"
    yield helper.make_node("Concat", [layer.named("attention") for layer in layers], [stacked], axis=1)
    yield helper.make_node("Reshape", [stacked, _BY_LAYER], [_ATTENTION])


def _fold(layer: _Layer) -> Iterator[onnx.NodeProto]:
    """Nodes that fold one layer's keys, their bias and its values, of one sentence."""
    own, source = layer.named, layer.index

    def node(kind: str, inputs: list[str], output: str, **settings: Any) -> onnx.NodeProto:
        return helper.make_node(kind, inputs, [output], **settings)

    # [B, 1, S, E] @ [B, A / B, E, D] -> [B, A / B, S, D] -> [A x S, D]
    yield node("Transpose", [f"{SOURCE_KEY_PREFIX}{source}"], own("key_by_token"), perm=[1, 0, 3, 2])
    yield node("Reshape", [layer.query.input[1], own("query_shape")], own("query"))
    yield node("MatMul", [own("key_by_token"), own("query")], own("keys"))
    yield node("Reshape", [own("keys"), own("by_state")], own("key"))
    # [B, A / B, 1, E] @ [B, 1, E, S] -> [B, A / B, 1, S]
    bias = layer.query.input[2] if len(layer.query.input) > 2 else own("no_bias")
    yield node("Reshape", [bias, own("query_bias_shape")], own("query_bias"))
    yield node("Transpose", [f"{SOURCE_KEY_PREFIX}{source}"], own("key_by_head"), perm=[1, 0, 2, 3])
    yield node("MatMul", [own("query_bias"), own("key_by_head")], own("bias_by_head"))
    yield from _pad(layer)
    # [B, 1, S, E] @ [B, A / B, E, D] -> [B, A / B, S, D] -> [A x S, D]
    yield node("Reshape", [layer.output.input[1], own("output_shape")], own("output"))
    yield node("Transpose", [own("output")], own("output_by_head"), perm=[1, 2, 3, 0])
    yield node("Transpose", [f"{SOURCE_VALUE_PREFIX}{source}"], own("value_by_head"), perm=[1, 0, 2, 3])
    yield node("MatMul", [own("value_by_head"), own("output_by_head")], own("values"))
    yield node("Reshape", [own("values"), own("by_state")], own("value"))


def _pad(layer: _Layer) -> Iterator[onnx.NodeProto]:
    """Nodes that make the bias [A x S] of scores: with padding, or beside padding [S] that capped scores get later."""
    own, bias = layer.named, layer.named("bias_by_head")
    if layer.capping:
        yield helper.make_node("Reshape", [layer.padding, own("bias_shape")], [own("padding")])
    else:
        yield helper.make_node("Add", [bias, layer.padding], [own("padded_bias")])
        bias = own("padded_bias")
    yield helper.make_node("Reshape", [bias, own("bias_shape")], [own("bias")])


def _list_shapes(layer: _Layer) -> Iterator[TensorProto]:
    heads, head_size, size = layer.heads, layer.head_size, layer.size
    grouped = layer.key_heads, heads // layer.key_heads
    yield _shape(layer.named("query_shape"), *grouped, head_size, size)
    yield _shape(layer.named("query_bias_shape"), *grouped, 1, head_size)
    yield _shape(layer.named("bias_shape"), -1)
    yield _shape(layer.named("output_shape"), size, *grouped, head_size)
    yield _shape(layer.named("by_state"), -1, size)
    yield numpy_helper.from_array(np.zeros(heads * head_size, np.float32), layer.named("no_bias"))


def _shape(name: str, *sizes: int) -> TensorProto:
    return numpy_helper.from_array(np.array(sizes, np.int64), name)
