"""The repetition penalty: tokens of the prefix score less (Keskar et al. 2019), as in Hugging Face ``generate``.

A search of several beams multiplies the log-probabilities of tokens that are in its prefix by the penalty. A greedy
search, of one beam, penalizes their logits instead: negative logits are multiplied and positive ones divided. Nothing
is normalized again, and the start of the target counts as a token of the prefix.

Only the summed scores are penalized; the log-probabilities in a trace are the model's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from exported_models.contract.arrays import Floats, Ids
from exported_models.contract.manifest import GenerationDefaults


@dataclass(frozen=True, slots=True)
class RepetitionPenalty:
    """The penalty of one search; ``of_logits`` in a greedy search."""

    factor: float
    start_id: int
    of_logits: bool

    @classmethod
    def of(cls, generation: GenerationDefaults, start_id: int, beam_size: int) -> RepetitionPenalty:
        """The penalty of generation settings in a search of ``beam_size`` beams."""
        return cls(generation.repetition_penalty, start_id, beam_size == 1)

    @property
    def active(self) -> bool:
        """Whether the penalty changes any score."""
        return self.factor != 1

    @property
    def needs_normalizers(self) -> bool:
        """Whether `weigh` needs the normalizers of logits."""
        return self.active and self.of_logits

    def count_moved(self, path: Sequence[int], vocabulary: int) -> int:
        """Number of further most probable tokens that a step after ``path`` needs, so that it misses none of the best.

        A penalized token gives way to one other. Under a factor below 1, tokens of the prefix may rise from anywhere.
        """
        if not self.active:
            return 0
        return len({self.start_id, *path}) if self.factor > 1 else vocabulary

    def weigh(
        self, log_probs: Floats, ids: Ids, paths: Sequence[Sequence[int]], log_normalizers: Floats | None
    ) -> Floats:
        """Penalized log-probabilities: [rows, tokens] float32.

        Args:
            log_probs: [rows, tokens] the model's log-probabilities of the tokens ``ids`` [rows, tokens].
            paths: token ids before each row, the start left out.
            log_normalizers: [rows], see `graphs.STEP_NORMALIZER`; may be None unless `needs_normalizers`.
        """
        if not self.active:
            return log_probs
        said = np.stack([np.isin(row, (self.start_id, *path)) for row, path in zip(ids, paths, strict=True)])
        shift = np.zeros((len(ids), 1), np.float32)
        if self.of_logits:
            assert log_normalizers is not None
            shift = log_normalizers[:, None]
        values, factor = log_probs + shift, np.float32(self.factor)
        penalized = np.where(values < 0, values * factor, values / factor) - shift
        return np.where(said, penalized, log_probs)

    def weigh_target(self, log_probs: Floats, token_ids: Sequence[int], log_normalizers: Floats | None) -> Floats:
        """Penalized log-probability of each token of a given target; all arrays [target]."""
        ids = np.array(token_ids, np.int64)[:, None]
        paths = [token_ids[:position] for position in range(len(token_ids))]
        return self.weigh(log_probs[:, None], ids, paths, log_normalizers)[:, 0]
