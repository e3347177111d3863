"""Evidence of a state's neighbors, in values and sentences."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.drawing.evidence import compare_predictions, describe_distance, mark_token
from exported_models.contract.trace import TokenChoice
from exported_models.tokenizers.characters import CharacterTokenizer
from state_store.neighborhood import ImpliedToken

TOKENIZER = CharacterTokenizer(("<pad>", "</s>", *"abcdefgh "), end_id=1, special_ids=frozenset({0, 1}))


@given(st.text(alphabet="abcdefgh ", min_size=1, max_size=12), st.integers(-2, 14))
def test_marking_a_token_never_changes_the_text(text: str, position: int) -> None:
    marked = mark_token(text, position, TOKENIZER, "")

    assert marked.before + marked.marked + marked.after == text
    if 0 <= position < len(text):
        assert marked.marked == text[position]
        assert len(marked.before) == position


def test_the_end_of_the_sentence_is_marked_by_its_sign_and_beyond_it_nothing_is() -> None:
    assert mark_token("abc", 3, TOKENIZER, "⏎").marked == "⏎"
    assert mark_token("abc", 4, TOKENIZER, "⏎").marked == ""
    assert mark_token("abc", -1, TOKENIZER, "⏎").marked == ""


def test_markup_in_a_corpus_text_stays_as_it_is() -> None:
    tokenizer = CharacterTokenizer(("<pad>", "</s>", *"<b>"[:2], ">", "x"), end_id=1, special_ids=frozenset({0, 1}))

    marked = mark_token("<b>x", 3, tokenizer, "⏎")

    assert (marked.before, marked.marked, marked.after) == ("<b>", "x", "")


def test_predictions_stand_beside_each_other_in_the_models_order_then_the_neighbors() -> None:
    choices = [TokenChoice(1, "over", math.log(0.82)), TokenChoice(2, "a", math.log(0.09))]
    implied = [ImpliedToken(1, "over", 18, 0.9), ImpliedToken(3, "on", 2, 0.1)]

    rows = compare_predictions(choices, implied)

    assert [row.token for row in rows] == ["over", "a", "on"]
    assert [row.model for row in rows] == [pytest.approx(0.82), pytest.approx(0.09), None]
    assert [row.neighbors for row in rows] == pytest.approx([0.9, 0, 0.1])


def test_what_many_neighbors_say_is_not_hidden_by_what_the_model_hardly_would() -> None:
    choices = [TokenChoice(n, f"m{n}", math.log(p)) for n, p in enumerate([0.8, 0.12, 0.02, 0.01, 0.01, 0.01])]
    implied = [ImpliedToken(0, "m0", 5, 0.25), ImpliedToken(8, "n1", 9, 0.45), ImpliedToken(9, "n2", 6, 0.3)]

    rows = compare_predictions(choices, implied)

    assert [row.token for row in rows] == ["m0", "m1", "m2", "m3", "n1", "n2"]


def test_what_rounds_to_nothing_on_both_sides_is_left_out() -> None:
    choices = [TokenChoice(1, "over", math.log(0.99)), TokenChoice(2, "a", math.log(0.001))]

    assert [row.token for row in compare_predictions(choices, [])] == ["over"]


def test_the_distance_is_told_with_two_decimals_and_beside_held_out_states() -> None:
    assert "".join(describe_distance(0.2, 0.62)) == "Nearest state at 0.20, closer than 62 % of held-out states."


def test_without_held_out_states_nothing_is_claimed_about_them() -> None:
    assert "".join(describe_distance(0.2, None)) == "Nearest state at 0.20."
