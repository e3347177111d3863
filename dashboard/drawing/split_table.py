"""The step at which two answers part: both distributions as rows of one table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from dashboard.drawing.words import TokenText
from exported_models.comparison.comparison import Split

MOST_ROWS = 4


@dataclass(frozen=True, slots=True)
class Share:
    """A probability in percent; ``at_most`` where the side does not list the word, and the word has less."""

    percent: int
    at_most: bool = False


@dataclass(frozen=True, slots=True)
class SplitRow:
    """A word and its probability on each side."""

    word: str
    before: Share
    after: Share


def align_choices(split: Split, before: TokenText, after: TokenText) -> tuple[SplitRow, ...]:
    """The most probable words of either side, the most probable of both together first; at most `MOST_ROWS`."""
    old = {before.show(choice.token): choice.probability for choice in split.before}
    new = {after.show(choice.token): choice.probability for choice in split.after}
    words = sorted({**old, **new}, key=lambda word: -(old.get(word, 0.0) + new.get(word, 0.0)))
    return tuple(SplitRow(word, _share(old, word), _share(new, word)) for word in words[:MOST_ROWS])


def name_split(split: Split) -> str:
    """The step of the split, counted from 1; both where the sides count differently."""
    steps = dict.fromkeys((split.step_before + 1, split.step_after + 1))
    return f"part at step {' and '.join(str(step) for step in steps)}"


def _share(listed: Mapping[str, float], word: str) -> Share:
    """The probability of a word; else a bound, that of the least probable word that is listed."""
    if word in listed:
        return Share(round(100 * listed[word]))
    return Share(max(1, math.ceil(100 * min(listed.values(), default=1.0))), at_most=True)
