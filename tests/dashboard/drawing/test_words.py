"""Tokens and numbers as they are written."""

import math

import pytest

from dashboard.drawing.words import TokenText, count, percent, signed

TEXT = TokenText("</s>")


@pytest.mark.parametrize(
    ("token", "shown"), [("</s>", "⏎"), (" ", "␣"), ("a b", "a␣b"), ("", "∅"), ("<b>", "<b>"), ("\t", "⇥")]
)
def test_every_token_can_be_seen(token: str, shown: str) -> None:
    assert TEXT.show(token) == shown


@pytest.mark.parametrize(
    ("token", "shown"),
    [("\u2581Hund", "Hund"), ("\u0120Hund", "Hund"), ("stamm", "·stamm"), (".", "."), ("\u2581", "␣"), ("</s>", "⏎")],
)
def test_subwords_read_as_words_and_what_goes_on_a_word_is_marked(token: str, shown: str) -> None:
    assert TokenText("</s>", subwords=True).show(token) == shown


@pytest.mark.parametrize(("token", "shown"), [("hund", "hund"), ("##e", "·e"), (",", ","), ("[SEP]", "⏎")])
def test_word_pieces_are_marked_where_their_vocabulary_marks_them(token: str, shown: str) -> None:
    assert TokenText("[SEP]", subwords=True, continuing="##").show(token) == shown


def test_probabilities_have_no_decimals() -> None:
    assert [percent(math.log(share)) for share in (1.0, 0.826, 0.004)] == ["100", "83", "0"]


@pytest.mark.parametrize(("score", "written"), [(-0.214, "−0.21"), (-0.001, "0.00"), (1.5, "1.50")])
def test_scores_have_a_true_minus_and_no_negative_zero(score: float, written: str) -> None:
    assert signed(score) == written


def test_counts_agree_with_their_noun() -> None:
    assert (count(1, "step"), count(2, "step"), count(0, "prefix", "prefixes")) == ("1 step", "2 steps", "0 prefixes")
