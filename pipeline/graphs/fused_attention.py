"""Self-attention of a decoding step as one kernel of ONNX Runtime.

`GroupQueryAttention` appends to the past and attends: with heads that share keys, capped scores and a bias, where a
model has them. It also splits a projection into query, key and value, unless positions turn two of them. An exported
graph has nine small kernels a layer and more for that, and a step on a CPU spends much of its time between kernels. The
kernel supports float32 on CPUs only, so it is used in graphs that run on a CPU anyway.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper, numpy_helper

from exported_models.contract.graphs import NEXT_PREFIX
from pipeline.graphs.rewriting import (
    RUNTIME_DOMAIN,
    OtherFormError,
    Trail,
    Wiring,
    keep_outputs,
    read_constant,
    replace_nodes,
    replace_values,
    use_runtime_operators,
)

_SIZE_UNIT = 8
"""The size of a head must be a multiple of it."""
_LENGTHS = ("attention.past_lengths", "attention.length")
"""Names of the past length of every row and of the length with the new token."""


@dataclass(frozen=True, slots=True)
class _Attention:
    """One layer's attention to its past, A heads of E dimensions (``head_size``) with B heads of keys and values.

    Attributes:
        asked: names of query [R, A, 1, E], key and value [R, B, 1, E]; or the projection [R, 3 x A x E] they are split
            from, if nothing stands between.
        past, following: names of keys and values before the step and after it.
        bias: name of what is added to scores, [1, 1 or A, 1, P + 1]; empty for nothing.
        cap: limit of the scores; 0 for none.
        kept: name of the mask of heads; None unless heads can be ablated.
        join_heads: the node that reads the result.
        replaced: outputs of the nodes that the kernel replaces.
    """

    asked: tuple[str, ...]
    past: tuple[str, str]
    following: tuple[str, str]
    heads: int
    key_heads: int
    head_size: int
    bias: str
    cap: float
    kept: str | None
    join_heads: onnx.NodeProto
    replaced: frozenset[str]


def fuse_self_attention(proto: onnx.ModelProto) -> int:
    """Fuse every layer's attention to its past in a step graph, in place; return the number of fused layers.

    Attention of another form than that of a Transformer is left as it is.
    """
    graph = proto.graph
    found = list(_find_layers(graph))
    if not found:
        return 0
    replaced = frozenset[str]().union(*(attention.replaced for attention in found))
    joined = {attention.join_heads.output[0]: attention for attention in found}
    nodes = list(_count_lengths(graph))
    for node in graph.node:
        if node.output[0] in joined:
            nodes += _attend(joined[node.output[0]], graph)
        elif node.output[0] not in replaced:
            nodes.append(node)
    replace_nodes(graph, nodes)
    _drop_unread(graph)
    use_runtime_operators(proto)
    return len(found)


def _drop_unread(graph: onnx.GraphProto) -> None:
    """Drop nodes that computed the shapes of replaced ones. All inputs stay, since all steps are fed alike."""
    inputs, outputs = deepcopy(list(graph.input)), deepcopy(list(graph.output))
    keep_outputs(graph, [value.name for value in outputs])
    replace_values(graph, inputs, outputs)


def _find_layers(graph: onnx.GraphProto) -> Iterator[_Attention]:
    wiring, constants = Wiring(graph), {tensor.name: tensor for tensor in graph.initializer}
    for value in graph.output:
        if value.name.startswith(f"{NEXT_PREFIX}key."):
            try:
                yield _match(value, wiring, constants)
            except OtherFormError:
                continue


def _match(key: onnx.ValueInfoProto, wiring: Wiring, constants: Mapping[str, onnx.TensorProto]) -> _Attention:
    """Match the attention that makes a key of the next step; raise OtherFormError if it has another form."""
    key_heads, head_size = (key.type.tensor_type.shape.dim[axis].dim_value for axis in (1, 3))
    append_key, append_value = (wiring.made(name, "Concat") for name in (key.name, key.name.replace("key", "value")))
    trail = Trail(wiring, key.name)
    trail.go("Transpose")
    score = trail.go("MatMul")
    trail.may_go("Reshape")
    scale = trail.may_go("Div")
    if scale:
        trail.go("Tanh")
        trail.go("Mul")
    scored = trail.at
    biased = trail.may_go("Add")
    softmax = trail.go("Softmax")
    mask = trail.may_go("Mul")
    trail.may_go("Reshape")
    mix = trail.go("MatMul")
    if head_size % _SIZE_UNIT or mix.input[1] != append_value.output[0]:
        raise OtherFormError
    query = wiring.origin(score.input[0], {"Reshape"})
    parts = (query, append_key.input[1], append_value.input[1])
    split, heads = wiring.made(query, "Split"), _count_heads(query, key_heads, wiring, constants)
    packed = tuple(split.output) == parts and heads == key_heads
    split_heads = [wiring.made(split.input[0], "Reshape"), split] if packed else []
    replaced = (*split_heads, append_key, append_value, *trail.passed)
    return _Attention(
        asked=(split_heads[0].input[0],) if packed else parts,
        past=(append_key.input[0], append_value.input[0]),
        following=(append_key.output[0], append_value.output[0]),
        heads=heads,
        key_heads=key_heads,
        head_size=head_size,
        bias=_other_input(biased, scored) if biased else "",
        cap=float(read_constant(scale.input[1], constants)) if scale else 0.0,
        kept=_other_input(mask, softmax.output[0]) if mask else None,
        join_heads=wiring.read_once(mix.output[0], "Reshape"),
        replaced=frozenset(node.output[0] for node in replaced),
    )


def _count_heads(query: str, key_heads: int, wiring: Wiring, constants: Mapping[str, onnx.TensorProto]) -> int:
    """The number of heads of the query, which is split from others: of as many heads, unless sizes are given."""
    split = wiring.made(query, "Split")
    if len(split.input) < 2:
        return key_heads
    return int(read_constant(split.input[1], constants)[list(split.output).index(query)])


def _other_input(node: onnx.NodeProto, name: str) -> str:
    return str(next(other for other in node.input if other != name))


def _count_lengths(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Nodes that count the past of every row, which is the position, and the length with the new token."""
    past, length = _LENGTHS
    graph.initializer.append(numpy_helper.from_array(np.ones(1, np.int32), "attention.one"))
    yield helper.make_node("Cast", ["position"], ["attention.position"], to=onnx.TensorProto.INT32)
    yield helper.make_node("Shape", ["previous_ids"], ["attention.rows"])
    yield helper.make_node("Expand", ["attention.position", "attention.rows"], [past])
    yield helper.make_node("Add", ["attention.position", "attention.one"], [length])


