"""What the neighbors of one state say, as values and sentences: pure functions, no components."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from dashboard.page_state import Selection, Side
from exported_models.tokenizer import Tokenizer
from exported_models.trace import Hypothesis, TokenChoice, Trace
from state_store.neighborhood import ImpliedToken

_MOST_ROWS = 6
_LEAST_WEIGHT = 0.005
"""Less than this is drawn as 0 percent."""


@dataclass(frozen=True, slots=True)
class Focus:
    """The word whose state is looked at; ``reason`` says why when nobody chose it."""

    index: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ImpliedRow:
    """A token beside what the model and the neighbors give it; probabilities from 0 to 1.

    ``model`` is None for a token outside the model's recorded top k, whose probability is not known.
    """

    token: str
    model: float | None
    neighbors: float

    @property
    def weight(self) -> float:
        """The larger of the two: a token matters if either side would say it."""
        return max(self.model or 0.0, self.neighbors)


@dataclass(frozen=True, slots=True)
class MarkedText:
    """A text in three parts, the middle one to be highlighted."""

    before: str
    marked: str
    after: str


def find_focus(side: Side, selection: Selection | None, trace: Trace, hypothesis: Hypothesis) -> Focus:
    """The selected word if it is on this side; else the first closest call, or the first source word."""
    if selection is not None and selection.side == side:
        return Focus(selection.index)
    if side == "source":
        return Focus(0, "first word")
    margins = probability_margins(trace, hypothesis)
    return Focus(margins.index(min(margins)), "closest call")


def probability_margins(trace: Trace, hypothesis: Hypothesis) -> list[float]:
    """For each target token, its probability less that of the best other token; negative where it was not first."""
    choices = trace.top_k(hypothesis)
    return [
        math.exp(log_prob) - max((math.exp(c.log_prob) for c in row if c.token_id != token_id), default=0.0)
        for token_id, log_prob, row in zip(hypothesis.token_ids, hypothesis.log_probs, choices, strict=True)
    ]


def compare_predictions(choices: Iterable[TokenChoice], implied: Iterable[ImpliedToken]) -> list[ImpliedRow]:
    """The tokens that the model or the neighbors would say, the weightiest of either.

    In the model's order, then what only neighbors say, largest first.
    """
    model = {choice.token: math.exp(choice.log_prob) for choice in choices}
    shares = {token.token: token.share for token in implied}
    rest = [token for token in shares if token not in model]
    rows = [ImpliedRow(token, model.get(token), shares.get(token, 0.0)) for token in (*model, *rest)]
    weightiest = sorted(rows, key=lambda row: -row.weight)[:_MOST_ROWS]
    said = [row for row in rows if row in weightiest and row.weight >= _LEAST_WEIGHT]
    return said or rows[:1]


def describe_distance(distance: float, typicality: float | None) -> tuple[str, str, str]:
    """The sentence about the nearest state in three parts, the middle one the figure to stress."""
    if typicality is None:
        return "Nearest state at ", f"{distance:.2f}", "."
    return "Nearest state at ", f"{distance:.2f}", f", closer than {round(100 * typicality)} % of held-out states."


def mark_token(text: str, position: int, tokenizer: Tokenizer, end_mark: str) -> MarkedText:
    """Split a stored text around one of its tokens; a position outside marks nothing.

    The end of the sentence has no characters: ``end_mark`` stands for it.
    """
    spans = tokenizer.encode(text, end=True).spans
    if not 0 <= position < len(spans):
        return MarkedText(text, "", "")
    start, end = spans[position]
    return MarkedText(text[:start], text[start:end] or end_mark, text[end:])
