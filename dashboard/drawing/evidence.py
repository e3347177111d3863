"""The evidence of the neighbors of one state, as values and sentences."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from exported_models.contract.trace import TokenChoice
from exported_models.tokenizers.vocabulary import Tokenizer
from state_store.neighborhood import ImpliedToken
from state_store.pairs import StoredPair

_MOST_ROWS = 6
_LEAST_WEIGHT = 0.005
"""Smallest probability that is not drawn as 0 percent."""


@dataclass(frozen=True, slots=True)
class ImpliedRow:
    """A token with its probability (0 to 1) by the model and by the neighbors.

    ``model`` is None for a token outside the recorded top k: its probability is not known.
    """

    token: str
    model: float | None
    neighbors: float

    @property
    def weight(self) -> float:
        """The larger of the two probabilities: a token matters if either side predicts it."""
        return max(self.model or 0.0, self.neighbors)


@dataclass(frozen=True, slots=True)
class MarkedText:
    """A text in three parts, of which the middle one is highlighted."""

    before: str
    marked: str
    after: str


def compare_predictions(choices: Iterable[TokenChoice], implied: Iterable[ImpliedToken]) -> list[ImpliedRow]:
    """The tokens that the model or the neighbors predict, at most `_MOST_ROWS`, by their larger probability.

    In the order of the model; then the tokens of the neighbors alone, largest share first.
    """
    model = {choice.token: choice.probability for choice in choices}
    shares = {token.token: token.share for token in implied}
    rest = [token for token in shares if token not in model]
    rows = [ImpliedRow(token, model.get(token), shares.get(token, 0.0)) for token in (*model, *rest)]
    weightiest = sorted(rows, key=lambda row: -row.weight)[:_MOST_ROWS]
    said = [row for row in rows if row in weightiest and row.weight >= _LEAST_WEIGHT]
    return said or rows[:1]


def describe_distance(distance: float, typicality: float | None) -> tuple[str, str, str]:
    """The sentence about the nearest state in three parts, of which the middle one is the figure to stress."""
    if typicality is None:
        return "Nearest state at ", f"{distance:.2f}", "."
    return "Nearest state at ", f"{distance:.2f}", f", closer than {round(100 * typicality)} % of held-out states."


def describe_author(pair: StoredPair) -> str:
    """A note on a target that the model wrote, because the corpus had none; else nothing."""
    return "written by the model" if pair.target_is_model_output else ""


def mark_token(text: str, position: int, tokenizer: Tokenizer, end_mark: str) -> MarkedText:
    """Split a stored text around one of its tokens; a position outside the text marks nothing.

    ``end_mark`` stands for the end of the sentence, which has no characters.
    """
    spans = tokenizer.encode(text, end=True).spans
    if not 0 <= position < len(spans):
        return MarkedText(text, "", "")
    start, end = spans[position]
    return MarkedText(text[:start], text[start:end] or end_mark, text[end:])
