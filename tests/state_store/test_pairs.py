"""Sentence pairs come back as they were, and are found by their source."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from state_store import layout
from state_store.errors import StoreError
from state_store.pairs import PairTable, StoredPair, normalize_source, write_pairs

texts = st.text(st.characters(codec="utf-8"), max_size=30)


def write(folder: Path, *sources: str) -> PairTable:
    pairs = [StoredPair(index, source, source[::-1], line=index + 1) for index, source in enumerate(sources)]
    return PairTable(folder, write_pairs(folder, pairs))


@given(st.lists(st.tuples(texts, texts, st.integers(1, 10**9), st.booleans()), min_size=1, max_size=20))
def test_pairs_are_read_as_they_were_written(contents: list[tuple[str, str, int, bool]]) -> None:
    pairs = [StoredPair(index, *content) for index, content in enumerate(contents)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        count = write_pairs(folder, pairs)
        assert list(PairTable(folder, count)) == pairs


@given(st.lists(st.text("ab \u00a0", max_size=4), min_size=1, max_size=12), st.text("ab \u00a0", max_size=4))
def test_a_source_finds_exactly_the_sentences_that_are_equal_to_it(sources: list[str], wanted: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        found = write(Path(name), *sources).with_source(wanted)
    assert found == {i for i, source in enumerate(sources) if normalize_source(source) == normalize_source(wanted)}


@pytest.mark.parametrize(
    ("one", "other"),
    [("3 mars", "  3\u202fmars "), ("e\u0301te\u0301", "été"), ("１２", "12"), ("a\u3000b", "a b")],
)
def test_spacing_and_unicode_forms_do_not_make_another_sentence(one: str, other: str) -> None:
    assert normalize_source(one) == normalize_source(other)


def test_case_makes_another_sentence() -> None:
    assert normalize_source("March") != normalize_source("march")


def test_ids_must_count_from_zero(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="Sentence 7 was given where 0 follows"):
        write_pairs(tmp_path, [StoredPair(7, "a", "b", line=1)])


@pytest.mark.parametrize("sentence", [-1, 2])
def test_an_unknown_sentence_is_one_clear_error(tmp_path: Path, sentence: int) -> None:
    with pytest.raises(StoreError, match=r"no sentence -?\d in the store \(it holds 0 to 1\)"):
        write(tmp_path, "a", "b")[sentence]


def test_a_shortened_file_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "a", "b")
    path = tmp_path / layout.PAIRS
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(StoreError, match="build the store again"):
        PairTable(tmp_path, 2)


def test_a_damaged_line_is_one_clear_error(tmp_path: Path) -> None:
    table = write(tmp_path, "abc", "def")
    path = tmp_path / layout.PAIRS
    path.write_bytes(path.read_bytes().replace(b'"def"', b'\xffdef"'))
    assert table[0].source == "abc"
    with pytest.raises(StoreError, match=r"Sentence 1 .* is damaged"):
        PairTable(tmp_path, 2)[1]
