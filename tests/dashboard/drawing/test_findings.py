"""The sentences of the five stages."""

import math
import re
from dataclasses import replace

import numpy as np

from dashboard.drawing.findings import (
    Finding,
    Focus,
    find_attention,
    find_decoder,
    find_encoder,
    find_focus,
    find_prediction,
    find_search,
    probability_margins,
)
from dashboard.state.page_state import Selection
from tests.dashboard.sentences import TEXT, make_trace

TRACE = make_trace()


def test_attention_counts_the_words_that_carry_the_mass() -> None:
    sharp = np.array([[0.9, 0.1, 0], [0.5, 0.3, 0.2]], np.float32)

    assert find_attention(sharp, 0.75, 0).sentence == "1 to 2 tokens carry 75 %"
    assert find_attention(sharp[:1], 0.75, 0).sentence == "1 token carries 75 %"
    assert find_attention(np.full((1, 20), 0.05, np.float32), 0.75, 0).look is True
    assert find_attention(sharp, 0.75, 1).look is True
    assert find_attention(np.zeros((2, 3), np.float32), 0.75, 0, 1) == Finding("without 1 head", True)
    assert find_attention(sharp, 0.75, 1, 2).sentence == "overridden at 1 step, without 2 heads"


def test_a_model_without_attention_has_nothing_to_judge() -> None:
    assert find_attention(None, 0.75, 0).look is None


def test_prediction_names_the_closest_call() -> None:
    finding = find_prediction(TRACE, TRACE.best, TEXT)

    assert finding.sentence == "closest call: the 52, forest 38"
    assert finding.look is True


def test_prediction_names_a_step_the_model_did_not_choose() -> None:
    unlike = next(
        hypothesis
        for hypothesis in TRACE.hypotheses
        if any(
            choices[0].token_id != token_id
            for choices, token_id in zip(TRACE.top_k(hypothesis), hypothesis.token_ids, strict=True)
        )
    )

    finding = find_prediction(TRACE, unlike, TEXT)

    assert "not its first choice" in finding.sentence
    assert finding.look is True


def test_search_compares_the_two_best() -> None:
    assert find_search(TRACE, TRACE.best).sentence.startswith("best −0.19, next −")
    greedy = make_trace(beam=1)
    assert find_search(greedy, greedy.best).sentence.startswith("one hypothesis, ")


def test_search_says_what_is_forced() -> None:
    forced = replace(TRACE, request=replace(TRACE.request, prefix=("A",)))

    assert find_search(forced, forced.best).sentence.startswith("1 token forced")


def test_states_deserve_a_look_when_few_are_among_their_own() -> None:
    assert find_encoder(9, 10).look is False
    assert find_encoder(2, 10).look is True
    assert find_decoder(11, 11).look is False
    assert find_decoder(10, 11).sentence == "neighbors agree at 10 of 11 steps"


def test_the_word_to_begin_with_is_the_one_the_strip_names() -> None:
    for hypothesis in TRACE.hypotheses:
        focus = find_focus("target", None, TRACE, hypothesis)

        margins = probability_margins(TRACE, hypothesis)
        assert margins[focus.index] == min(margins)
        named = rf"(: |, |“){re.escape(TEXT.show(hypothesis.tokens[focus.index]))}”? \d"
        assert re.search(named, find_prediction(TRACE, hypothesis, TEXT).sentence)
        assert focus.reason == "closest call"


def test_a_margin_is_negative_where_another_word_was_more_probable() -> None:
    for hypothesis in TRACE.hypotheses:
        margins = probability_margins(TRACE, hypothesis)

        refused = [
            choices[0].token_id != token_id
            for choices, token_id in zip(TRACE.top_k(hypothesis), hypothesis.token_ids, strict=True)
        ]
        assert [margin < 0 for margin in margins] == refused
        assert all(margin <= math.exp(log_prob) for margin, log_prob in zip(margins, hypothesis.log_probs, strict=True))


def test_a_selected_word_is_looked_at_on_its_own_side_only() -> None:
    assert find_focus("source", Selection("source", 2), TRACE, TRACE.best) == Focus(2)
    assert find_focus("source", Selection("target", 2), TRACE, TRACE.best) == Focus(0, "first word")
    assert find_focus("target", Selection("target", 2), TRACE, TRACE.best) == Focus(2)
