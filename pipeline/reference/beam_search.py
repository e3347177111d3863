"""Reference beam search over one sentence, in plain lists and without code shared with the engine.

The rules are those of Hugging Face ``generate`` (transformers 5, ``GenerationMixin._beam_search``). Each step considers
the best ``2 x beam`` continuations. Of the first ``beam`` of them, those that end the sentence become hypotheses. The
best ``beam`` of the others are continued.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from exported_models.contract.arrays import Floats
from exported_models.contract.manifest import GenerationDefaults
from pipeline.models.checkpoint import ReferenceHypothesis


class Advance(Protocol):
    """One step of a model: row i continues row ``parents[i]`` of the step before with ``tokens[i]``."""

    def __call__(self, tokens: Sequence[int], parents: Sequence[int]) -> Floats:
        """Log-probabilities [rows, vocabulary] of the next token."""


@dataclass(frozen=True, slots=True)
class _Row:
    token_ids: tuple[int, ...]
    score: float
    parent: int


def beam_search(
    advance: Advance, generation: GenerationDefaults, *, start_id: int, end_id: int
) -> tuple[ReferenceHypothesis, ...]:
    """Search for the n-best list of a sentence, best first."""
    beam, penalty = generation.beam_size, generation.length_penalty
    live = [_Row((), 0.0, 0)]
    finished: list[ReferenceHypothesis] = []
    for length in range(1, generation.max_length + 1):
        last = length == generation.max_length
        tokens = [row.token_ids[-1] if row.token_ids else start_id for row in live]
        log_probs = advance(tokens, [row.parent for row in live])
        candidates = _best(live, log_probs, 2 * beam)
        ends = [last or row.token_ids[-1] == end_id for row in candidates]
        if not (generation.early_stopping == "first" and len(finished) == beam):
            closed = [row for row, ended in zip(candidates[:beam], ends, strict=False) if ended]
            finished += [ReferenceHypothesis(row.token_ids, row.score / length**penalty) for row in closed]
            finished = sorted(finished, key=lambda hypothesis: -hypothesis.score)[:beam]
        live = [row for row, ended in zip(candidates, ends, strict=True) if not ended][:beam]
        if not live or _is_settled(live, finished, length, generation):
            break
    return tuple(finished)


def _best(live: Sequence[_Row], log_probs: Floats, count: int) -> list[_Row]:
    totals = np.array([row.score for row in live])[:, None] + log_probs.astype(np.float64)
    order = np.argsort(-totals, axis=None, kind="stable")[:count]
    parents, tokens = np.unravel_index(order, totals.shape)
    return [
        _Row((*live[parent].token_ids, token), float(totals[parent, token]), parent)
        for parent, token in zip(parents.tolist(), tokens.tolist(), strict=True)
    ]


def _is_settled(
    live: Sequence[_Row],
    finished: Sequence[ReferenceHypothesis],
    length: int,
    generation: GenerationDefaults,
) -> bool:
    """Whether the n-best list is full and, by the rule of early stopping, no live row can enter it."""
    if len(finished) < generation.beam_size:
        return False
    if generation.early_stopping == "first":
        return True
    longest = generation.early_stopping == "never" and generation.length_penalty > 0
    reach = generation.max_length if longest else length
    return bool(live[0].score / reach**generation.length_penalty <= finished[-1].score)
