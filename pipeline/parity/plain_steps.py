"""Steps of an exported model without interventions, as most steps of a search are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from exported_models.contract.arrays import Floats
from exported_models.runtime.graph_session import Tensors
from exported_models.runtime.model import ExportedModel
from exported_models.runtime.sessions import CROSS_ATTENTION, EncodedSource, StepInput, StepOutput
from exported_models.search.scoring import encode_batch, pad, run_steps
from pipeline.parity.outputs import ATTENTION, Outputs, name_states


def run_plain_steps(
    exported: ExportedModel, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]
) -> list[Outputs]:
    """Attention and recorded target states of every pair, from steps that score no given token."""

    def run(encoded: EncodedSource, memory: Tensors, asked: StepInput) -> StepOutput:
        return exported.decoder.run(encoded, memory, replace(asked, scored_ids=None))

    padded, _ = pad(targets, exported.manifest.pad_id)
    steps = run_steps(exported, encode_batch(exported, sources), padded, None, run)
    stacked = {
        name: np.stack([step.floats(output) for step in steps], axis=1)
        for name, output in _name_arrays(exported).items()
        if output in steps[0].arrays
    }
    return [
        {name: _cut(name, values[row], len(source), len(target)) for name, values in stacked.items()}
        for row, (source, target) in enumerate(zip(sources, targets, strict=True))
    ]


def _name_arrays(exported: ExportedModel) -> dict[str, str]:
    """Name of an output in parity -> its name in graphs."""
    return {name_states(space.name): space.output for space in exported.manifest.spaces} | {ATTENTION: CROSS_ATTENTION}


def _cut(name: str, values: Floats, sources: int, targets: int) -> Floats:
    """The values of one sentence without padding; attention has source tokens in its last axis."""
    return values[:targets, ..., :sources] if name == ATTENTION else values[:targets]
