"""Cutting graphs down."""

from __future__ import annotations

import onnx
from onnx import TensorProto, helper

from pipeline.graphs.rewriting import keep_outputs


def test_what_the_kept_outputs_do_not_read_is_dropped() -> None:
    entries = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in ("a", "b", "kept", "dropped")]
    weights = [helper.make_tensor(name, TensorProto.FLOAT, [2], [1, 2]) for name in ("near", "far")]
    nodes = [
        helper.make_node("Add", ["a", "near"], ["half"]),
        helper.make_node("Neg", ["half"], ["kept"]),
        helper.make_node("Mul", ["half", "far"], ["product"]),
        helper.make_node("Sub", ["product", "b"], ["dropped"]),
    ]
    model = helper.make_model(helper.make_graph(nodes, "graph", entries[:2], entries[2:], weights))

    keep_outputs(model.graph, ["kept"])

    onnx.checker.check_model(model)
    assert [node.op_type for node in model.graph.node] == ["Add", "Neg"]
    assert [tensor.name for tensor in model.graph.initializer] == ["near"]
    assert [entry.name for entry in model.graph.input] == ["a"]
    assert [entry.name for entry in model.graph.output] == ["kept"]
