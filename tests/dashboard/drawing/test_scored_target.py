"""The step where a scored target leaves the model's own path."""

from __future__ import annotations

from dataclasses import replace

from dashboard.drawing.scored_target import say_departure
from tests.dashboard.sentences import TEXT, make_trace

TRACE = make_trace()
FORCED = replace(TRACE, request=replace(TRACE.request, prefix=TRACE.best.tokens))


def test_a_target_of_first_choices_never_leaves_the_path() -> None:
    assert say_departure(FORCED, FORCED.best, TEXT) == "Every token of the scored target is the model's first choice."


def test_the_first_step_that_is_no_first_choice_is_named_with_its_rank() -> None:
    choices = TRACE.top_k(TRACE.best)[3]
    tokens = (*TRACE.best.tokens[:3], choices[1].token, *TRACE.best.tokens[4:])
    ids = (*TRACE.best.token_ids[:3], choices[1].token_id, *TRACE.best.token_ids[4:])
    other = replace(TRACE.best, tokens=tokens, token_ids=ids)
    forced = replace(TRACE, request=replace(TRACE.request, prefix=tokens))

    said = say_departure(forced, other, TEXT)

    assert f"at step 4: “{choices[1].token}”" in said
    assert "rank 2" in said
    assert f"own choice is “{choices[0].token}”" in said


def test_a_target_that_was_searched_is_not_spoken_of() -> None:
    assert say_departure(TRACE, TRACE.best, TEXT) == ""
