"""What-ifs that go on from recorded steps: the same answers as from nothing, with fewer steps run."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exported_models.completion import complete_request, search_settings
from exported_models.contract.request import Request
from exported_models.contract.trace import Trace
from exported_models.contract.wishes import Attend, Force, ForceNode, Replace
from exported_models.contract.workspace import Workspace
from exported_models.edits import apply, revise
from exported_models.engine import Engine
from exported_models.runtime.beam_search_session import SearchInput, SearchOutput
from exported_models.runtime.graph_session import Tensors
from exported_models.runtime.model import ExportedModel
from exported_models.runtime.sessions import EncodedSource, StepInput, StepOutput
from exported_models.search.recording import Recording
from exported_models.search.search import record_source, search

SOURCE = "abc de"
REQUEST = Request("random", SOURCE, beam_size=4)


@dataclass
class CountingSessions:
    """The sessions of a model that run steps, and at which steps they ran."""

    model: ExportedModel
    steps: list[int] = field(default_factory=list)

    def run(self, encoded: EncodedSource, memory: Tensors, asked: StepInput | SearchInput) -> StepOutput | SearchOutput:
        if isinstance(asked, StepInput):
            self.steps.append(asked.position)
            return self.model.decoder.run(encoded, memory, asked)
        assert self.model.beam_search is not None
        found = self.model.beam_search.run(encoded, memory, asked)
        self.steps.extend(range(asked.position, asked.position + len(found.rows)))
        return found


def decode(model: ExportedModel, request: Request, recording: Recording) -> tuple[Trace, list[int]]:
    """The trace of a request, and the steps that ran for it."""
    counting = CountingSessions(model)
    watched = replace(model, decoder=counting, beam_search=counting if model.beam_search else None)  # type: ignore[arg-type]
    complete = complete_request(request, model)
    trace = search(watched, complete, search_settings(complete, model), model.read_source(request.source), recording)
    return trace, counting.steps


@pytest.fixture(params=["one call", "step by step"])
def model(request: pytest.FixtureRequest, model: ExportedModel) -> ExportedModel:
    """A model whose free steps run in one call, and one that has no graph for that."""
    return model if request.param == "one call" else replace(model, beam_search=None)


def record(model: ExportedModel, memory_bytes: int | None = None) -> tuple[Trace, Recording]:
    """The trace of `REQUEST`, and the recording it was made with."""
    recording = record_source(model, model.read_source(SOURCE))
    if memory_bytes is not None:
        recording = Recording(recording.encoded, memory_bytes)
    return decode(model, REQUEST, recording)[0], recording


def same(one: Trace, other: Trace) -> bool:
    """Whether two traces say the same, numbers within what batching changes."""
    assert [(node.parent, node.token_id, node.finished) for node in one.nodes] == [
        (node.parent, node.token_id, node.finished) for node in other.nodes
    ]
    assert one.stop is other.stop
    for ours, theirs in zip(one.steps, other.steps, strict=True):
        assert [(c.parent, c.token_id, c.fate, c.pruned_by) for c in ours.candidates] == [
            (c.parent, c.token_id, c.fate, c.pruned_by) for c in theirs.candidates
        ]
        assert ours.overridden == theirs.overridden
        assert ours.forced_id == theirs.forced_id
        assert ours.attention is not None
        assert theirs.attention is not None
        np.testing.assert_allclose(ours.attention, theirs.attention, atol=1e-5)
        np.testing.assert_allclose(ours.top_log_probs, theirs.top_log_probs, atol=1e-5)
        for space, states in ours.states.items():
            np.testing.assert_allclose(states, theirs.states[space], atol=1e-5)
    return [h.token_ids for h in one.hypotheses] == [h.token_ids for h in other.hypotheses]


@settings(max_examples=15)
@given(st.text(alphabet="abcdefgh ", min_size=1, max_size=9).filter(str.strip), st.integers(1, 5), st.data())
def test_a_what_if_is_what_it_would_be_from_nothing(
    random_workspace: Workspace, source: str, beam: int, data: st.DataObject
) -> None:
    warm = Engine(random_workspace, threads=1)
    trace = warm.translate(Request("random", source, beam_size=beam))
    for _ in range(3):
        node = data.draw(st.integers(1, len(trace.nodes) - 1))
        step = data.draw(st.integers(0, len(trace.best.tokens) - 1))
        request = data.draw(
            st.sampled_from(
                [
                    apply(ForceNode(node), trace, trace.best).request,
                    apply(Replace(step, ("v",)), trace, trace.best).request,
                    apply(Attend(step, ((0, 1.0),)), trace, trace.best).request,
                ]
            )
        )
        trace = warm.translate(request)

        assert same(trace, Engine(random_workspace, threads=1).translate(request))


@pytest.mark.parametrize("step", [0, 1, 3])
def test_only_steps_after_the_shared_prefix_run(model: ExportedModel, step: int) -> None:
    trace, recording = record(model)
    again, steps = decode(model, revise(trace.request, Force(trace.best.tokens[:step])), recording)

    assert steps == list(range(step + 1, len(again.steps)))


def test_an_override_runs_from_its_own_step(model: ExportedModel) -> None:
    trace, recording = record(model)
    again, steps = decode(model, apply(Attend(3, ((1, 1.0),)), trace, trace.best).request, recording)

    assert steps == list(range(3, len(again.steps)))


def test_a_changed_word_of_a_what_if_is_decoded_from_there(model: ExportedModel) -> None:
    trace, recording = record(model)
    first, _ = decode(model, apply(Attend(2, ((1, 1.0),)), trace, trace.best).request, recording)
    word = first.top_k(first.best)[4][1].token
    again, steps = decode(model, apply(Replace(4, (word,)), first, first.best).request, recording)

    assert [step.overridden for step in again.steps[:4]] == [False, False, True, False]
    assert steps == list(range(5, len(again.steps)))


def test_a_request_that_looks_at_more_tokens_is_not_answered_with_fewer(model: ExportedModel) -> None:
    trace, recording = record(model)
    again, steps = decode(
        model, replace(revise(trace.request, Force(trace.best.tokens[:3])), beam_size=1, top_k=8), recording
    )
    _, wider = decode(model, replace(again.request, top_k=9), recording)

    assert steps == list(range(4, len(again.steps)))
    assert wider[0] == 0


def test_steps_without_normalizers_are_not_replayed_where_logits_are_penalized(model: ExportedModel) -> None:
    trace, recording = record(model)
    asked = replace(REQUEST, beam_size=1, prefix=trace.best.tokens[:3], repetition_penalty=1.7)

    found, steps = decode(model, asked, recording)
    again, further = decode(model, replace(asked, repetition_penalty=1.8), recording)

    assert same(found, decode(model, asked, record_source(model, model.read_source(SOURCE)))[0])
    assert steps[0] == 0
    assert further[0] == 4  # those of the first what-if have them
    assert again.best.score < found.best.score


@pytest.mark.parametrize("memory_bytes", [0, 2000, 5000])
def test_with_little_space_a_what_if_begins_earlier_and_ends_the_same(model: ExportedModel, memory_bytes: int) -> None:
    roomy_trace, roomy = record(model)
    trace, recording = record(model, memory_bytes)
    request = apply(Replace(5, ("v",)), trace, trace.best).request
    again, steps = decode(model, request, recording)
    expected, fewest = decode(model, request, roomy)

    assert same(trace, roomy_trace)
    assert same(again, expected)
    assert steps == list(range(steps[0], len(again.steps)))
    assert 0 <= steps[0] <= fewest[0]
    assert memory_bytes or steps[0] == 0
