"""Self-attention of a decoding step as one kernel of ONNX Runtime.

`GroupQueryAttention` splits the projection, appends to the past and attends. An exported graph has nine small kernels a
layer for that, and a step on a CPU spends much of its time between kernels. The kernel supports float32 on CPUs only,
so it is used in graphs that run on a CPU anyway.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper, numpy_helper

from exported_models.contract.graphs import NEXT_PREFIX
from pipeline.graphs.rewriting import RUNTIME_DOMAIN, OtherFormError, Wiring, replace_nodes, use_runtime_operators

_SIZE_UNIT = 8
"""The size of a head must be a multiple of it."""
_LENGTHS = ("attention.past_lengths", "attention.length")
"""Names of the past length of every row and of the length with the new token."""


@dataclass(frozen=True, slots=True)
class _Attention:
    """The nodes of one layer's attention to its past, by function; ``mask`` is None unless heads can be ablated."""

    split_heads: onnx.NodeProto
    split: onnx.NodeProto
    append_key: onnx.NodeProto
    append_value: onnx.NodeProto
    transpose: onnx.NodeProto
    score: onnx.NodeProto
    softmax: onnx.NodeProto
    mask: onnx.NodeProto | None
    mix: onnx.NodeProto
    join_heads: onnx.NodeProto
    heads: int
    head_size: int

    @property
    def replaced(self) -> tuple[onnx.NodeProto, ...]:
        """The nodes that the kernel replaces: all but the last."""
        nodes = (self.split_heads, self.split, self.append_key, self.append_value, self.transpose)
        return (*nodes, self.score, self.softmax, *([self.mask] if self.mask else []), self.mix)


def fuse_self_attention(proto: onnx.ModelProto) -> int:
    """Fuse every layer's attention to its past in a step graph, in place; return the number of fused layers.

    Attention of another form than that of Transformers without relative positions is left as it is.
    """
    graph = proto.graph
    found = list(_find_layers(graph))
    if not found:
        return 0
    replaced = {node.output[0] for attention in found for node in attention.replaced}
    joined = {attention.join_heads.output[0]: attention for attention in found}
    nodes = list(_count_lengths(graph))
    for node in graph.node:
        if node.output[0] in joined:
            nodes += _attend(joined[node.output[0]], graph)
        elif node.output[0] not in replaced:
            nodes.append(node)
    replace_nodes(graph, nodes)
    use_runtime_operators(proto)
    return len(found)


def _find_layers(graph: onnx.GraphProto) -> Iterator[_Attention]:
    wiring = Wiring(graph)
    for value in graph.output:
        if value.name.startswith(f"{NEXT_PREFIX}key."):
            found = _match(value, wiring)
            if found is not None:
                yield found


def _match(key: onnx.ValueInfoProto, wiring: Wiring) -> _Attention | None:
    """Match the attention that makes a key of the next step; None if it has another form."""
    made, read = wiring.made, wiring.read_once
    heads, head_size = (key.type.tensor_type.shape.dim[axis].dim_value for axis in (1, 3))
    try:
        append_key = made(key.name, "Concat")
        append_value = made(key.name.replace("key", "value"), "Concat")
        split = made(append_key.input[1], "Split")
        transpose = read(append_key.output[0], "Transpose")
        score = read(transpose.output[0], "MatMul")
        softmax = read(score.output[0], "Softmax")
        following = read(softmax.output[0], "Mul", "MatMul")
        mask = following if following.op_type == "Mul" else None
        mix = read(mask.output[0], "MatMul") if mask else following
        join_heads = read(mix.output[0], "Reshape")
        split_heads = made(split.input[0], "Reshape")
    except OtherFormError:
        return None
    parts = (score.input[0], append_key.input[1], append_value.input[1])
    whole = tuple(split.output) == parts and mix.input[1] == append_value.output[0] and not head_size % _SIZE_UNIT
    nodes = (split_heads, split, append_key, append_value, transpose, score, softmax, mask, mix, join_heads)
    return _Attention(*nodes, heads=heads, head_size=head_size) if whole else None


def _count_lengths(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Nodes that count the past of every row, which is the position, and the length with the new token."""
    past, length = _LENGTHS
    graph.initializer.append(numpy_helper.from_array(np.ones(1, np.int32), "attention.one"))
    yield helper.make_node("Cast", ["position"], ["attention.position"], to=onnx.TensorProto.INT32)
    yield helper.make_node("Shape", ["previous_ids"], ["attention.rows"])
    yield helper.make_node("Expand", ["attention.position", "attention.rows"], [past])
    yield helper.make_node("Add", ["attention.position", "attention.one"], [length])


def _attend(attention: _Attention, graph: onnx.GraphProto) -> Sequence[onnx.NodeProto]:
    """The fused node of a layer, between its projection [R, 3 x A x E] and the node that joins its heads."""
    heads, size = attention.heads, attention.head_size
    next_key, next_value = attention.append_key.output[0], attention.append_value.output[0]
    own, asked, mixed = (f"{next_key}.{name}" for name in ("row_shape", "projected", "mixed"))
    graph.initializer.append(numpy_helper.from_array(np.array([-1, 1, 3 * heads * size]), own))
    past = (attention.append_key.input[0], attention.append_value.input[0])
    nodes = [
        helper.make_node("Reshape", [attention.split_heads.input[0], own], [asked]),
        helper.make_node(
            "GroupQueryAttention",
            [asked, "", "", *past, *_LENGTHS],
            [mixed, next_key, next_value],
            name=f"{next_key}.attention",
            domain=RUNTIME_DOMAIN,
            num_heads=heads,
            kv_num_heads=heads,
            scale=1.0,
        ),
    ]
    if attention.mask is not None:
        shape, split, masked = (f"{next_key}.{name}" for name in ("head_shape", "by_head", "masked"))
        graph.initializer.append(numpy_helper.from_array(np.array([-1, heads, 1, size]), shape))
        kept = next(name for name in attention.mask.input if name != attention.softmax.output[0])
        nodes.append(helper.make_node("Reshape", [mixed, shape], [split]))
        nodes.append(helper.make_node("Mul", [split, kept], [masked]))
        mixed = masked
    join = deepcopy(attention.join_heads)
    join.input[0] = mixed
    return [*nodes, join]
