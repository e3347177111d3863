"""What-ifs that are tried together: the lists of them, their effects, and their order."""

from __future__ import annotations

import pytest

from exported_models.contract.documents import RequestDocument
from exported_models.contract.request import HeadAblation, Request
from exported_models.contract.trace import Trace
from exported_models.contract.wishes import Ablate, Choose, Forbid, Substitute, Wish
from exported_models.contract.workspace import Workspace
from exported_models.edits import apply
from exported_models.engine import Engine
from exported_models.what_ifs.documents import WhatIfsDocument
from exported_models.what_ifs.listing import Kind, list_heads, list_wishes, list_words, write_each
from exported_models.what_ifs.trials import measure_steps, rank_trials, try_wishes

SOURCE = "March 3, 1999"


@pytest.fixture(scope="module")
def dates(dates_workspace: Workspace) -> Engine:
    return Engine(dates_workspace, threads=1)


@pytest.fixture(scope="module")
def trace(dates: Engine) -> Trace:
    return dates.translate(Request("dates", SOURCE, beam_size=3))


def test_every_wish_has_the_answer_that_it_has_alone(dates: Engine, trace: Trace) -> None:
    wishes: list[Wish] = [*list_words(trace, trace.best), *list_heads(dates.model("dates").manifest)]
    wishes += [Substitute(0, month) for month in ("May", "December", "Mar")]

    trials = try_wishes(dates, trace, trace.best, wishes)

    assert [trial.wish for trial in trials] == wishes
    for trial in trials:
        edit = apply(trial.wish, trace, trace.best)
        alone = dates.translate(edit.request).best
        assert trial.translation is not None
        assert (trial.words, trial.translation.text) == (edit.words, alone.text)
        assert trial.score_change == pytest.approx(alone.normalized - trace.best.normalized, abs=1e-4)
        assert (trial.changed_share > 0) == (alone.text != trace.best.text)


def test_the_lists_hold_every_other_word_and_every_head_once(engine: Engine) -> None:
    request = Request("random", "abc de", beam_size=2, top_k=4, ablations=(HeadAblation("cross", 0, 0),))
    free, ablated = engine.translate(Request("random", "abc de", beam_size=2, top_k=4)), engine.translate(request)
    manifest = engine.model("random").manifest

    words = list_words(free, free.best)

    assert len(words) == sum(
        choice.token != token
        for token, choices in zip(free.best.tokens, free.top_k(free.best), strict=True)
        for choice in choices
    )
    assert list_heads(manifest) == [Ablate((HeadAblation("cross", 0, 0),))]
    substitutes = write_each("source", 1, ("a", "b", "a"))
    both = list_wishes([Kind.HEADS, Kind.SUBSTITUTES], manifest, ablated, ablated.best, substitutes)
    assert both == [Substitute(1, "a"), Substitute(1, "b")]


def test_those_that_change_most_come_first_and_refused_ones_last(dates: Engine, trace: Trace) -> None:
    wishes: list[Wish] = [
        Choose(99, 0),
        Choose(0, 0),
        Choose(3, 1),
        Forbid(trace.best.tokens[:1], step=0),
        Substitute(0, "ß"),
    ]

    ranked = rank_trials(try_wishes(dates, trace, trace.best, wishes))

    assert [trial.changed_share for trial in ranked[:3]] == [1.0, 1.0, 0.0]
    assert [bool(trial.reason) for trial in ranked] == [False, False, False, True, True]
    assert {"There is no step 99" in trial.reason for trial in ranked[3:]} == {True, False}


def test_a_step_is_measured_by_the_words_that_were_tried_there(dates: Engine, trace: Trace) -> None:
    trials = try_wishes(dates, trace, trace.best, [Choose(3, 0), Choose(3, 1), Choose(0, 0)])

    assert measure_steps(trials, 4) == [0.0, None, None, 0.5]
    document = WhatIfsDocument.of(RequestDocument.of(trace.request), trace.best, trials, total=9)
    assert WhatIfsDocument.model_validate_json(document.to_json()).trials[0].wish == Choose(3, 1)
