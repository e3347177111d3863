"""The algebra of requests: what each wish changes, what it says, and that the model's own choices change nothing."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from exported_models.contract.documents import RequestDocument, WhatIfDocument
from exported_models.contract.errors import RequestError
from exported_models.contract.request import RULES, AttentionOverride, ForbiddenPhrase, HeadAblation, Request
from exported_models.contract.trace import Fate, PrunedBy, Trace
from exported_models.contract.wishes import (
    Ablate,
    Allow,
    Attend,
    AttendEvenly,
    AttendSteps,
    Choose,
    CopyAttention,
    Drop,
    EditSource,
    EditTarget,
    Forbid,
    Force,
    ForceCandidate,
    ForceNode,
    Keep,
    KeepCandidate,
    KeepChoice,
    KeepNode,
    OwnAttention,
    PlainWish,
    Replace,
    Restore,
    SetLanguages,
    SetSearch,
    StartOver,
    Substitute,
    SubstituteTarget,
    Wish,
    read_wish,
    write_wish,
)
from exported_models.edits import apply, read_weights, revise, start, substitute_word, toggle_heads
from exported_models.engine import Engine
from exported_models.wording import describe_change

SOURCE = "abc de"
CANNOT_SPELL = "is not in the model's vocabulary|control character|at most|stands for no text"
HEAD = HeadAblation("cross", 0, 0)

small = st.integers(0, 8)
tokens = st.lists(st.text(max_size=3), max_size=3).map(tuple)
default = st.just("default")
heads = st.lists(st.builds(HeadAblation, st.sampled_from(["encoder", "decoder", "cross"]), small, small), max_size=3)
searches = st.builds(
    SetSearch,
    beam_size=st.none() | default | st.integers(1, 100),
    length_penalty=st.none() | default | st.floats(-10, 10),
    max_length=st.none() | default | st.integers(1, 1024),
    repetition_penalty=st.none() | default | st.floats(1, 10),
    min_length=st.none() | default | st.integers(0, 1024),
    ngram_size=st.none() | default | small,
    source_ngram_size=st.none() | default | small,
    early_stopping=st.none() | default | st.sampled_from(["estimate", "first", "never"]),
    top_k=st.none() | st.integers(1, 100),
)
layers = st.none() | small
attends = st.builds(Attend, small, st.lists(st.tuples(small, st.floats(0, 10)), max_size=3).map(tuple), layers, layers)
wishes: st.SearchStrategy[Wish] = st.one_of(
    st.builds(Choose, small, small),
    st.builds(Replace, small, tokens),
    st.builds(Force, tokens),
    st.builds(ForceNode, small),
    st.builds(ForceCandidate, small, small),
    st.builds(Keep, tokens),
    st.builds(KeepChoice, small, small),
    st.builds(KeepNode, small),
    st.builds(KeepCandidate, small, small),
    st.builds(Drop, tokens),
    attends,
    st.builds(AttendEvenly, small, layers, layers),
    st.builds(CopyAttention, small, layers, layers, layers, layers, layers),
    st.builds(AttendSteps, st.lists(attends, max_size=3).map(tuple)),
    st.builds(Forbid, tokens, st.text(max_size=3), st.none() | small),
    st.builds(Allow, tokens),
    st.builds(EditTarget, st.text(), st.booleans()),
    st.builds(SubstituteTarget, small, st.text()),
    st.builds(OwnAttention, st.none() | small),
    st.builds(Ablate, heads.map(tuple)),
    st.builds(Restore, heads.map(tuple)),
    st.builds(Substitute, small, st.text()),
    st.builds(EditSource, st.text()),
    searches,
    st.builds(StartOver, st.text(), st.none() | st.just("random"), searches),
)


@pytest.fixture(scope="module")
def trace(engine: Engine) -> Trace:
    return engine.translate(Request("random", SOURCE, beam_size=4))


@pytest.fixture(scope="module")
def greedy(engine: Engine) -> Trace:
    return engine.translate(Request("random", SOURCE, beam_size=1))


@given(wishes)
def test_a_wish_survives_its_json(wish: Wish) -> None:
    assert read_wish(json.loads(json.dumps(write_wish(wish)))) == wish


@given(wishes)
def test_every_wish_says_what_it_changed_or_names_what_is_not_there(engine: Engine, trace: Trace, wish: Wish) -> None:
    edit, refusal = None, ""
    try:
        edit = apply(wish, trace, trace.best, target=engine.target_text("random"))
    except RequestError as error:
        refusal = str(error)

    assert edit.words.strip() if edit else re.search(f"There is no|is empty|{CANNOT_SPELL}", refusal)
    assert edit is None or type(edit.request) is Request


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"verb": "wish"},
        {"verb": "choose", "step": 1},
        {"verb": "choose", "step": 1, "rank": 0, "beam": 2},
        {"verb": "choose", "step": "1", "rank": 0},
        {"verb": "force_node", "node": -1},
        {"verb": "set_search", "beam_size": 0},
        {"verb": "attend", "step": 0, "weights": [[0, float("nan")]]},
    ],
)
def test_what_is_no_wish_is_refused(document: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        read_wish(document)


def test_a_what_if_is_one_document() -> None:
    body = {"request": {"model_id": "random", "source": SOURCE}, "wish": {"verb": "choose", "step": 0, "rank": 1}}

    asked = WhatIfDocument.model_validate_json(json.dumps(body))

    assert (asked.request.to_request(), asked.hypothesis, asked.wish) == (Request("random", SOURCE), 0, Choose(0, 1))


def test_the_model_s_own_choices_change_nothing(engine: Engine, greedy: Trace) -> None:
    best = greedy.best
    attention = greedy.attention(best)
    assert attention is not None
    own = tuple(enumerate(attention[2, 0, 0].tolist()))
    unchanged: list[Wish] = [
        *(Choose(step, 0) for step in range(len(best.tokens))),
        Force(best.tokens[:3]),
        ForceNode(best.nodes[2]),
        Replace(1, best.tokens[1:3]),
        Attend(2, own),
        Substitute(0, "abc"),
        EditSource(SOURCE),
        SetSearch(),
        Restore((HEAD,)),
        OwnAttention(),
        CopyAttention(2),
        CopyAttention(2, 2, 0, 0, 0, 0),
        AttendSteps((Attend(2, own), Attend(3, read_weights(greedy, best, 3)))),
        Allow(),
        EditTarget(best.text),
        EditTarget(best.text[:3], ends=False),
        SubstituteTarget(1, best.text),
    ]

    for wish in unchanged:
        again = engine.translate(apply(wish, greedy, best, target=engine.target_text("random")).request).best
        assert again.tokens == best.tokens, wish
        assert again.score == pytest.approx(best.score, abs=1e-4), wish


def test_a_candidate_that_was_pruned_is_forced_or_kept_with_its_prefix(trace: Trace) -> None:
    candidate = next(entry for entry in trace.steps[3].candidates if entry.fate is Fate.PRUNED)
    path = (*(node.token for node in trace.path(candidate.parent)), candidate.token)

    assert apply(ForceCandidate(3, candidate.rank), trace, trace.best).request.prefix == path
    kept = apply(KeepCandidate(3, candidate.rank), trace, trace.best)
    assert (kept.request.prefix, kept.request.kept) == ((), (path,))
    assert kept.words == f"4: “{path[-1]}” beside the beam"


def test_kept_paths_are_added_dropped_and_given_up_by_another_beginning(engine: Engine, trace: Trace) -> None:
    word = trace.top_k(trace.best)[1][1].token
    kept = apply(KeepChoice(1, 1), trace, trace.best).request
    before = engine.translate(kept)
    both = engine.translate(revise(kept, Keep(("x", "y", "z"))))
    first = trace.best.tokens[0]

    assert kept.kept == ((first, word),)
    assert set(both.request.kept) == {(first, word), ("x", "y", "z")}
    assert revise(both.request, Drop(("x", "y", "z"))).kept == kept.kept
    assert revise(both.request, Drop()).kept == ()
    assert revise(both.request, Force((first,))).kept == kept.kept
    assert apply(Attend(1, ((0, 1.0),)), both, both.best).request.kept == kept.kept
    assert describe_change(before, before.best, both) == "3: “z” beside the beam"


def test_attention_is_pinned_to_the_hypothesis_in_view(trace: Trace) -> None:
    shown = trace.hypotheses[1]

    edit = apply(Attend(2, ((1, 1.0),)), trace, shown)

    assert edit.request.prefix == shown.tokens[:2]
    assert edit.request.overrides == (AttentionOverride(2, ((1, 1.0),)),)
    assert edit.words == "3: attention → “b”"


def test_overrides_added_to_a_bare_request_are_those_that_were_pinned_one_by_one(engine: Engine) -> None:
    first, second = Attend(1, ((0, 1.0),)), Attend(3, ((2, 1.0), (1, 2.0)))
    bare = Request("random", SOURCE, beam_size=4)
    pinned = engine.translate(bare)
    for wish in (first, second):
        pinned = engine.translate(apply(wish, pinned, pinned.best).request)

    at_once = engine.translate(revise(revise(bare, first), second))

    assert at_once.request == pinned.request


def test_own_attention_drops_the_overrides_of_one_step_or_of_all(trace: Trace) -> None:
    request = revise(revise(trace.request, Attend(0, ((0, 1.0),))), Attend(2, ((0, 1.0),)))

    assert [entry.step for entry in revise(request, OwnAttention(0)).overrides] == [2]
    assert revise(request, OwnAttention()).overrides == ()


def test_attention_is_spread_evenly_or_copied_from_another_step(engine: Engine, trace: Trace) -> None:
    even = engine.translate(apply(AttendEvenly(2), trace, trace.best).request)
    copied = engine.translate(apply(CopyAttention(2, 0), trace, trace.best).request)

    own, evened, taken = (one.attention(one.best) for one in (trace, even, copied))
    assert own is not None
    assert evened is not None
    assert taken is not None
    assert evened[2, 0, 0].tolist() == pytest.approx([1 / len(trace.source)] * len(trace.source))
    assert taken[2, 0, 0].tolist() == pytest.approx(own[0, 0, 0].tolist(), abs=1e-6)


def test_several_steps_are_pinned_before_the_first(trace: Trace) -> None:
    several = AttendSteps((Attend(3, ((2, 1.0),)), Attend(1, ((0, 1.0),))))

    edit = apply(several, trace, trace.best)

    assert edit.request.prefix == trace.best.tokens[:1]
    assert [entry.step for entry in edit.request.overrides] == [1, 3]
    assert edit.words == "attention of steps 2, 4"


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        (Forbid(text=" "), "The forbidden phrase is empty; type"),
        (AttendSteps(()), "There is no step to change attention of; name one"),
        (Choose(1, 99), "There is no rank 99 at step 1: there are ranks 0 to"),
        (KeepCandidate(1, 999), "There is no rank 999 at step 1: there are ranks 0 to"),
    ],
)
def test_a_wish_that_names_nothing_is_refused_with_what_it_lacks(
    engine: Engine, trace: Trace, wish: Wish, message: str
) -> None:
    with pytest.raises(RequestError, match=message):
        apply(wish, trace, trace.best, target=engine.target_text("random"))


def test_a_head_that_is_named_twice_is_one_head(trace: Trace) -> None:
    assert apply(Ablate((HEAD, HEAD)), trace, trace.best).words == apply(Ablate((HEAD,)), trace, trace.best).words


def test_a_forbidden_phrase_is_said_nowhere_or_not_at_its_step(engine: Engine, trace: Trace) -> None:
    pair = trace.best.tokens[1:3]

    nowhere = engine.translate(apply(Forbid(pair), trace, trace.best).request)
    once = engine.translate(apply(Forbid(pair, step=1), trace, trace.best).request)

    for hypothesis in nowhere.hypotheses:
        assert pair not in {hypothesis.tokens[at : at + 2] for at in range(len(hypothesis.tokens))}
    assert all(hypothesis.tokens[1:3] != pair for hypothesis in once.hypotheses)
    assert engine.translate(apply(Allow(pair), nowhere, nowhere.best).request) is trace
    fates = {candidate.pruned_by for step in nowhere.steps for candidate in step.candidates}
    assert PrunedBy.FORBIDDEN in fates


def test_forbidden_words_that_leave_nothing_are_refused_by_name(engine: Engine, trace: Trace) -> None:
    everything = tuple(ForbiddenPhrase((token,)) for token in engine.model("random").target_tokenizer.tokens)

    with pytest.raises(RequestError, match="leave nothing to write at step 1"):
        engine.translate(replace(trace.request.as_request(), forbidden=everything))
    with pytest.raises(RequestError, match="phrase is empty"):
        engine.translate(replace(trace.request.as_request(), forbidden=(ForbiddenPhrase(()),)))
    with pytest.raises(RequestError, match="'no token' is not one the model can produce"):
        engine.translate(replace(trace.request.as_request(), forbidden=(ForbiddenPhrase(("no token",)),)))


def test_a_target_is_scored_as_it_stands_with_every_rank(engine: Engine, trace: Trace) -> None:
    text = trace.hypotheses[-1].text[:5].strip()

    edited = engine.translate(apply(EditTarget(text), trace, trace.best, target=engine.target_text("random")).request)
    scored = engine.score(trace.request, text)

    assert edited.best.log_probs == pytest.approx(scored.log_probs.tolist(), abs=1e-4)
    assert len(edited.hypotheses) == 1


def test_a_target_word_is_written_anew_and_the_model_goes_on(engine: Engine, trace: Trace) -> None:
    text = engine.target_text("random")

    edit = apply(SubstituteTarget(0, "zz"), trace, trace.best, target=text)

    assert edit.words == f"“{trace.best.text}” → “zz”"
    assert engine.translate(edit.request).best.text.startswith("zz")
    with pytest.raises(RequestError, match="no word to write"):
        apply(SubstituteTarget(0, " "), trace, trace.best, target=text)
    with pytest.raises(RequestError, match="needs the tokenizer"):
        apply(EditTarget("zz"), trace, trace.best)


@pytest.mark.parametrize("wish", [EditSource("dd"), SetLanguages(source="fr"), SetLanguages(target="fr")])
def test_another_source_or_language_keeps_what_is_of_the_model_and_drops_what_is_of_the_old_text(
    wish: PlainWish,
) -> None:
    everywhere = ForbiddenPhrase(("a",))
    before = Request(
        "random",
        SOURCE,
        prefix=("b",),
        ablations=(HEAD,),
        forbidden=(everywhere, ForbiddenPhrase(("c",), 2)),
        kept=(("b", "c"),),
    )

    after = revise(before, wish)

    assert (after.prefix, after.kept, after.ablations, after.forbidden) == ((), (), (HEAD,), (everywhere,))


def test_heads_are_switched(trace: Trace) -> None:
    other = HeadAblation("cross", 0, 1)
    without = revise(trace.request, Ablate((HEAD,)))

    assert toggle_heads(without, [HEAD]) == Restore((HEAD,))
    assert toggle_heads(without, [HEAD, other]) == Ablate((HEAD, other))
    assert revise(without, Restore((HEAD,))).ablations == ()


def test_starting_over_drops_every_what_if_and_keeps_the_search_of_the_same_model() -> None:
    override = AttentionOverride(0, ((0, 1.0),))
    changed = Request("random", SOURCE, ("u",), (override,), 3, 0.5, max_length=9, top_k=7, ablations=(HEAD,))

    assert revise(changed, StartOver("dd")) == Request("random", "dd", (), (), 3, 0.5, max_length=9, top_k=7)
    assert revise(changed, StartOver("dd", "dates")) == Request("dates", "dd", top_k=7)


def test_an_edited_source_keeps_the_ablated_heads_alone() -> None:
    changed = Request("random", SOURCE, ("u",), (AttentionOverride(0, ((0, 1.0),)),), 3, ablations=(HEAD,))

    assert revise(changed, EditSource("dd")) == Request("random", "dd", (), (), 3, ablations=(HEAD,))


def test_the_first_request_names_its_model() -> None:
    assert start(StartOver("dd", "random", SetSearch(2))) == Request("random", "dd", beam_size=2)
    with pytest.raises(RequestError, match="No model is named"):
        start(StartOver("dd"))


def test_a_setting_goes_back_to_the_model_s_own() -> None:
    changed = Request("random", SOURCE, beam_size=3, length_penalty=0.5)

    assert revise(changed, SetSearch("default")) == replace(changed, beam_size=None)


def test_rules_of_the_search_are_settings(engine: Engine, trace: Trace) -> None:
    wish = SetSearch(repetition_penalty=1.5, min_length=4, ngram_size=2, source_ngram_size=3)

    edit = apply(wish, trace, trace.best)
    after = engine.translate(edit.request)

    assert edit.words == (
        "repetition penalty 1.5, length at least 4, no-repeat n-gram 2, no-repeat n-gram of the source 3"
    )
    assert describe_change(trace, trace.best, after) == edit.words
    assert RequestDocument.of(after.request).to_request() == after.request.as_request()
    assert engine.translate(revise(edit.request, SetSearch.of_model(*RULES))) is trace


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"repetition_penalty": 0.5}, "The repetition penalty 0.5 is out of range; choose from 1 to 10."),
        ({"ngram_size": -1}, "The ngram size -1 is out of range"),
    ],
)
def test_rules_that_cannot_be_kept_are_refused(engine: Engine, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=re.escape(message)):
        engine.translate(Request("random", SOURCE, **wrong))


def test_a_source_word_is_written_anew_between_its_spaces(trace: Trace) -> None:
    edit = apply(Substitute(0, "cc"), trace, trace.best)

    assert edit.request.source == "cc de"
    assert edit.words == "“abc” → “cc”"
    assert substitute_word(trace.source, 1, "h") == "abc h"
    with pytest.raises(RequestError, match="There is no source word 2"):
        substitute_word(trace.source, 2, "h")


def test_a_completed_request_can_be_asked_again(engine: Engine, trace: Trace) -> None:
    assert engine.translate(trace.request) is trace
    assert engine.translate(trace.request.as_request()) is trace


def test_attention_is_copied_from_the_translation_beside(engine: Engine, trace: Trace) -> None:
    other = engine.translate(Request("random", "de abc"))
    attention = other.attention(other.best)
    assert attention is not None

    edit = apply(CopyAttention(2, 1, beside=True), trace, trace.best, beside=(other, other.best))
    copied = engine.translate(edit.request)
    now = copied.attention(copied.best)

    assert edit.words == f"3: attention of step 2 of “{other.best.text}”"
    assert now is not None
    assert now[2, 0, 0].tolist() == pytest.approx(attention[1, 0, 0].tolist(), abs=1e-6)


def test_attention_is_copied_between_sources_of_equally_many_tokens(engine: Engine, trace: Trace) -> None:
    shorter = engine.translate(Request("random", "abc"))
    numbers = f"has {len(shorter.source)} tokens and this one {len(trace.source)};"

    with pytest.raises(RequestError, match=numbers):
        apply(CopyAttention(0, beside=True), trace, trace.best, beside=(shorter, shorter.best))
    with pytest.raises(RequestError, match="no translation beside this one"):
        apply(CopyAttention(0, beside=True), trace, trace.best)
