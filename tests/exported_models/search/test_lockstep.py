"""Searches that run in lockstep find what each finds alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exported_models.contract.request import AttentionOverride, ForbiddenPhrase, HeadAblation, Request
from exported_models.contract.workspace import Workspace
from exported_models.engine import Engine
from exported_models.runtime.cancellation import UnwantedError, begin_cancellable
from exported_models.search import lockstep
from tests.exported_models.together import assert_as_alone

SOURCE = "abc de"
TOKENS = tuple("uvwxyz")

prefixes = st.lists(st.sampled_from(TOKENS), max_size=4).map(tuple)
overrides = st.builds(AttentionOverride, st.integers(0, 4), st.tuples(st.tuples(st.integers(0, 5), st.floats(0.1, 5))))
requests = st.builds(
    Request,
    st.just("random"),
    st.sampled_from([SOURCE, "abc", "hgf edc ba"]),
    prefixes,
    st.lists(overrides, max_size=2).map(tuple),
    beam_size=st.none() | st.integers(1, 5),
    length_penalty=st.none() | st.floats(0, 2),
    max_length=st.integers(1, 12),
    top_k=st.integers(1, 8),
    early_stopping=st.sampled_from([None, "first", "never"]),
    ablations=st.sampled_from([(), (), (HeadAblation("cross", 0, 0),)]),
    forbidden=st.lists(st.builds(ForbiddenPhrase, prefixes, st.none() | st.integers(0, 4)), max_size=2).map(tuple),
    kept=st.lists(prefixes, max_size=2).map(tuple),
    repetition_penalty=st.none() | st.floats(1, 3),
    min_length=st.none() | st.integers(0, 9),
    ngram_size=st.none() | st.integers(0, 3),
    source_ngram_size=st.none() | st.integers(0, 3),
)


@settings(max_examples=40)
@given(st.lists(requests, min_size=1, max_size=8))
def test_each_request_is_answered_as_alone(engine: Engine, asked: list[Request]) -> None:
    assert_as_alone(engine, asked)


def test_batches_of_few_rows_find_the_same(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    words = [Request("random", SOURCE, (token,), beam_size=3) for token in TOKENS]
    other = [Request("random", "cab" + token, beam_size=3) for token in "abcd"]
    done: list[int] = []

    monkeypatch.setattr(lockstep, "MOST_ROWS", 6)
    assert_as_alone(engine, [*words, *other])
    engine.translate_all([*words, *other], done.append)

    assert done == [2, 2, 2, 2, 2]


def test_a_prefix_far_from_the_top_has_its_own_score(dates_workspace: Workspace) -> None:
    base = Request("dates", "March 3, 1999", beam_size=2, top_k=1)

    asked = [replace(base, prefix=tuple(text)) for text in ("77-", "0000", "3")]

    assert_as_alone(Engine(dates_workspace, threads=1), asked)


def test_a_cancelled_call_stops(engine: Engine) -> None:
    with begin_cancellable() as work:
        work.cancel()
        with pytest.raises(UnwantedError):
            engine.translate_all([Request("random", "hgfe")])
