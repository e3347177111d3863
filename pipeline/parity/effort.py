"""Bounds of the work of a verification.

A small model is compared on every sentence that its adapter asks for. The time of a comparison grows with tokens times
weights, so a large model gets fewer and shorter targets. Its sources stay ragged and up to the usual length, and every
graph and every output is compared: a wrong graph differs in the first sentence, as a small one does.
"""

from __future__ import annotations

from dataclasses import dataclass

_SMALL = 50_000_000
"""Most weights of a model that is compared in full."""
_BUDGET = 4e10
"""Target tokens times weights of a large model."""
_FEWEST_SENTENCES, _SHORTEST = 6, 12
_TOKENS_OF_A_SENTENCE = 32
_LONGEST = 64
"""Most target tokens of a search: one that never ends its sentence would take minutes and show nothing more."""


@dataclass(frozen=True, slots=True)
class Effort:
    """Bounds of a verification.

    Attributes:
        sentences: most pairs; None for as many as there are.
        longest: most target tokens of a search.
        measured: pairs that rounding is measured on.
    """

    sentences: int | None = None
    longest: int = _LONGEST
    measured: int = 8

    @property
    def is_bounded(self) -> bool:
        """Whether the model is large."""
        return self.sentences is not None

    def count(self, wanted: int) -> int:
        """The number of pairs to compare of ``wanted`` ones."""
        return wanted if self.sentences is None else min(wanted, self.sentences)

    def choose_length(self, number: int, count: int, longest: int) -> int:
        """Tokens of the source ``number`` of ``count`` made-up ones: in turns from 1 to ``longest``, or spread so."""
        if not self.is_bounded:
            return 1 + number % longest
        return 1 + round(number * (longest - 1) / max(count - 1, 1))


def choose_effort(parameters: int) -> Effort:
    """The bounds for a model of so many weights."""
    if parameters <= _SMALL:
        return Effort()
    tokens = int(_BUDGET / parameters)
    sentences = max(_FEWEST_SENTENCES, tokens // _TOKENS_OF_A_SENTENCE)
    return Effort(sentences, min(_LONGEST, max(_SHORTEST, tokens // sentences)), measured=2)
