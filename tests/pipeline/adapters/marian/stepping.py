"""Running the graph modules of a loaded model step by step, as the engine runs its exported graphs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from exported_models.contract.graphs import TensorSpec, memory_name
from pipeline.graphs.modules import EncoderGraph, StepGraph
from pipeline.models.checkpoint import LoadedCheckpoint


def force_in_steps(source: LoadedCheckpoint, source_ids: Sequence[int], target_ids: Sequence[int]) -> dict[str, Tensor]:
    """Every output of the steps for one pair, stacked by target token; and the states of the source."""
    encoder, step = EncoderGraph(source), StepGraph(source)
    ids = torch.tensor([list(source_ids)])
    tensors = {"source_ids": ids, "source_mask": torch.ones_like(ids, dtype=torch.bool)}
    tensors |= _run(encoder, encoder.inputs, encoder.outputs, tensors)
    steps = []
    for position, (previous, wanted) in enumerate(zip((source.start_id, *target_ids), target_ids, strict=False)):
        tensors |= {
            "previous_ids": torch.tensor([previous]),
            "beam_index": torch.tensor([0]),
            "position": torch.tensor([position]),
            "scored_ids": torch.tensor([wanted]),
            "top_count": torch.tensor([3]),
            "attention_override": torch.zeros(1, *_grid(source), ids.shape[1]),
            "override_on": torch.zeros(1, *_grid(source), dtype=torch.bool),
        }
        found = _run(step, step.inputs, step.outputs, tensors)
        tensors |= {memory_name(name): value for name, value in found.items() if name.startswith("next.")}
        steps.append({name: value for name, value in found.items() if not name.startswith("next.")})
    of_source = [space.output for space in source.spaces if space.owner == "source" and space.kind != "table"]
    return {
        **{name: torch.cat([outputs[name] for outputs in steps]) for name in steps[0]},
        **{name: tensors[name][0] for name in of_source},
    }


def _grid(source: LoadedCheckpoint) -> tuple[int, int]:
    return source.cross_attention_layers, source.cross_attention_heads


def _run(
    graph: EncoderGraph | StepGraph,
    inputs: Sequence[TensorSpec],
    outputs: Sequence[TensorSpec],
    tensors: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """Run a graph; masks of heads, which no test here has, keep every head."""
    given = [tensors[spec.name] if spec.name in tensors else _ones(spec) for spec in inputs]
    return dict(zip((spec.name for spec in outputs), graph(*given), strict=True))


def _ones(spec: TensorSpec) -> Tensor:
    return torch.ones([size for size in spec.shape if isinstance(size, int)])
