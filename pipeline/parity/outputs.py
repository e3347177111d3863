"""The outputs that parity compares, by the names that messages and reports give them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from exported_models.search.repetition import RepetitionPenalty
from exported_models.search.scoring import ForcedSentence
from pipeline.models.checkpoint import LoadedCheckpoint, ReferenceSentence

LOG_PROBS = "log-probabilities"
ATTENTION = "attention"
NORMALIZERS = "normalizers of logits"
SCORES = "scores of hypotheses"

Values: TypeAlias = NDArray[np.float32] | NDArray[np.float64]
Outputs: TypeAlias = Mapping[str, Values]
"""Name -> values [source or target tokens, ...]."""


def name_states(space: str) -> str:
    """The name of the states of a space."""
    return f"{space} states"


def list_outputs(sentence: ForcedSentence | ReferenceSentence) -> Outputs:
    """The outputs of a teacher-forced sentence, without those that its model lacks."""
    optional = {ATTENTION: sentence.attention, NORMALIZERS: sentence.log_normalizers}
    return {
        LOG_PROBS: sentence.log_probs,
        **{name_states(space): states for space, states in sentence.states.items()},
        **{name: values for name, values in optional.items() if values is not None},
    }


def sum_scores(
    checkpoint: LoadedCheckpoint, token_ids: Sequence[int], log_probs: Values, log_normalizers: Values | None
) -> NDArray[np.float64]:
    """The score of each prefix of a hypothesis [tokens], not normalized by length.

    Args:
        log_probs: [tokens], of each token.
        log_normalizers: [tokens], see `exported_models.contract.graphs.STEP_NORMALIZER`; None without a penalty.
    """
    penalty = RepetitionPenalty.of(checkpoint.generation, checkpoint.start_id, checkpoint.generation.beam_size)
    counted: Values = penalty.weigh_target(log_probs, token_ids, log_normalizers)  # type: ignore[arg-type]
    return counted.astype(np.float64).cumsum()
