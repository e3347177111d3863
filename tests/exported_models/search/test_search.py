"""Recorded beam search against an independent implementation, exhaustive search, and its own invariants."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from exported_models.completion import complete_request, search_settings
from exported_models.contract.errors import RequestError
from exported_models.contract.request import AttentionOverride, EarlyStopping, ForbiddenPhrase, Request
from exported_models.contract.trace import ROOT, Fate, PrunedBy, Stop, Trace
from exported_models.contract.wishes import Attend, ForceNode, Replace
from exported_models.edits import apply
from exported_models.engine import Engine
from exported_models.runtime.graph_session import Tensors
from exported_models.runtime.model import ExportedModel
from exported_models.runtime.sessions import EncodedSource, StepInput, StepOutput
from exported_models.runtime.step_session import StepSession
from exported_models.search.search import record_source, search
from pipeline.models.luong import LuongModel

NextLogProbs = Callable[[str, tuple[int, ...]], list[float]]
END_ID = 2
sources = st.text(alphabet="abcdefgh ", min_size=1, max_size=9).filter(str.strip)
beams = st.integers(1, 6)
penalties = st.sampled_from([0.0, 0.6, 1.0, 1.4, -0.5])
paths = st.text(alphabet="uvwxyz", min_size=1, max_size=4)
stoppings = st.sampled_from(["estimate", "first", "never"])


def make_request(source: str, **fields: object) -> Request:
    return replace(Request("random", source), **fields)  # type: ignore[arg-type]


@dataclass(frozen=True)
class OwnAttention:
    """A step session that overrides every row with the attention it had in a trace."""

    decoder: StepSession
    trace: Trace

    def run(self, encoded: EncodedSource, memory: Tensors, asked: StepInput) -> StepOutput:
        weights = self.trace.steps[asked.position].attention
        assert weights is not None
        return self.decoder.run(
            encoded, memory, replace(asked, override=(weights, np.ones(weights.shape[:3], np.bool_)))
        )


def textbook_beam_search(
    next_log_probs: NextLogProbs, request: Request, forced: Sequence[int] = (), max_length: int = 12
) -> list[tuple[float, tuple[int, ...]]]:
    """Beam search by the book, over whole distributions, every prefix run from scratch: (normalized score, ids)."""
    beam, penalty = request.beam_size or 5, 1.0 if request.length_penalty is None else request.length_penalty
    live: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
    done: list[tuple[float, tuple[int, ...]]] = []
    for length in range(1, max_length + 1):
        proposals = [
            (score + log_prob, (*ids, token))
            for score, ids in live
            for token, log_prob in enumerate(next_log_probs(request.source, ids))
            if length > len(forced) or token == forced[length - 1]
        ]
        proposals.sort(key=lambda entry: -entry[0])
        ending = [entry for entry in proposals[:beam] if entry[1][-1] == END_ID or length == max_length]
        done += [(score / length**penalty, ids) for score, ids in ending]
        done = sorted(done, key=lambda entry: -entry[0])[:beam]
        live = [entry for entry in proposals if entry[1][-1] != END_ID][:beam]
        if not live or (len(done) == beam and _over(request, live[0][0], done[-1][0], length, max_length, penalty)):
            break
    return done


def _over(request: Request, live: float, worst: float, length: int, max_length: int, penalty: float) -> bool:
    if request.early_stopping == "first":
        return True
    reach = max_length if request.early_stopping == "never" and penalty > 0 else length
    normalized: float = live / reach**penalty
    return normalized <= worst


@settings(max_examples=12)
@given(sources, beams, penalties, stoppings)
def test_n_best_equals_textbook_beam_search(
    engine: Engine, next_log_probs: NextLogProbs, source: str, beam: int, penalty: float, stopping: str
) -> None:
    request = make_request(source, beam_size=beam, length_penalty=penalty, early_stopping=stopping)

    found = engine.translate(request).hypotheses
    expected = textbook_beam_search(next_log_probs, request)

    assert [hypothesis.normalized for hypothesis in found] == pytest.approx([score for score, _ in expected], abs=1e-4)
    for hypothesis, (score, ids) in zip(found, expected, strict=True):
        # Two hypotheses whose scores agree to the last digits may change places.
        tied = [other for s, other in expected if abs(s - score) < 1e-4]
        assert hypothesis.token_ids == ids or hypothesis.token_ids in tied


@settings(max_examples=10)
@given(sources, beams, penalties, st.lists(st.sampled_from("uvwxyz"), min_size=1, max_size=4))
def test_a_forced_prefix_equals_textbook_search_that_allows_nothing_else(
    engine: Engine, next_log_probs: NextLogProbs, source: str, beam: int, penalty: float, prefix: list[str]
) -> None:
    request = make_request(source, beam_size=beam, length_penalty=penalty, prefix=tuple(prefix))
    forced = [4 + "uvwxyz".index(token) for token in prefix]

    found = engine.translate(request).hypotheses
    expected = textbook_beam_search(next_log_probs, request, forced)

    assert [hypothesis.normalized for hypothesis in found] == pytest.approx([score for score, _ in expected], abs=1e-4)
    assert all(hypothesis.tokens[: len(prefix)] == tuple(prefix) for hypothesis in found)


@settings(max_examples=30)
@given(sources, beams, penalties, stoppings, st.sampled_from(["", "v"]), st.sets(paths, min_size=1, max_size=3))
def test_kept_paths_go_on_greedily_and_leave_the_n_best_list_as_it_is(
    engine: Engine, source: str, beam: int, penalty: float, stopping: EarlyStopping, prefix: str, tails: set[str]
) -> None:
    request = make_request(
        source, beam_size=beam, length_penalty=penalty, early_stopping=stopping, prefix=tuple(prefix)
    )
    kept = [(*prefix, *tail) for tail in tails]
    greedy = replace(request, beam_size=1, early_stopping="first")

    plain, found = engine.translate(request), engine.translate(replace(request, kept=tuple(kept)))
    alone = {one.token_ids: one for one in (engine.translate(replace(greedy, prefix=path)).best for path in kept)}

    n_best = [one for one in found.hypotheses if not one.beside]
    assert [one.token_ids for one in n_best] == [one.token_ids for one in plain.hypotheses]
    assert [one.score for one in n_best] == pytest.approx([one.score for one in plain.hypotheses], abs=1e-4)
    assert found.stop is plain.stop
    beside = found.hypotheses[len(n_best) :]
    assert {one.token_ids for one in beside} == alone.keys() - {one.token_ids for one in n_best}
    assert [one.normalized for one in beside] == pytest.approx(
        sorted((alone[one.token_ids].normalized for one in beside), reverse=True), abs=1e-4
    )


@settings(max_examples=20)
@given(sources, st.floats(1, 3))
def test_a_greedy_search_penalizes_logits(
    engine: Engine, random_torch_model: LuongModel, source: str, factor: float
) -> None:
    """Textbook: negative logits of what was said are multiplied, positive ones divided (Keskar et al. 2019)."""
    model = engine.model("random")
    ids = torch.tensor([model.source_tokenizer.encode(source, end=True).ids])
    mask = torch.ones_like(ids, dtype=torch.bool)
    said, score = [model.manifest.start_id], 0.0
    with torch.no_grad():
        states, memory, _ = random_torch_model.encode(ids, mask)
        read = random_torch_model.read_source(states, mask)
        while len(said) <= model.manifest.generation.max_length and said[-1] != model.manifest.end_id:
            stepped = random_torch_model.step(torch.tensor(said[-1:]), memory, read, None)
            memory, logits = stepped.memory, stepped.logits[0].double()
            penalized = logits.clone()
            for token_id in set(said):
                penalized[token_id] = logits[token_id] * factor if logits[token_id] < 0 else logits[token_id] / factor
            best = int(penalized.argmax())
            score += float(penalized[best] - torch.logsumexp(logits, 0))
            said.append(best)

    trace = engine.translate(Request("random", source, beam_size=1, repetition_penalty=factor))

    assert list(trace.best.token_ids) == said[1:]
    assert trace.best.score == pytest.approx(score, abs=1e-4)


def test_a_path_beside_the_beam_is_told_from_those_that_the_beam_held(engine: Engine) -> None:
    plain = engine.translate(make_request("abc", beam_size=2))
    pruned = next(one for one in plain.steps[1].candidates if one.pruned_by is PrunedBy.BEAM)

    path = (*(node.token for node in plain.path(pruned.parent)), pruned.token)
    trace = engine.translate(make_request("abc", beam_size=2, kept=(path,)))

    fates = {one.node: one.fate for step in trace.steps for one in step.candidates if one.node is not None}
    assert {node.index for node in trace.nodes if node.beside} == {
        node for node, fate in fates.items() if fate is Fate.BESIDE
    }
    assert trace.hypotheses[-1].tokens[:2] == path
    assert trace.hypotheses[-1].beside
    assert len(trace.steps[2].nodes) == 3
    # The reason for which the beam pruned it is told all the same.
    (kept,) = (one for one in trace.steps[1].candidates if one.fate is Fate.BESIDE)
    assert (kept.token, kept.pruned_by, kept.rank) == (pruned.token, PrunedBy.BEAM, pruned.rank)
    later = [one for step in trace.steps[2:] for one in step.candidates if one.fate is Fate.BESIDE]
    assert {one.pruned_by for one in later} == {None}


def test_a_kept_path_names_the_rule_that_it_is_free_of(engine: Engine) -> None:
    best = engine.translate(make_request("abc", beam_size=2)).best
    without = make_request("abc", beam_size=2, forbidden=(ForbiddenPhrase(best.tokens[1:2]),))
    plain = engine.translate(without)
    pruned = next(one for one in plain.steps[1].candidates if one.pruned_by is PrunedBy.FORBIDDEN)
    path = (*(node.token for node in plain.path(pruned.parent)), pruned.token)

    trace = engine.translate(replace(without, kept=(path,)))

    (kept,) = (one for one in trace.steps[1].candidates if one.fate is Fate.BESIDE)
    assert (kept.token, kept.pruned_by) == (pruned.token, PrunedBy.FORBIDDEN)
    assert kept.log_prob == pytest.approx(pruned.log_prob, abs=1e-5)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kept": ((),)}, "A kept path is empty; name at least one token."),
        ({"kept": (("u", "q"),)}, "is not one the model can produce; a kept path is made of its target tokens."),
        ({"kept": (("u", "v"),), "prefix": ("v",)}, "'uv' does not go on from the forced prefix 'v'"),
        ({"kept": (("v",),), "prefix": ("v",)}, "'v' does not go on from the forced prefix 'v'"),
        ({"kept": (("</s>", "v"),)}, "The kept path goes on after the end of the sentence; cut it there."),
        ({"kept": (("u",) * 13,)}, "The kept path has 13 tokens, more than the maximum length of 12."),
        ({"kept": tuple(("u",) * n for n in range(1, 18))}, "There are 17 kept paths; a request has at most 16."),
    ],
)
def test_a_path_that_cannot_be_kept_is_refused(engine: Engine, fields: dict[str, object], message: str) -> None:
    with pytest.raises(RequestError, match=re.escape(message)):
        engine.translate(make_request("abc", **fields))


def test_a_beam_as_wide_as_the_space_finds_the_best_of_all_outputs(
    engine: Engine, next_log_probs: NextLogProbs
) -> None:
    request = make_request("ab", beam_size=100, max_length=3, length_penalty=0.0, early_stopping="never")
    vocabulary = range(10)

    def total(ids: tuple[int, ...]) -> float:
        return sum(next_log_probs("ab", ids[:t])[token] for t, token in enumerate(ids))

    complete = [
        ids
        for length in (1, 2, 3)
        for ids in itertools.product(vocabulary, repeat=length)
        if END_ID not in ids[:-1] and (ids[-1] == END_ID or length == 3)
    ]
    best = max(complete, key=total)

    trace = engine.translate(request)

    assert trace.best.token_ids == best
    assert trace.best.score == pytest.approx(total(best), abs=1e-4)


@settings(max_examples=10)
@given(sources, beams, stoppings)
def test_every_candidate_is_accounted_for(engine: Engine, source: str, beam: int, stopping: str) -> None:
    trace = engine.translate(make_request(source, beam_size=beam, early_stopping=stopping, top_k=3))

    for length, step in enumerate(trace.steps, start=1):
        assert [candidate.rank for candidate in step.candidates] == list(range(len(step.candidates)))
        scores = [candidate.score for candidate in step.candidates]
        assert scores == sorted(scores, reverse=True)
        for candidate in step.candidates:
            parent = trace.nodes[candidate.parent]
            assert candidate.parent in step.nodes
            assert candidate.score == pytest.approx(parent.score + candidate.log_prob, abs=1e-4)
            assert (candidate.fate is Fate.PRUNED) == (candidate.pruned_by is not None) == (candidate.node is None)
            if candidate.node is not None:
                node = trace.nodes[candidate.node]
                assert (node.parent, node.token_id, node.length) == (candidate.parent, candidate.token_id, length)
    kept = [c.node for step in trace.steps[:-1] for c in step.candidates if c.fate is Fate.KEPT]
    assert kept == [node for step in trace.steps[1:] for node in step.nodes]


@settings(max_examples=10)
@given(sources, st.integers(1, 5))
def test_at_beam_1_a_prefix_of_the_output_reproduces_the_rest(engine: Engine, source: str, cut: int) -> None:
    free = engine.translate(make_request(source, beam_size=1))
    prefix = free.best.tokens[:cut]

    forced = engine.translate(make_request(source, beam_size=1, prefix=prefix))

    assert forced.best.tokens == free.best.tokens
    assert forced.best.log_probs == pytest.approx(free.best.log_probs, abs=1e-5)


@settings(max_examples=10)
@given(sources, st.integers(0, 5))
def test_at_beam_1_a_rows_own_attention_as_override_changes_nothing(engine: Engine, source: str, step: int) -> None:
    free = engine.translate(make_request(source, beam_size=1))
    step = min(step, len(free.best.tokens) - 1)
    attention = free.attention(free.best)
    assert attention is not None
    own = [(position, float(weight)) for position, weight in enumerate(attention[step, 0, 0])]

    again = engine.translate(apply(Attend(step, tuple(own)), free, free.best).request)

    assert again.steps[step].overridden
    assert again.best.tokens == free.best.tokens
    assert again.best.log_probs == pytest.approx(free.best.log_probs, abs=1e-5)


@settings(max_examples=10)
@given(sources, beams)
def test_overriding_each_row_with_its_own_attention_leaves_the_trace_as_it_was(
    engine: Engine, model: ExportedModel, source: str, beam: int
) -> None:
    free = engine.translate(make_request(source, beam_size=beam))
    request = complete_request(make_request(source, beam_size=beam), model)
    overriding = replace(model, decoder=OwnAttention(model.decoder, free), beam_search=None)  # type: ignore[arg-type]
    encoding = model.read_source(source)
    again = search(overriding, request, search_settings(request, model), encoding, record_source(model, encoding))

    assert [node.token_id for node in again.nodes] == [node.token_id for node in free.nodes]
    assert [h.token_ids for h in again.hypotheses] == [h.token_ids for h in free.hypotheses]
    assert [h.score for h in again.hypotheses] == pytest.approx([h.score for h in free.hypotheses], abs=1e-5)


@settings(max_examples=30)
@given(sources, beams, penalties, stoppings, st.integers(1, 14), st.integers(1, 12))
def test_steps_in_one_call_are_those_that_run_one_by_one(
    model: ExportedModel, source: str, beam: int, penalty: float, stopping: EarlyStopping, length: int, top_k: int
) -> None:
    asked = make_request(
        source, beam_size=beam, length_penalty=penalty, early_stopping=stopping, max_length=length, top_k=top_k
    )
    request, encoding = complete_request(asked, model), model.read_source(source)
    together, apart = (
        search(way, request, search_settings(request, model), encoding, record_source(model, encoding))
        for way in (model, replace(model, beam_search=None))
    )

    assert model.beam_search is not None
    assert together.stop is apart.stop
    assert [node.token_id for node in together.nodes] == [node.token_id for node in apart.nodes]
    assert [node.score for node in together.nodes] == pytest.approx([node.score for node in apart.nodes], abs=1e-5)
    for ours, theirs in zip(together.steps, apart.steps, strict=True):
        assert [(c.token_id, c.fate, c.pruned_by) for c in ours.candidates] == [
            (c.token_id, c.fate, c.pruned_by) for c in theirs.candidates
        ]
        np.testing.assert_allclose(ours.states["decoder"], theirs.states["decoder"], atol=1e-5)


@settings(max_examples=10)
@given(sources, beams)
def test_scores_of_a_trace_are_the_forced_scores_of_its_hypotheses(engine: Engine, source: str, beam: int) -> None:
    trace = engine.translate(make_request(source, beam_size=beam))

    for hypothesis in trace.hypotheses:
        if not hypothesis.finished or not hypothesis.text.strip() or not set(hypothesis.tokens[:-1]) <= set("uvwxyz"):
            continue
        forced = engine.score(trace.request, hypothesis.text)
        assert forced.tokens == hypothesis.tokens
        assert forced.log_probs == pytest.approx(np.array(hypothesis.log_probs), abs=1e-5)
        assert forced.normalized == pytest.approx(hypothesis.normalized, abs=1e-5)


def test_an_override_moves_attention_at_its_step_alone(engine: Engine) -> None:
    trace = engine.translate(make_request("abc de", overrides=(AttentionOverride(2, ((0, 1.0), (3, 3.0))),)))

    attention = trace.attention(trace.best)
    assert attention is not None
    assert attention[2, 0, 0] == pytest.approx(np.array([0.25, 0, 0, 0.75, 0, 0, 0]), abs=1e-6)
    assert [step.overridden for step in trace.steps[:4]] == [False, False, True, False]


def test_steps_before_an_override_are_pinned_to_the_models_own_output(engine: Engine) -> None:
    free = engine.translate(make_request("abc de"))

    pinned = engine.translate(make_request("abc de", overrides=(AttentionOverride(3, ((0, 1.0),)),)))

    assert pinned.request.prefix == free.best.tokens[:3]
    assert all(step.forced_id is not None for step in pinned.steps[:3])


def test_two_overrides_pin_what_the_first_one_led_to(engine: Engine) -> None:
    first = AttentionOverride(1, ((0, 1.0),))
    after_first = engine.translate(make_request("abc de", overrides=(first,)))

    both = engine.translate(make_request("abc de", overrides=(first, AttentionOverride(3, ((2, 1.0),)))))

    assert both.request.prefix == after_first.best.tokens[:3]


def test_choosing_a_word_decodes_on_from_it(engine: Engine) -> None:
    trace = engine.translate(make_request("abc de"))
    second = trace.top_k(trace.best)[1][1].token

    changed = engine.translate(apply(Replace(1, (second,)), trace, trace.best).request)

    assert changed.best.tokens[:2] == (trace.best.tokens[0], second)


def test_forcing_any_node_of_the_tree_leads_through_it(engine: Engine) -> None:
    trace = engine.translate(make_request("abc de", beam_size=4))

    for node in trace.nodes[1:]:
        forced = engine.translate(apply(ForceNode(node.index), trace, trace.best).request)
        path = tuple(entry.token for entry in trace.path(node.index))
        assert forced.best.tokens[: len(path)] == path
        reached = next(n for n in forced.nodes if n.length == node.length and n.parent != -1)
        assert reached.score == pytest.approx(node.score, abs=1e-4)


def test_choosing_the_end_of_sentence_ends_there(engine: Engine) -> None:
    trace = engine.translate(make_request("abc de"))

    ended = engine.translate(apply(Replace(2, ("</s>",)), trace, trace.best).request)

    assert ended.best.tokens == (*trace.best.tokens[:2], "</s>")
    assert ended.stop is Stop.FINISHED


def test_tokens_that_the_prefix_forbids_say_so(engine: Engine) -> None:
    trace = engine.translate(make_request("abc de", prefix=("u",)))

    fates = {candidate.token: candidate.pruned_by for candidate in trace.steps[0].candidates}
    assert fates.pop("u") is None
    assert set(fates.values()) == {PrunedBy.PREFIX}
    assert trace.steps[0].nodes == (ROOT,)


def test_the_length_limit_closes_hypotheses_as_they_are(engine: Engine) -> None:
    trace = engine.translate(make_request("abc de", max_length=2))

    assert trace.stop is Stop.MAX_LENGTH
    assert {len(hypothesis.tokens) for hypothesis in trace.hypotheses} <= {1, 2}
    assert not all(hypothesis.finished for hypothesis in trace.hypotheses)


def test_top_k_are_probabilities_of_the_steps_own_distribution(engine: Engine, next_log_probs: NextLogProbs) -> None:
    trace = engine.translate(make_request("abc de", top_k=10))

    for t, choices in enumerate(trace.top_k(trace.best)):
        expected = next_log_probs("abc de", trace.best.token_ids[:t])
        assert sum(math.exp(choice.log_prob) for choice in choices) == pytest.approx(1, abs=1e-4)
        for choice in choices:
            assert choice.log_prob == pytest.approx(expected[choice.token_id], abs=1e-4)


def test_equal_requests_are_answered_by_one_trace(engine: Engine) -> None:
    spelled_out = make_request("abc", beam_size=5, length_penalty=1.0, max_length=12, early_stopping="estimate")

    assert engine.translate(make_request("abc")) is engine.translate(spelled_out)


def test_states_have_a_row_for_every_token(engine: Engine) -> None:
    trace: Trace = engine.translate(make_request("abc de"))

    assert trace.states("encoder").shape == (7, 16)
    assert trace.states("decoder").shape == (len(trace.best.tokens), 12)
    assert trace.states("context", trace.hypotheses[-1]).shape == (len(trace.hypotheses[-1].tokens), 16)
