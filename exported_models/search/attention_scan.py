"""Scores of one token under many attention overrides of one step, a row for each override."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from exported_models.contract.arrays import Floats, Mask
from exported_models.contract.request import AttentionOverride, CompletedRequest
from exported_models.contract.source import Source
from exported_models.runtime.graph_session import Tensors
from exported_models.runtime.model import ExportedModel
from exported_models.runtime.sessions import EncodedSource, StepInput
from exported_models.search.ablation import mask_heads
from exported_models.search.overrides import override_row, override_rows
from exported_models.search.scoring import encode_batch

ROWS_AT_ONCE = 128
"""Overrides that one step tries."""


@dataclass(frozen=True, slots=True)
class TokenScore:
    """The natural log-probability of a token, that of the most probable token, and the token's rank; 0 is the best."""

    log_prob: float
    best_log_prob: float
    rank: int


def scan_overrides(
    model: ExportedModel,
    request: CompletedRequest,
    source: Source,
    prefix: Sequence[int],
    token_id: int,
    trials: Sequence[Sequence[AttentionOverride]],
    report: Callable[[int], object] = lambda _: None,
) -> list[TokenScore]:
    """Score a token at the step after ``prefix`` once for each trial.

    Args:
        request: its overrides before the step and its ablated heads are in force.
        prefix: token ids before the step.
        trials: the overrides that are in force at the step, each trial's own.
        report: called with the number of trials that were scored since its last call.

    Raises:
        UnwantedError: the call was cancelled.
    """
    encoded = encode_batch(model, [source.rows], mask_heads(request.ablations, model.manifest))
    memory, step = _read_prefix(model, encoded, request, source, prefix), len(prefix)
    found: list[TokenScore] = []
    for first in range(0, len(trials), ROWS_AT_ONCE):
        chunk = trials[first : first + ROWS_AT_ONCE]
        rows = [override_row(overrides, step, model.manifest, len(source)) for overrides in chunk]
        found += _score(model, encoded, memory, prefix, token_id, _stack(model, rows, len(source)))
        report(len(chunk))
    return found


def _read_prefix(
    model: ExportedModel, encoded: EncodedSource, request: CompletedRequest, source: Source, prefix: Sequence[int]
) -> Tensors:
    """The decoder memory after the steps that read all tokens before the last one of the prefix."""
    memory: Tensors = encoded.memory
    for position, previous in enumerate((model.manifest.start_id, *prefix)[:-1]):
        override = override_rows(request.overrides, position, 1, model.manifest, len(source))
        asked = StepInput(np.array([previous], np.int64), np.zeros(1, np.int64), position, None, 1, override)
        memory = model.decoder.run(encoded, memory, asked).memory
    return memory


def _stack(model: ExportedModel, rows: Sequence[tuple[Floats, Mask] | None], source_tokens: int) -> tuple[Floats, Mask]:
    shape = (model.manifest.cross_attention_layers, model.manifest.cross_attention_heads)
    none = np.zeros((*shape, source_tokens), np.float32), np.zeros(shape, np.bool_)
    weights, on = zip(*(row or none for row in rows), strict=True)
    return np.stack(weights), np.stack(on)


def _score(
    model: ExportedModel,
    encoded: EncodedSource,
    memory: Tensors,
    prefix: Sequence[int],
    token_id: int,
    override: tuple[Floats, Mask],
) -> list[TokenScore]:
    """One step with a row for each override."""
    rows = len(override[0])
    asked = StepInput(
        previous_ids=np.full(rows, prefix[-1] if prefix else model.manifest.start_id, np.int64),
        beam_index=np.zeros(rows, np.int64),
        position=len(prefix),
        scored_ids=np.full(rows, token_id, np.int64),
        top_count=1,
        override=override,
    )
    output = model.decoder.run(encoded, memory, asked)
    columns = (output.floats("scored_log_probs"), output.floats("top_log_probs")[:, 0], output.ids("scored_ranks"))
    return [TokenScore(*values) for values in zip(*(column.tolist() for column in columns), strict=True)]
