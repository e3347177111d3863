"""Alignment of two sequences in columns by edit distance (Wagner and Fischer 1974)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from exported_models.contract.arrays import Floats

_NO_SPACES = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\u0e00-\u0e7f"
"""Characters of scripts that write no spaces between words: each counts as a word."""
_WORD = re.compile(rf"[{_NO_SPACES}]|[^\s{_NO_SPACES}]+")
_TIE = 1 / 4096
"""Weight of unlike attention against an edit; smaller than one over the longest target."""


class Change(StrEnum):
    """The difference between the two sides of a column."""

    EQUAL = "equal"
    CHANGED = "changed"
    ADDED = "added"
    """Only the side after has something here."""
    DROPPED = "dropped"
    """Only the side before has something here."""


@dataclass(frozen=True, slots=True)
class Column:
    """Places of two sequences that stand beside each other.

    Attributes:
        before, after: places counted from 0; empty where a side has none. Several of them are the tokens of one word.
    """

    before: tuple[int, ...]
    after: tuple[int, ...]
    change: Change


@dataclass(frozen=True, slots=True)
class Unit:
    """A token, or a word made of several tokens.

    Attributes:
        text: units of equal text are equal.
        places: the tokens that belong to it.
    """

    text: str
    places: tuple[int, ...]


def align(before: Sequence[Unit], after: Sequence[Unit], likeness: Floats | None = None) -> tuple[Column, ...]:
    """Columns with the fewest edits.

    Args:
        likeness: [before, after] numbers from 0 to 1 that decide between alignments with equally many edits; the larger
            their sum over the pairs, the better.
    """
    moves = _trace_back(_fill(before, after, likeness), before, after, likeness)
    return tuple(_column(before, after, row, column) for row, column in moves)


def list_tokens(tokens: Sequence[str]) -> tuple[Unit, ...]:
    """One unit for each token."""
    return tuple(Unit(token, (place,)) for place, token in enumerate(tokens))


def list_words(text: str, spans: Sequence[tuple[int, int]], ended: bool) -> tuple[Unit, ...]:
    """One unit for each word of a text that tokens stand for; words that no token stands for are left out.

    Args:
        spans: place of each token in ``text``, in order. A token belongs to the first word that it overlaps, and to a
            word that has no other token.
        ended: whether the last token is the end of sentence, which is a unit of its own with an empty text.
    """
    units: list[Unit] = []
    taken = -1
    for match in _WORD.finditer(text):
        covering = [place for place, (start, end) in enumerate(spans) if start < match.end() and match.start() < end]
        own = [place for place in covering if place > taken] or covering[-1:]
        if own:
            units.append(Unit(match.group(), tuple(own)))
            taken = own[-1]
    return (*units, Unit("", (len(spans) - 1,))) if ended and spans else tuple(units)


def split_words(text: str) -> tuple[Unit, ...]:
    """The words of a text, each at its number."""
    return tuple(Unit(word, (place,)) for place, word in enumerate(_WORD.findall(text)))


def count_changes(columns: Sequence[Column]) -> int:
    """Number of columns that are not equal: the edit distance."""
    return sum(column.change is not Change.EQUAL for column in columns)


def _fill(before: Sequence[Unit], after: Sequence[Unit], likeness: Floats | None) -> list[list[float]]:
    """Cost of the best alignment of every two beginnings."""
    costs = [[float(column) for column in range(len(after) + 1)]]
    for row in range(len(before)):
        last, current = costs[-1], [row + 1.0]
        for column in range(len(after)):
            paired = last[column] + _pair_cost(before, after, row, column, likeness)
            current.append(min(paired, last[column + 1] + 1, current[column] + 1))
        costs.append(current)
    return costs


def _pair_cost(before: Sequence[Unit], after: Sequence[Unit], row: int, column: int, likeness: Floats | None) -> float:
    unlike = 0.0 if likeness is None else 1 - float(likeness[row, column])
    return (before[row].text != after[column].text) + _TIE * unlike


def _trace_back(
    costs: Sequence[Sequence[float]], before: Sequence[Unit], after: Sequence[Unit], likeness: Floats | None
) -> list[tuple[int | None, int | None]]:
    """Pairs of places in order; None on the side that has nothing there.

    Costs are compared exactly: each was made by one of the three sums.
    """
    pairs: list[tuple[int | None, int | None]] = []
    row, column = len(before), len(after)
    while row or column:
        cost = costs[row][column]
        if (
            row
            and column
            and cost == costs[row - 1][column - 1] + _pair_cost(before, after, row - 1, column - 1, likeness)
        ):
            row, column = row - 1, column - 1
            pairs.append((row, column))
        elif row and cost == costs[row - 1][column] + 1:
            row -= 1
            pairs.append((row, None))
        else:
            column -= 1
            pairs.append((None, column))
    return pairs[::-1]


def _column(before: Sequence[Unit], after: Sequence[Unit], row: int | None, column: int | None) -> Column:
    if row is None or column is None:
        old = () if row is None else before[row].places
        new = () if column is None else after[column].places
        return Column(old, new, Change.ADDED if row is None else Change.DROPPED)
    same = before[row].text == after[column].text
    return Column(before[row].places, after[column].places, Change.EQUAL if same else Change.CHANGED)
