"""The numbers that decide a search, and the score by which its hypotheses are compared."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from exported_models.contract.manifest import GenerationDefaults
from exported_models.contract.request import EarlyStopping
from exported_models.search.rules import ForbiddenIds

_HOPELESS: Final = 1e-290
"""Divisor that makes every live row worse than any finished hypothesis."""


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """The numbers of a completed request; prefix, forbidden phrases and kept paths as token ids.

    Attributes:
        generation: the model's generation settings, with the rules of the request.
        kept: paths that go on beside the beam; each begins with the prefix and is longer.
    """

    beam_size: int
    length_penalty: float
    max_length: int
    early_stopping: EarlyStopping
    top_k: int
    prefix: tuple[int, ...]
    generation: GenerationDefaults
    forbidden: tuple[ForbiddenIds, ...] = ()
    kept: tuple[tuple[int, ...], ...] = ()

    @property
    def candidate_count(self) -> int:
        """Number of candidates of a step, not counting those that rules forbid."""
        return max(2 * self.beam_size, self.top_k)

    @property
    def most_rows(self) -> int:
        """Largest number of rows of a step."""
        return self.beam_size + len(self.kept)

    @property
    def spare_count(self) -> int:
        """Estimated number of further top tokens of a row, of which rules and a repetition penalty take some away."""
        rules = (self.generation.penalizes, self.generation.ngram_size, self.generation.source_ngram_size)
        return sum(map(bool, rules)) * self.max_length // 2

    def normalize(self, score: float, length: int) -> float:
        """The score by which hypotheses are compared: ``score`` over `divisor`."""
        return score / self.divisor(length)

    def divisor(self, length: int) -> float:
        """Length to the power of the length penalty."""
        return math.pow(length, self.length_penalty)

    @property
    def hopes_for_length(self) -> bool:
        """Whether a live row is compared with finished hypotheses as if it had the maximum length."""
        return self.early_stopping == "never" and self.length_penalty > 0

    def list_divisors(self, position: int, steps: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """`divisor` of hypotheses that end at each step, and of the best row that goes on there; both [steps]."""
        own = np.power(np.arange(position + 1, position + 1 + steps, dtype=np.float64), self.length_penalty)
        if self.early_stopping == "first":
            return own, np.full(steps, _HOPELESS)
        return own, np.full(steps, self.divisor(self.max_length)) if self.hopes_for_length else own
