"""Whatever is wrong with a JSON text is one kind of error, and messages stay short."""

from __future__ import annotations

import pytest

from exported_models.contract.errors import MAX_ECHO, MAX_SENTENCE, fit_sentence, shorten
from exported_models.contract.json_text import parse_json


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * 30_000 + "]" * 30_000, "nested too deep"),
        ('{"a":' * 30_000 + "1" + "}" * 30_000, "nested too deep"),
        ("9" * 5_000, "too many digits"),
        ("{", "Expecting"),
        (b"\xff\xfe\xfd", "codec"),
    ],
)
def test_what_cannot_be_read_is_a_value_error_with_few_words(text: str | bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        parse_json(text)
    assert len(str(caught.value)) < 120


def test_json_is_read() -> None:
    assert parse_json('{"a": [1, 2.5, null]}') == {"a": [1, 2.5, None]}


def test_input_is_repeated_in_part() -> None:
    assert shorten("x" * MAX_ECHO) == "x" * MAX_ECHO
    assert shorten("x" * 5000) == "x" * (MAX_ECHO - 1) + "…"


def test_a_long_sentence_loses_the_middle_of_no_short_word() -> None:
    short, long = f"It is {'x' * 200}.", f"It is {'x' * 5000} and more."

    assert fit_sentence(short) == short
    assert fit_sentence(long) == f"It is {'x' * (MAX_ECHO - 1)}… and more."
    assert len(fit_sentence(long)) < MAX_SENTENCE
