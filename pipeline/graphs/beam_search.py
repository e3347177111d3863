"""Steps of a beam search as one graph: a loop over a decoder step and the ranking that chooses the next rows.

A small model's step fills the processor's caches with weights. Python code between two steps evicts them, which slows
the code and the next step. The graph therefore runs all steps in one call.

The graph ranks by log-probability alone, only to choose the rows of its next step. `exported_models.search.beam`
applies every rule of the model to the recorded steps afterwards, and discards the steps that its own search does not
take.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper, numpy_helper, parser

from exported_models.contract.graphs import (
    APPENDED_PREFIX,
    NEXT_PREFIX,
    SEARCH_INPUTS,
    SEARCH_OUTPUTS,
    Graph,
    memory_name,
)
from pipeline.graphs.modules import GROWN
from pipeline.graphs.rewriting import (
    OtherFormError,
    Wiring,
    attributes,
    describe,
    drop_unused_weights,
    replace_nodes,
    replace_values,
)

_INSIDE = "step."
"""Prefix of the names of values inside the loop."""

_RANKING = parser.parse_graph(
    """
    ranking (float[rows, top] top_log_probs, int64[rows, top] top_ids, int64 iteration)
        => (bool goes_on, int64[rows] next_ids, int64[rows] next_rows, int64[1] next_position,
            double[rows, 1] next_scores, double[rows] next_finished, int64[rows] chosen)
    {
        none = Constant <value_float = -inf> ()
        never = Cast <to = 11> (none)
        flat = Constant <value_ints = [-1]> ()
        start = Constant <value_ints = [0]> ()
        one = Constant <value_ints = [1]> ()
        first = Constant <value_int = 0> ()
        last = Constant <value_int = -1> ()
        beam = Shape (previous_ids)
        twice = Add (beam, beam)
        all = Mul (beam, top_count)
        considered = Min (twice, all)

        log_probs = Cast <to = 11> (top_log_probs)
        sums = Add (log_probs, scores)
        flat_sums = Reshape (sums, flat)
        flat_ids = Reshape (top_ids, flat)
        best, places = TopK <axis = 0> (flat_sums, considered)
        best_ids = Gather (flat_ids, places)
        ends = Equal (best_ids, end_id)

        open = Where (ends, never, best)
        best_open, ranks = TopK <axis = 0> (open, beam)
        chosen = Gather (places, ranks)
        next_ids = Gather (best_ids, ranks)
        next_rows = Div (chosen, top_count)
        next_scores = Unsqueeze (best_open, one)
        next_position = Add (position, one)

        ended = Where (ends, best, never)
        finishing = Slice (ended, start, beam)
        divisor = Gather (divisors, iteration)
        normalized = Div (finishing, divisor)
        hypotheses = Concat <axis = 0> (finished, normalized)
        next_finished, finished_ranks = TopK <axis = 0> (hypotheses, beam)

        worst = Gather (next_finished, last)
        best_row = Gather (best_open, first)
        hope_divisor = Gather (hope_divisors, iteration)
        hope = Div (best_row, hope_divisor)
        goes_on = Greater (hope, worst)
    }
    """
)
"""Ranking of a search without rules, as in `exported_models.search.beam`.

