"""Corpus readers: sentence pairs one at a time, and errors that name the file and the line.

Every reader is UTF-8 only (a byte-order mark at the start is skipped) and ends lines at ``\\n`` or ``\\r\\n`` and
nowhere else: U+2028 and the like are text. Files are streamed, so a corpus may be larger than memory. The pairs of a
corpus that has sources only have ``target=None``.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Protocol, runtime_checkable

from exported_models.contract.json_text import parse_json
from exported_models.contract.publishing import digest_file, digest_value
from pipeline.errors import CorpusError

_JSON_LINES_SUFFIXES = (".jsonl", ".ndjson")
_TSV_SUFFIXES = (".tsv",)


@dataclass(frozen=True, slots=True)
class SentencePair:
    """A source, its target (None where the corpus has sources only) and their line, counted from 1."""

    source: str
    target: str | None
    line: int


@runtime_checkable
class CorpusReader(Protocol):
    """The protocol of a corpus."""

    def __iter__(self) -> Iterator[SentencePair]:
        """Read from the start, every time.

        Raises:
            CorpusError: at the first line that is wrong, with file and line.
        """
        ...

    def __len__(self) -> int:
        """Number of pairs; reads the file."""
        ...

    def fingerprint(self) -> str:
        """SHA-256, in hex, of the content: equal for equal files read the same way, wherever they lie."""
        ...


@dataclass(frozen=True, slots=True)
class TwoFileReader:
    """Line n of one file is the source, line n of the other its target; no ``target_path``: sources only."""

    source_path: Path
    target_path: Path | None = None

    def __iter__(self) -> Iterator[SentencePair]:
        if self.target_path is None:
            for number, source in _lines(self.source_path):
                yield SentencePair(_side(source, self.source_path, number, "line"), None, number)
            return
        rows = zip_longest(_lines(self.source_path), _lines(self.target_path))
        for number, (source_row, target_row) in enumerate(rows, start=1):
            if source_row is None or target_row is None:
                raise self._unequal(number)
            source = _side(source_row[1], self.source_path, number, "line")
            yield SentencePair(source, _side(target_row[1], self.target_path, number, "line"), number)

    def __len__(self) -> int:
        return _count_lines(self.source_path)

    def fingerprint(self) -> str:
        paths = [self.source_path] if self.target_path is None else [self.source_path, self.target_path]
        return _fingerprint("two files", *paths)

    def _unequal(self, number: int) -> CorpusError:
        assert self.target_path is not None
        counts = {path: _count_lines(path) for path in (self.source_path, self.target_path)}
        short, long = sorted(counts, key=lambda path: counts[path])
        return CorpusError(
            f"{short} ends after line {counts[short]}, but {long} has {counts[long]} lines: "
            f"line {number} has no partner."
        )


@dataclass(frozen=True, slots=True)
class TsvReader:
    """Source, tab, target on each line, without quoting; or a source alone on every line.

    The first line says which of the two the file is.
    """

    path: Path

    def __iter__(self) -> Iterator[SentencePair]:
        columns = 0
        for number, line in _lines(self.path):
            cells = line.split("\t")
            columns = columns or min(len(cells), 2)
            if len(cells) != columns:
                raise CorpusError(
                    f"{self.path}, line {number}: {count(len(cells), 'column')} where {columns} "
                    f"{'is' if columns == 1 else 'are'} expected; columns are separated by one tab."
                )
            source = _side(cells[0], self.path, number, "source column")
            target = _side(cells[1], self.path, number, "target column") if columns == 2 else None
            yield SentencePair(source, target, number)

    def __len__(self) -> int:
        return _count_lines(self.path)

    def fingerprint(self) -> str:
        return _fingerprint("tsv", self.path)


@dataclass(frozen=True, slots=True)
class JsonLinesReader:
    """A JSON object on each line, the texts in two of its fields; ``target_field=None``: sources only."""

    path: Path
    source_field: str = "source"
    target_field: str | None = "target"

    def __iter__(self) -> Iterator[SentencePair]:
        for number, line in _lines(self.path):
            record = self._parse(line, number)
            source = self._text(record, self.source_field, number)
            target = None if self.target_field is None else self._text(record, self.target_field, number)
            yield SentencePair(source, target, number)

    def __len__(self) -> int:
        return _count_lines(self.path)

    def fingerprint(self) -> str:
        return _fingerprint(f"json lines {json.dumps([self.source_field, self.target_field])}", self.path)

    def _parse(self, line: str, number: int) -> dict[str, object]:
        try:
            record = parse_json(line)
        except json.JSONDecodeError as error:
            raise CorpusError(
                f"{self.path}, line {number}: not valid JSON at column {error.colno} ({error.msg})."
            ) from None
        except ValueError:
            raise CorpusError(f"{self.path}, line {number}: not JSON that can be read.") from None
        if not isinstance(record, dict):
            raise CorpusError(f"{self.path}, line {number}: every line must be a JSON object.")
        return record

    def _text(self, record: dict[str, object], name: str, number: int) -> str:
        if name not in record:
            known = ", ".join(repr(field) for field in record) or "none"
            raise CorpusError(f"{self.path}, line {number}: no field {name!r} (the line's fields: {known}).")
        text = record[name]
        if not isinstance(text, str):
            raise CorpusError(f"{self.path}, line {number}: the field {name!r} is not a text.")
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise CorpusError(f"{self.path}, line {number}: the field {name!r} has half of a surrogate pair.")
        return _side(text, self.path, number, f"field {name!r}")


def open_corpus(
    path: Path,
    target_path: Path | None = None,
    *,
    source_field: str = "source",
    target_field: str | None = "target",
) -> CorpusReader:
    """The reader for two files; for one, by its suffix: TSV, JSON Lines, else sources, one a line.

    Raises:
        CorpusError: a file does not exist. Its lines are checked when they are read.
    """
    for part in (path, target_path):
        if part is not None and not part.is_file():
            raise CorpusError(f"There is no corpus file {part}.")
    if target_path is not None:
        return TwoFileReader(path, target_path)
    if path.suffix.lower() in _TSV_SUFFIXES:
        return TsvReader(path)
    if path.suffix.lower() in _JSON_LINES_SUFFIXES:
        return JsonLinesReader(path, source_field, target_field)
    return TwoFileReader(path)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise CorpusError(f"There is no corpus file {path}.") from None
    except OSError as error:
        raise CorpusError(f"The corpus file {path} could not be read: {error.strerror}.") from error


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number and text of each line; read as bytes, because text mode also ends lines at a lone ``\\r``."""
    with _explained(path), path.open("rb") as stream:
        for number, raw in enumerate(stream, start=1):
            if number == 1:
                raw = raw.removeprefix(codecs.BOM_UTF8)
            yield number, _decode(raw.removesuffix(b"\n").removesuffix(b"\r"), path, number)


def _decode(raw: bytes, path: Path, number: int) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CorpusError(
            f"{path}, line {number}: not UTF-8 at byte {error.start + 1} of the line; convert the file."
        ) from None


def _count_lines(path: Path) -> int:
    with _explained(path), path.open("rb") as stream:
        return sum(1 for _ in stream)


def _side(text: str, path: Path, number: int, name: str) -> str:
    if not text.strip():
        raise CorpusError(f"{path}, line {number}: the {name} is empty.")
    return text


def _fingerprint(kind: str, *paths: Path) -> str:
    digests = []
    for path in paths:
        with _explained(path):
            digests.append(digest_file(path))
    return digest_value([kind, *digests])


def count(number: int, noun: str) -> str:
    """A number of things, for people."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
