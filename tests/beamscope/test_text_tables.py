import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from beamscope.text_tables import count, display_width, format_table, quote_token, show_plainly


@given(st.text())
def test_nothing_that_a_terminal_obeys_is_shown(text: str) -> None:
    shown = show_plainly(text)

    assert not any(unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for character in shown)


def test_an_escape_sequence_is_shown_as_its_code() -> None:
    assert show_plainly("a\x1b[2Jb") == "a\\u{1b}[2Jb"


def test_a_blank_token_can_be_seen() -> None:
    assert [quote_token(token) for token in ("a", " ", "")] == ["a", '" "', '""']


def test_columns_are_aligned_in_any_script() -> None:
    lines = format_table([("年", "x"), ("ab", "x"), ("a\u0301", "x")])

    assert {display_width(line) for line in lines} == {5}


def test_numbers_are_aligned_to_the_right() -> None:
    assert format_table([("1", "a"), ("10", "b")], right=frozenset({0})) == [" 1  a", "10  b"]


def test_an_empty_table_has_no_lines() -> None:
    assert format_table([]) == []


def test_counts_are_for_people() -> None:
    assert (count(1, "file"), count(2, "file")) == ("1 file", "2 files")
