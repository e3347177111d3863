"""Forcing and searching with a reference implementation that runs step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch

from exported_models.contract.arrays import Floats
from exported_models.contract.manifest import CONTEXT_SPACE, DECODER_SPACE, ENCODER_SPACE, GenerationDefaults
from pipeline.models.checkpoint import ReferenceHypothesis, ReferenceSentence
from pipeline.models.spaces import SOURCE_EMBEDDING_SPACE, TARGET_EMBEDDING_SPACE
from pipeline.reference.beam_search import beam_search
from pipeline.reference.torch_threads import step_by_step


@dataclass(frozen=True, slots=True)
class StepResult:
    """Outputs of one step, a row for each hypothesis.

    Attributes:
        logits: [rows, vocabulary] float32.
        decoder_state: [rows, size] float32.
        context: [rows, size] float32, or None without attention.
        attention: [rows, layers, heads, source tokens] float32, or None.
        more_states: [rows, size] float32 of every other space of the target.
    """

    logits: Floats
    decoder_state: Floats
    context: Floats | None
    attention: Floats | None
    more_states: Mapping[str, Floats] = field(default_factory=dict)


class SentenceRun(Protocol):
    """One source, encoded alone and without padding, with the decoder's running state."""

    @property
    def encoder_states(self) -> Floats:
        """[source tokens, size] float32."""

    @property
    def more_states(self) -> Mapping[str, Floats]:
        """[source tokens, size] float32 of every other space of the source."""

    def step(self, tokens: Sequence[int], parents: Sequence[int]) -> StepResult:
        """Feed one token a row; row i continues row ``parents[i]`` of the step before."""


class StepwiseReference:
    """Reference implementation of a checkpoint, made of its steps.

    Args:
        embeddings: the tables [vocabulary, size] of word embeddings of both sides, source first.
    """

    def __init__(
        self,
        run: Callable[[Sequence[int]], SentenceRun],
        embeddings: tuple[Floats, Floats],
        *,
        start_id: int,
        end_id: int,
    ) -> None:
        self._run = run
        self._embeddings = embeddings
        self._start_id, self._end_id = start_id, end_id

    @step_by_step()
    def force(self, source_ids: Sequence[int], target_ids: Sequence[int]) -> ReferenceSentence:
        """Run one pair; the target ends with the end of sentence."""
        run = self._run(source_ids)
        steps = [run.step([token], [0]) for token in (self._start_id, *target_ids[:-1])]
        contexts = [step.context for step in steps if step.context is not None]
        attention = [step.attention for step in steps if step.attention is not None]
        logits = _join(step.logits for step in steps)
        log_probs = _normalize(logits)
        states = {
            ENCODER_SPACE: run.encoder_states,
            DECODER_SPACE: _join(step.decoder_state for step in steps),
            **({CONTEXT_SPACE: _join(contexts)} if contexts else {}),
            **run.more_states,
            **{name: _join(step.more_states[name] for step in steps) for name in steps[0].more_states},
            SOURCE_EMBEDDING_SPACE: self._embeddings[0][list(source_ids)],
            TARGET_EMBEDDING_SPACE: self._embeddings[1][list(target_ids)],
        }
        return ReferenceSentence(
            states=states,
            log_probs=log_probs[np.arange(len(target_ids)), list(target_ids)],
            attention=_join(attention) if attention else None,
            log_normalizers=logits.max(axis=-1) - log_probs.max(axis=-1),
        )

    @step_by_step()
    def search(self, source_ids: Sequence[int], generation: GenerationDefaults) -> tuple[ReferenceHypothesis, ...]:
        """The n-best list of a beam search, best first."""
        run = self._run(source_ids)

        def advance(tokens: Sequence[int], parents: Sequence[int]) -> Floats:
            log_probs = _normalize(run.step(tokens, parents).logits)
            log_probs[:, list(generation.suppressed_ids)] = -np.inf
            return log_probs

        return beam_search(advance, generation, start_id=self._start_id, end_id=self._end_id)


def _normalize(logits: Floats) -> Floats:
    """Log-probabilities of logits [..., vocabulary]."""
    log_probs: Floats = torch.log_softmax(torch.from_numpy(logits), dim=-1).numpy()
    return log_probs


def _join(rows: Iterable[Floats]) -> Floats:
    return np.concatenate(list(rows))
