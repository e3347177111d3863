"""Find the attention that makes a wanted word the most probable one.

Every trial puts all weight of a step on one source position: of all heads, of the heads of one layer, or of one head.
Of the trials that make the wanted word the most probable one, the smallest change is the answer. A change is measured
by the total variation of the attention, mean of all layers and heads: a trial of one head is smaller than one of all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import exp

import numpy as np

from exported_models.completion import find_token
from exported_models.contract.arrays import Floats
from exported_models.contract.errors import RequestError
from exported_models.contract.manifest import ModelManifest
from exported_models.contract.request import AttentionOverride
from exported_models.contract.trace import Hypothesis, Trace
from exported_models.contract.wishes import Attend
from exported_models.edits import revise
from exported_models.engine import Engine
from exported_models.runtime.languages import speak
from exported_models.runtime.model import ExportedModel
from exported_models.search.attention_scan import TokenScore, scan_overrides
from exported_models.search.overrides import override_row


@dataclass(frozen=True, slots=True)
class TriedAttention:
    """One trial.

    Attributes:
        wish: the change.
        position: the source position with all the weight; ``wish`` has layer and head, None for all.
        log_prob: natural log-probability of the wanted token under it.
        behind: what that lacks to the most probable token's; 0 where the wanted token is the most probable one.
        rank: of the wanted token; 0 is the most probable one.
        change: total variation from the attention before, mean of all layers and heads, from 0 to 1.
    """

    wish: Attend
    position: int
    log_prob: float
    behind: float
    rank: int
    change: float

    @property
    def succeeds(self) -> bool:
        """Whether the wanted token is the most probable one."""
        return self.rank == 0

    @property
    def probability(self) -> float:
        """Of the wanted token, from 0 to 1."""
        return exp(self.log_prob)


@dataclass(frozen=True, slots=True)
class AttentionSearch:
    """Trials for one wanted token, in the order of positions, then layers, then heads.

    Attributes:
        before: log-probability of the token with the attention as it is, and its rank.
        total: number of trials that there are; ``tried`` may be a part of them.
    """

    step: int
    token: str
    before: TokenScore
    total: int
    tried: tuple[TriedAttention, ...]

    @property
    def best(self) -> TriedAttention:
        """The smallest change that succeeds; where none does, the trial that comes nearest."""
        return rank_attention(self.tried)[0]


def rank_attention(tried: Sequence[TriedAttention]) -> list[TriedAttention]:
    """Trials that succeed by the size of their change, then the others by what they lack."""
    return sorted(tried, key=lambda trial: (not trial.succeeds, trial.change if trial.succeeds else trial.behind))


def find_attention(
    engine: Engine,
    trace: Trace,
    hypothesis: Hypothesis,
    step: int,
    token: str,
    *,
    first: int = 0,
    count: int | None = None,
    report: Callable[[int], object] = lambda _: None,
) -> AttentionSearch:
    """Try attention at a step of a hypothesis until a token is the most probable one there.

    Args:
        token: of the target vocabulary.
        first, count: the trials to run, counted from 0; None for all from the first on.
        report: called with the number of trials that were run since its last call.

    Raises:
        RequestError: the model has no attention, the hypothesis no such step, or the vocabulary no such token.
        UnwantedError: the call was cancelled.
    """
    model = speak(engine.model(trace.request.model_id), trace.request)
    attention = trace.attention(hypothesis)
    if attention is None:
        raise RequestError(f"The model {trace.request.model_id} has no attention to change.", field="wish")
    if not 0 <= step < len(hypothesis.tokens):
        raise RequestError(
            f"There is no step {step}: the translation has {len(hypothesis.tokens)}, counted from 0.", field="step"
        )
    token_id = find_token(token, model)
    wishes = list(list_attention(model.manifest, len(trace.source), step))
    chosen = wishes[first:] if count is None else wishes[first : first + count]
    overrides = [revise(trace.request.as_request(), wish).overrides for wish in chosen]
    asked = [trace.request.overrides, *overrides]
    prefix = hypothesis.token_ids[:step]
    before, *scores = scan_overrides(model, trace.request, trace.source, prefix, token_id, asked, report)
    changes = [_measure(model, attention[step], each, step) for each in overrides]
    tried = tuple(_judge(*each) for each in zip(chosen, scores, changes, strict=True))
    return AttentionSearch(step, token, before, len(wishes), tried)


def list_attention(manifest: ModelManifest, source_tokens: int, step: int) -> Iterator[Attend]:
    """All trials of a step: every source position for all heads, then for each layer, then for each head."""
    layers, heads = range(manifest.cross_attention_layers), range(manifest.cross_attention_heads)
    places: list[tuple[int | None, int | None]] = [(None, None)]
    places += [(layer, None) for layer in layers if len(layers) > 1]
    places += [(layer, head) for layer in layers for head in heads if len(heads) > 1]
    for layer, head in places:
        for position in range(source_tokens):
            yield Attend(step, ((position, 1.0),), layer, head)


def _judge(wish: Attend, score: TokenScore, change: float) -> TriedAttention:
    behind = score.best_log_prob - score.log_prob
    return TriedAttention(wish, wish.weights[0][0], score.log_prob, behind, score.rank, change)


def _measure(model: ExportedModel, own: Floats, overrides: Sequence[AttentionOverride], step: int) -> float:
    """Total variation between the attention [layers, heads, source] of a step and that under overrides."""
    found = override_row(overrides, step, model.manifest, own.shape[-1])
    assert found is not None
    weights, on = found
    moved = np.abs(weights - own).sum(axis=-1) / 2
    return float(np.where(on, moved, 0.0).mean())
