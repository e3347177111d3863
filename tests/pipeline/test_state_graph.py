"""Graphs of states on demand, and corpora encoded with the states that analysis sees.

The tests of their families check corpora of Transformers.
"""

from __future__ import annotations

import onnx
import pytest
from onnx import helper

from exported_models.contract.errors import ModelError
from exported_models.contract.graphs import Graph
from exported_models.contract.manifest import SpaceSpec
from exported_models.runtime.model import ExportedModel
from pipeline.graphs.state_graphs import divide_states
from pipeline.graphs.states import StateEncoder
from tests.pipeline.encoded_states import check_states


def test_a_model_that_is_stepped_through_is_encoded_by_its_steps(dates_model: ExportedModel) -> None:
    texts = (("March 5, 2021", "2021-03-05"), ("5 Mai 99", "1999-05-05"))
    sources = [dates_model.source_tokenizer.encode(source, end=True).ids for source, _ in texts]
    targets = [dates_model.target_tokenizer.encode(target, end=True).ids for _, target in texts]

    assert StateEncoder.open(dates_model.folder).targets == ()
    check_states(dates_model.folder, sources, targets)


def test_only_wanted_spaces_are_encoded(dates_model: ExportedModel) -> None:
    ids = [dates_model.source_tokenizer.encode("March 5, 2021", end=True).ids]
    target = [dates_model.target_tokenizer.encode("2021-03-05", end=True).ids]
    (found,) = StateEncoder.open(dates_model.folder, ["attentional", "encoder"]).encode(ids, target)
    assert list(found) == ["attentional", "encoder"]
    with pytest.raises(ModelError, match="no space 'layer'"):
        StateEncoder.open(dates_model.folder, ["layer"])


RECORDED = SpaceSpec(name="state", owner="target", output="state", size=2, meaning="what is recorded")
ON_DEMAND = SpaceSpec(name="lower", owner="target", output="lower", size=2, meaning="what is not", kind="on_demand")


def make_step() -> onnx.ModelProto:
    """A step whose state on demand is what it hands on, and whose recorded state is made of that."""
    read, *made = (
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ("rows", 2))
        for name in ("memory.feed", "state", "lower", "next.feed", "unread")
    )
    nodes = [
        helper.make_node("Tanh", ["memory.feed"], ["lower"]),
        helper.make_node("Identity", ["lower"], ["next.feed"]),
        helper.make_node("Neg", ["lower"], ["state"]),
    ]
    return helper.make_model(helper.make_graph(nodes, "step", [read, made.pop()], made))


def test_states_on_demand_cost_a_step_nothing() -> None:
    divided = divide_states({Graph.DECODER_STEP: make_step()}, [RECORDED, ON_DEMAND])

    step, states = (divided[graph].graph for graph in (Graph.DECODER_STEP, Graph.STEP_STATES))
    assert [value.name for value in step.output] == ["state", "next.feed"]
    assert [value.name for value in step.input] == ["memory.feed", "unread"]
    assert [node.op_type for node in step.node] == ["Tanh", "Neg"]
    assert [value.name for value in states.output] == ["lower", "next.feed"]
    assert [value.name for value in states.input] == ["memory.feed"]
    for proto in divided.values():
        onnx.checker.check_model(proto)


def test_graphs_without_states_on_demand_stay_as_they_are() -> None:
    proto = make_step()
    divided = divide_states({Graph.DECODER_STEP: proto}, [RECORDED])
    assert divided == {Graph.DECODER_STEP: make_step()}
