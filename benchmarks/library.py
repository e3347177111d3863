"""The library's own pass over sentence pairs whose targets are given, keeping what a store and a trace hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from exported_models.contract.manifest import ModelManifest

TokenPair = tuple[Sequence[int], Sequence[int]]
"""Ids of a source and of its target, end of sentence included."""


def forward(library: Any, manifest: ModelManifest, batch: Sequence[TokenPair]) -> object:
    """Hidden states and attention of every layer for a ragged batch.

    Args:
        library: a sequence-to-sequence model of `transformers`.
        manifest: of the same model exported, for its padding and start token.
    """
    sources = _pad([source for source, _ in batch], manifest.pad_id)
    targets = _pad([(manifest.start_id, *target[:-1]) for _, target in batch], manifest.pad_id)
    return library(
        input_ids=sources,
        attention_mask=(sources != manifest.pad_id).long(),
        decoder_input_ids=targets,
        output_attentions=True,
        output_hidden_states=True,
    )


def _pad(rows: Sequence[Sequence[int]], pad_id: int) -> torch.Tensor:
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[pad_id] * (longest - len(row))] for row in rows])