The best continuations that do not end a sentence become the next rows. The loop ends when no row can still beat the
worst of the finished hypotheses, of which there are as many as rows. Scores are float64, and equal scores keep their
order.
"""

_HANDED_ON = {
    "previous_ids": "next_ids",
    "beam_index": "next_rows",
    "position": "next_position",
    "scores": "next_scores",
    "finished": "next_finished",
}
"""Inputs of a step, besides memory, and the values of the step before that they receive."""


@dataclass(frozen=True, slots=True)
class _Appended:
    """The value that a step appends to one memory tensor of A heads with E dimensions.

    Attributes:
        tensor: name of the memory tensor after the step, [R, A, P + 1, E].
        value: name of the appended value; [R, A, 1, E] or [R, 1, A x E], or [R, 1, 3 x A x E] if query, key and value
            are packed.
        third: index of the appended value in a packed one; None for a value of its own.
        heads: A.
        size: E.
    """

    tensor: str
    value: str
    third: int | None
    heads: int
    size: int

    @property
    def of_all_steps(self) -> onnx.ValueInfoProto:
        """``value``, collected over all steps."""
        return helper.make_tensor_value_info(f"{self.value}.of_all_steps", onnx.TensorProto.FLOAT, None)

    @property
    def output(self) -> onnx.ValueInfoProto:
        """The collected value split into heads, [steps, R, A, E]."""
        name = APPENDED_PREFIX + self.tensor.removeprefix(NEXT_PREFIX)
        return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["steps", "rows", self.heads, self.size])

    def unpack(self) -> Iterator[onnx.NodeProto]:
        """Nodes that make ``output`` of ``of_all_steps``."""
        packed, name = self.of_all_steps.name, self.output.name
        if self.third is None:
            yield helper.make_node("Reshape", [packed, f"{name}.shape"], [name])
            return
        yield helper.make_node("Reshape", [packed, f"{name}.shape"], [f"{name}.packed"])
        yield helper.make_node("Gather", [f"{name}.packed", f"{name}.third"], [name], axis=2)

    def constants(self) -> Iterator[onnx.TensorProto]:
        """Initializers that the nodes of `unpack` read."""
        packed = () if self.third is None else (3,)
        yield numpy_helper.from_array(np.array([0, 0, *packed, self.heads, self.size]), f"{self.output.name}.shape")
        if self.third is not None:
            yield numpy_helper.from_array(np.array(self.third), f"{self.output.name}.third")


def derive_searches(plain: onnx.ModelProto, folded: onnx.ModelProto | None = None) -> Mapping[Graph, onnx.ModelProto]:
    """Derive the searches over a plain step and, if given, over a folded one; omit those that cannot be derived."""
    steps = {Graph.BEAM_SEARCH: plain, Graph.FOLDED_BEAM_SEARCH: folded}
    found = {graph: derive_beam_search(step) for graph, step in steps.items() if step is not None}
    return {graph: search for graph, search in found.items() if search is not None}


def derive_beam_search(step: onnx.ModelProto) -> onnx.ModelProto | None:
    """Derive the beam search over plain steps of one sentence; None if the growth of memory is not recognized."""
    search = deepcopy(step)
    graph = search.graph
    try:
        appended = list(_find_appended(graph))
    except OtherFormError:
        return None
    memory = {memory_name(value.name): value.name for value in graph.output if value.name.startswith(NEXT_PREFIX)}
    growing = {entry.tensor for entry in appended}
    results = [value for value in graph.output if value.name not in growing]
    results += map(describe, SEARCH_OUTPUTS)
    # A loop cannot give one value both to its next iteration and to its outputs, so the outputs get a copy.
    copies = {name: f"kept.{name}" for name in memory.values() if name not in growing}
    copying = [helper.make_node("Identity", [name], [copy]) for name, copy in copies.items()]
    kept = {copies.get(value.name, value.name): value for value in results}
    kept |= {entry.value: entry.of_all_steps for entry in appended}

    inputs = {value.name: value for value in (*graph.input, *map(describe, SEARCH_INPUTS))}
    steps = _loop([*graph.node, *_RANKING.node, *copying], inputs, {**_HANDED_ON, **memory}, kept)
    replace_nodes(graph, [*steps, *(node for entry in appended for node in entry.unpack())])
    replace_values(graph, list(inputs.values()), [*map(_at_every_step, results), *(entry.output for entry in appended)])
    graph.initializer.extend(tensor for entry in appended for tensor in entry.constants())
    drop_unused_weights(graph)
    return search


def _loop(
    nodes: Iterable[onnx.NodeProto],
    inputs: Mapping[str, onnx.ValueInfoProto],
    handed_on: Mapping[str, str],
    kept: Mapping[str, onnx.ValueInfoProto],
) -> list[onnx.NodeProto]:
    """Make a loop of these nodes, preceded by those that do not change from step to step.

    Args:
        inputs: inputs of the whole graph by name, those of the first step included.
        handed_on: input of a step -> value of the same step that the next step receives there.
        kept: value of a step -> value of the graph that collects it over all steps.
    """
    once, every = _divide(nodes, {*handed_on, "iteration"})
    given = [inputs[name] for name in handed_on]
    made = [_retype(value, name) for value, name in zip(given, handed_on.values(), strict=True)]
    body = _make_body(every, given, [*made, *(_retype(value, name) for name, value in kept.items())])
    results = [*(f"last.{name}" for name in handed_on), *(value.name for value in kept.values())]
    return [*once, helper.make_node("Loop", ["steps", "", *handed_on], results, body=body)]


def _find_appended(graph: onnx.GraphProto) -> Iterator[_Appended]:
    """Find the value appended to every growing memory tensor; raise OtherFormError if one is not recognized."""
    wiring = Wiring(graph)
    for output in graph.output:
        sizes = [size.dim_param or size.dim_value for size in output.type.tensor_type.shape.dim]
        if GROWN not in sizes:
            continue
        node = wiring.made(output.name, "Concat", "GroupQueryAttention")
        alone = node.op_type == "Concat"
        heads, axis, size = sizes[1], sizes.index(GROWN), sizes[-1]
        if axis != 2 or (alone and attributes(node)["axis"] not in (axis, axis - len(sizes))):
            raise OtherFormError
        place = 1 if alone else list(node.output).index(output.name)
        # The kernel has one input of query, key and value, or three.
        packed = not node.input[place]
        value, third = (node.input[0], place) if packed else (node.input[place], None)
        yield _Appended(output.name, value, third, int(heads), int(size))


def _divide(
    nodes: Iterable[onnx.NodeProto], changing: Collection[str]
) -> tuple[list[onnx.NodeProto], list[onnx.NodeProto]]:
    """Divide nodes into those to run once and those that depend on a value that changes from step to step."""
    changed, once, every = set(changing), list[onnx.NodeProto](), list[onnx.NodeProto]()
    for node in nodes:
        # The number of rows is the same at every step.
        counts_rows = node.op_type == "Shape" and node.input[0] in ("previous_ids", "beam_index")
        if changed.intersection(node.input) and not counts_rows:
            changed.update(node.output)
            every.append(node)
        else:
            once.append(node)
    return once, every


def _make_body(
    nodes: Sequence[onnx.NodeProto], given: Sequence[onnx.ValueInfoProto], made: Sequence[onnx.ValueInfoProto]
) -> onnx.GraphProto:
    """Make the body of a loop, with names that no value outside has.

    Args:
        given: values that a step receives from the one before.
        made: values for the step after, followed by those kept of every step.
    """
    iteration = helper.make_tensor_value_info("iteration", onnx.TensorProto.INT64, [])
    went_on, goes_on = (
        helper.make_tensor_value_info(name, onnx.TensorProto.BOOL, []) for name in ("went_on", "goes_on")
    )
    body = helper.make_graph(nodes, "step", [iteration, went_on, *given], [goes_on, *made])
    own = {value.name for value in body.input}.union(*(node.output for node in body.node)) - {""}
    for node in body.node:
        for names in (node.input, node.output):
            names[:] = [_INSIDE + name if name in own else name for name in names]
    for value in (*body.input, *body.output):
        value.name = _INSIDE + value.name
    return body


def _retype(value: onnx.ValueInfoProto, name: str) -> onnx.ValueInfoProto:
    """Describe a value of the same type, another name and no fixed shape."""
    return helper.make_tensor_value_info(name, value.type.tensor_type.elem_type, None)


def _at_every_step(value: onnx.ValueInfoProto) -> onnx.ValueInfoProto:
    """Describe a step's output collected over all steps, with a first dimension ``steps``."""
    sizes = [size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim]
    return helper.make_tensor_value_info(value.name, value.type.tensor_type.elem_type, ["steps", *sizes])
