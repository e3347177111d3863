"""Tables of plain text for a terminal, aligned in any script and free of control characters."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


@dataclass(frozen=True, slots=True)
class TextTable:
    """Rows under a header, for a terminal or a notebook.

    Attributes:
        right: columns that are aligned to the right.
        note: a line below the table.
        shares: of each row, from 0 to 1; a notebook draws them as bars behind the column ``bars``.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: frozenset[int] = frozenset()
    note: str = ""
    shares: Sequence[float] = ()
    bars: int = 0

    def __str__(self) -> str:
        lines = format_table([self.header, *self.rows], right=self.right)
        return "\n".join([*lines, self.note] if self.note else lines)


Block = str | TextTable
"""A paragraph, or a table."""


def write_text(blocks: Iterable[Block]) -> str:
    """Blocks with a blank line between them, without a line break at the end."""
    return "\n\n".join(map(str, blocks))


def show_plainly(text: str) -> str:
    """``text`` with every character that a terminal would obey or hide replaced by its code."""
    return "".join(_code(character) if _is_hidden(character) else character for character in text)


def quote_token(token: str) -> str:
    """A token for a table; a blank one is quoted, so that it can be seen."""
    return f'"{token}"' if not token.strip() else show_plainly(token)


def display_width(text: str) -> int:
    """Terminal columns of ``text``: two for wide characters, none for combining ones."""
    return sum(_columns(character) for character in text)


def format_table(rows: Sequence[Sequence[str]], *, right: frozenset[int] = frozenset()) -> list[str]:
    """Lines with aligned columns, those in ``right`` to the right; the last column is not padded."""
    if not rows:
        return []
    widths = [max(display_width(cell) for cell in column) for column in zip(*rows, strict=True)]
    return ["  ".join(_pad_row(row, widths, right)).rstrip() for row in rows]


def count(number: int, noun: str, plural: str = "") -> str:
    """A number with its noun: ``1 file``, ``2 files``."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) in _HIDDEN


def _code(character: str) -> str:
    return f"\\u{{{ord(character):x}}}"


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _pad_row(row: Sequence[str], widths: Sequence[int], right: frozenset[int]) -> list[str]:
    padded = []
    for index, (cell, width) in enumerate(zip(row, widths, strict=True)):
        blanks = " " * (width - display_width(cell))
        padded.append(blanks + cell if index in right else cell + blanks)
    return padded