def _attend(attention: _Attention, graph: onnx.GraphProto) -> Sequence[onnx.NodeProto]:
    """The fused node of a layer, and nodes around it from its query, key and value to the one that joins its heads."""
    heads, size = attention.heads, attention.head_size
    name = attention.following[0]
    nodes, asked = _flatten(attention, graph)
    mixed = f"{name}.mixed"
    nodes.append(
        helper.make_node(
            "GroupQueryAttention",
            [*asked, *attention.past, *_LENGTHS, *(["", "", "", attention.bias] if attention.bias else [])],
            [mixed, *attention.following],
            name=f"{name}.attention",
            domain=RUNTIME_DOMAIN,
            num_heads=heads,
            kv_num_heads=attention.key_heads,
            scale=1.0,
            softcap=attention.cap,
        )
    )
    if attention.kept is not None:
        shape, split, masked = (f"{name}.{part}" for part in ("head_shape", "by_head", "masked"))
        graph.initializer.append(numpy_helper.from_array(np.array([-1, heads, 1, size]), shape))
        nodes.append(helper.make_node("Reshape", [mixed, shape], [split]))
        nodes.append(helper.make_node("Mul", [split, attention.kept], [masked]))
        mixed = masked
    join = deepcopy(attention.join_heads)
    join.input[0] = mixed
    return [*nodes, join]


def _flatten(attention: _Attention, graph: onnx.GraphProto) -> tuple[list[onnx.NodeProto], list[str]]:
    """Nodes that give query, key and value as the kernel reads them, [R, 1, heads x E], and its first three inputs."""
    name = attention.following[0]
    counts = (attention.heads, attention.key_heads, attention.key_heads)
    sizes = [sum(counts)] if len(attention.asked) == 1 else counts
    nodes, flat = [], []
    for index, (asked, count) in enumerate(zip(attention.asked, sizes, strict=True)):
        shape, flattened = f"{name}.row_shape.{index}", f"{name}.asked.{index}"
        graph.initializer.append(numpy_helper.from_array(np.array([-1, 1, count * attention.head_size]), shape))
        nodes.append(helper.make_node("Reshape", [asked, shape], [flattened]))
        flat.append(flattened)
    return nodes, [*flat, "", ""][:3]
