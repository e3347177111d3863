import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beamscope.errors import CommandError
from beamscope.sentences import read_sentences


@given(st.lists(st.text(st.characters(exclude_characters="\n\r\ufeff", exclude_categories=["Cs"]))))
def test_every_line_comes_back_with_its_number(texts: list[str]) -> None:
    stream = io.BytesIO("".join(f"{text}\n" for text in texts).encode())

    assert [(sentence.line, sentence.read()) for sentence in read_sentences(stream)] == list(enumerate(texts, 1))


def test_windows_line_ends_and_a_byte_order_mark_are_no_text() -> None:
    stream = io.BytesIO("\ufeffa\r\nb".encode())

    assert [sentence.text for sentence in read_sentences(stream)] == ["a", "b"]


def test_a_line_that_is_not_utf_8_does_not_stop_the_others() -> None:
    first, second = read_sentences(io.BytesIO(b"\xff\nb\n"))

    assert second.read() == "b"
    with pytest.raises(CommandError, match="UTF-8"):
        first.read()
