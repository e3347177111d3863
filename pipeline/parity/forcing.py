"""The modules of a checkpoint, run by torch on one sentence pair."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from exported_models.contract.graphs import (
    MEMORY_PREFIX,
    NEXT_PREFIX,
    SOURCE_PREFIX,
    memory_name,
)
from pipeline.graphs.modules import normalize
from pipeline.models.checkpoint import LoadedCheckpoint
from pipeline.parity.outputs import ATTENTION, LOG_PROBS, NORMALIZERS, SCORES, Outputs, name_states, sum_scores


def force_modules(checkpoint: LoadedCheckpoint, source_ids: Sequence[int], target_ids: Sequence[int]) -> Outputs:
    """Every output that parity compares, in double precision; both sides end with the end of sentence."""
    mask = torch.ones(1, len(source_ids), dtype=torch.bool)
    encoded: dict[str, Tensor] = checkpoint.encoder(torch.tensor([list(source_ids)]), mask)
    previous = (checkpoint.start_id, *target_ids[:-1])
    decoded = _decode(checkpoint, previous, encoded, mask)
    every, normalizers = map(_doubles, normalize(decoded["logits"]))
    log_probs = every[np.arange(len(target_ids)), list(target_ids)]
    states = {**_look_up(checkpoint, source_ids, target_ids), **{name: value[0] for name, value in encoded.items()}}
    states |= decoded
    return {
        LOG_PROBS: log_probs,
        **{name_states(space.name): _doubles(states[space.output]) for space in checkpoint.spaces},
        **({ATTENTION: _doubles(decoded["cross_attention"])} if checkpoint.cross_attention_layers else {}),
        NORMALIZERS: normalizers,
        SCORES: sum_scores(checkpoint, target_ids, log_probs, normalizers),
    }


def _look_up(
    checkpoint: LoadedCheckpoint, source_ids: Sequence[int], target_ids: Sequence[int]
) -> Mapping[str, Tensor]:
    """Rows [tokens, size] of the spaces that are tables."""
    if checkpoint.embeddings is None:
        return {}
    found: dict[str, Tensor] = checkpoint.embeddings(torch.tensor(list(source_ids)), torch.tensor(list(target_ids)))
    return found


def _decode(
    checkpoint: LoadedCheckpoint, previous: Sequence[int], encoded: Mapping[str, Tensor], mask: Tensor
) -> Mapping[str, Tensor]:
    """The decoder's outputs [target tokens, ...]: in one pass over the target, or step by step."""
    source = {name: value for name, value in encoded.items() if name.startswith(SOURCE_PREFIX)}
    if checkpoint.teacher_forced is not None:
        given = {"previous_ids": torch.tensor([list(previous)]), "source_mask": mask, **source}
        return {name: value[0] for name, value in checkpoint.teacher_forced(given).items()}
    memory = {name: value for name, value in encoded.items() if name.startswith(MEMORY_PREFIX)}
    steps = list(_step(checkpoint, previous, {"source_mask": mask, **source}, memory))
    return {name: torch.cat([outputs[name] for outputs in steps]) for name in steps[0]}


def _step(
    checkpoint: LoadedCheckpoint, previous: Sequence[int], source: Mapping[str, Tensor], memory: Mapping[str, Tensor]
) -> Iterator[Mapping[str, Tensor]]:
    """The outputs of every step, what it hands to the next left out."""
    grid = (1, checkpoint.cross_attention_layers, checkpoint.cross_attention_heads)
    off = {
        "attention_override": torch.zeros(*grid, source["source_mask"].shape[1]),
        "override_on": torch.zeros(grid, dtype=torch.bool),
    }
    for position, token_id in enumerate(previous):
        now = {"previous_ids": torch.tensor([token_id]), "position": torch.tensor([position])}
        outputs: dict[str, Tensor] = checkpoint.decoder_step({**now, **source, **off, **memory})
        memory = {memory_name(name): value for name, value in outputs.items() if name.startswith(NEXT_PREFIX)}
        yield {name: value for name, value in outputs.items() if not name.startswith(NEXT_PREFIX)}


def _doubles(values: Tensor) -> NDArray[np.float64]:
    array: NDArray[np.float64] = values.double().numpy()
    return array
