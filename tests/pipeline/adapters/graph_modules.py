"""The modules that are exported, run by torch."""

from __future__ import annotations

import torch

from pipeline.graphs.modules import EncoderGraph, ForcedGraph
from pipeline.models.checkpoint import LoadedCheckpoint


def run_modules(source: LoadedCheckpoint, ids: list[int], target: list[int]) -> dict[str, torch.Tensor]:
    """Outputs of the encoder and of the teacher-forced decoder for one pair, by their names, without the batch axis."""
    grids = {"head_mask": source.encoder_self_attention, "decoder_head_mask": source.decoder_self_attention}
    tensors = {
        "source_ids": torch.tensor([ids]),
        "source_mask": torch.ones(1, len(ids), dtype=torch.bool),
        "previous_ids": torch.tensor([[source.start_id, *target[:-1]]]),
        "scored_ids": torch.tensor([target]),
        **{name: torch.ones(grid.layers, grid.heads) for name, grid in grids.items() if grid is not None},
    }
    for graph in (EncoderGraph(source), ForcedGraph(source)):
        outputs = graph(*(tensors[spec.name] for spec in graph.inputs))
        tensors |= dict(zip((spec.name for spec in graph.outputs), outputs, strict=True))
    return {name: values[0] for name, values in tensors.items()}
