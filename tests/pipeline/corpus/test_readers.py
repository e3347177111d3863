"""Readers give back what was written, and name the exact line of what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.corpus.readers import (
    CorpusReader,
    JsonLinesReader,
    SentencePair,
    TsvReader,
    TwoFileReader,
    open_corpus,
)
from pipeline.errors import CorpusError

# Anything a line of a text file can hold: U+2028, U+0085, lone \r inside and the like are text, not line ends.
_LINE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\t"), min_size=1).filter(
    lambda text: bool(text.strip()) and not text.endswith("\r") and not text.startswith("\ufeff")
)
_PAIRS = st.lists(st.tuples(_LINE, _LINE), max_size=8)
_ENDS = st.sampled_from(["\n", "\r\n"])
_SAME_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def _write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    return path


def _expected(pairs: list[tuple[str, str]]) -> list[SentencePair]:
    return [SentencePair(source, target, line) for line, (source, target) in enumerate(pairs, start=1)]


@_SAME_FOLDER
@given(pairs=_PAIRS, end=_ENDS)
def test_two_files_round_trip(tmp_path: Path, pairs: list[tuple[str, str]], end: str) -> None:
    source = _write(tmp_path / "a.src", "".join(pair[0] + end for pair in pairs))
    target = _write(tmp_path / "a.trg", "".join(pair[1] + end for pair in pairs))
    reader = TwoFileReader(source, target)
    assert list(reader) == _expected(pairs)
    assert len(reader) == len(pairs)


@_SAME_FOLDER
@given(pairs=_PAIRS, end=_ENDS)
def test_tsv_round_trip(tmp_path: Path, pairs: list[tuple[str, str]], end: str) -> None:
    reader = TsvReader(_write(tmp_path / "a.tsv", "".join("\t".join(pair) + end for pair in pairs)))
    assert list(reader) == _expected(pairs)
    assert len(reader) == len(pairs)


@_SAME_FOLDER
@given(pairs=_PAIRS, end=_ENDS, escape=st.booleans())
def test_json_lines_round_trip(tmp_path: Path, pairs: list[tuple[str, str]], end: str, escape: bool) -> None:
    rows = (json.dumps({"source": a, "target": b, "id": 7}, ensure_ascii=escape) + end for a, b in pairs)
    reader = JsonLinesReader(_write(tmp_path / "a.jsonl", "".join(rows)))
    assert list(reader) == _expected(pairs)
    assert len(reader) == len(pairs)


def test_a_reader_can_be_read_twice_and_needs_no_last_line_end(tmp_path: Path) -> None:
    reader = TsvReader(_write(tmp_path / "a.tsv", "x\ty\nz\tw"))
    assert list(reader) == list(reader) == _expected([("x", "y"), ("z", "w")])
    assert len(reader) == 2


def test_a_byte_order_mark_is_not_text(tmp_path: Path) -> None:
    assert list(TsvReader(_write(tmp_path / "a.tsv", b"\xef\xbb\xbfx\ty\n"))) == _expected([("x", "y")])


@pytest.mark.parametrize("name", ["a.txt", "a.tsv"])
def test_sources_alone_have_no_target(tmp_path: Path, name: str) -> None:
    reader = open_corpus(_write(tmp_path / name, "x\ny\n"))
    assert list(reader) == [SentencePair("x", None, 1), SentencePair("y", None, 2)]


def test_json_lines_without_target_field_have_no_target(tmp_path: Path) -> None:
    reader = open_corpus(_write(tmp_path / "a.jsonl", '{"text": "x"}\n'), source_field="text", target_field=None)
    assert list(reader) == [SentencePair("x", None, 1)]


def test_open_corpus_chooses_by_what_is_given(tmp_path: Path) -> None:
    text, tsv, lines = (_write(tmp_path / name, "x\n") for name in ("a.de", "a.tsv", "a.JSONL"))
    assert open_corpus(text, text) == TwoFileReader(text, text)
    assert open_corpus(text) == TwoFileReader(text)
    assert open_corpus(tsv) == TsvReader(tsv)
    assert open_corpus(lines, source_field="a", target_field="b") == JsonLinesReader(lines, "a", "b")
    assert all(isinstance(open_corpus(path), CorpusReader) for path in (text, tsv, lines))


def test_open_corpus_names_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"no corpus file .*gone\.tsv"):
        open_corpus(tmp_path / "gone.tsv")


_BROKEN_TSV = {
    "x\ty\nz\n": "line 2: 1 column where 2 are expected",
    "x\ty\na\tb\tc\n": "line 2: 3 columns where 2 are expected",
    "x\ty\n\n": "line 2: 1 column where 2 are expected",
    "x\nz\ty\n": "line 2: 2 columns where 1 is expected",
    "x\ty\n\ty\n": "line 2: the source column is empty",
    "x\ty\nx\t \n": "line 2: the target column is empty",
    b"x\ty\nx\ty\nx\t\xff\n": "line 3: not UTF-8 at byte 3 of the line",
}
_BROKEN_JSON = {
    '{"source": "x", "target": "y"}\n{"source": "x"\n': "line 2: not valid JSON at column",
    '{"source": "x"}\n': "line 1: no field 'target' (the line's fields: 'source')",
    '{"source": "x", "target": "y"}\n\n': "line 2: not valid JSON",
    '["x", "y"]\n': "line 1: every line must be a JSON object",
    '{"source": "x", "target": null}\n': "line 1: the field 'target' is not a text",
    '{"source": " ", "target": "y"}\n': "line 1: the field 'source' is empty",
    '{"source": "\\ud800", "target": "y"}\n': "line 1: the field 'source' has half of a surrogate pair",
    "[" * 100_000 + "\n": "line 1: not JSON that can be read",
    b'{"source": "\xe9"}\n': "line 1: not UTF-8 at byte 13",
}


@pytest.mark.parametrize(("reader", "broken"), [(TsvReader, _BROKEN_TSV), (JsonLinesReader, _BROKEN_JSON)])
def test_errors_have_file_and_line(
    tmp_path: Path, reader: Callable[[Path], CorpusReader], broken: dict[str | bytes, str]
) -> None:
    for content, message in broken.items():
        path = _write(tmp_path / "broken", content)
        with pytest.raises(CorpusError) as caught:
            list(reader(path))
        assert str(caught.value).startswith(f"{path}, {message}")


@pytest.mark.parametrize(("sources", "targets", "line"), [(3, 1, 2), (1, 2, 2), (0, 1, 1)])
def test_two_files_of_unequal_length(tmp_path: Path, sources: int, targets: int, line: int) -> None:
    source, target = _write(tmp_path / "s", "x\n" * sources), _write(tmp_path / "t", "y\n" * targets)
    with pytest.raises(CorpusError, match=f"line {line} has no partner"):
        list(TwoFileReader(source, target))


def test_two_files_name_the_file_with_the_empty_line(tmp_path: Path) -> None:
    source, target = _write(tmp_path / "s", "x\nx\n"), _write(tmp_path / "t", "y\n\n")
    with pytest.raises(CorpusError, match=r"t, line 2: the line is empty"):
        list(TwoFileReader(source, target))


def test_a_file_that_vanishes_is_an_error_of_the_corpus(tmp_path: Path) -> None:
    reader = TsvReader(tmp_path / "gone")
    for read in (list, len, TsvReader.fingerprint):
        with pytest.raises(CorpusError, match="no corpus file"):
            read(reader)


def test_fingerprints_follow_the_content_and_not_the_place(tmp_path: Path) -> None:
    one, same, other = (
        TsvReader(_write(tmp_path / name, text)).fingerprint()
        for name, text in (("a", "x\ty\n"), ("b", "x\ty\n"), ("c", "x\tz\n"))
    )
    assert one == same != other
    assert len(one) == 64
    swapped = TwoFileReader(tmp_path / "a", tmp_path / "c"), TwoFileReader(tmp_path / "c", tmp_path / "a")
    assert swapped[0].fingerprint() != swapped[1].fingerprint()
    assert (
        JsonLinesReader(tmp_path / "a").fingerprint()
        != JsonLinesReader(tmp_path / "a", target_field=None).fingerprint()
    )
