"""What the neighbors of one state say, as values and sentences: pure functions, no components."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from exported_models.contract.trace import TokenChoice
from exported_models.tokenizers.vocabulary import Tokenizer
from state_store.neighborhood import ImpliedToken
from state_store.pairs import StoredPair

_MOST_ROWS = 6
_LEAST_WEIGHT = 0.005
"""Less than this is drawn as 0 percent."""


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


def describe_author(pair: StoredPair) -> str:
    """Who wrote the target, where the corpus had none; else nothing."""
    return "written by the model" if pair.target_is_model_output else ""


def mark_token(text: str, position: int, tokenizer: Tokenizer, end_mark: str) -> MarkedText:
    """Split a stored text around one of its tokens; a position outside marks nothing.

    The end of the sentence has no characters: ``end_mark`` stands for it.
    """
    spans = tokenizer.encode(text, end=True).spans
    if not 0 <= position < len(spans):
        return MarkedText(text, "", "")
    start, end = spans[position]
    return MarkedText(text[:start], text[start:end] or end_mark, text[end:])
