"""Checking states: of a corpus against those of analysis, and of graphs against those of a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from exported_models.contract.arrays import Floats
from exported_models.runtime.model import ExportedModel
from exported_models.search.states import force_with_states
from pipeline.graphs.states import StateEncoder
from pipeline.models.checkpoint import LoadedCheckpoint, ReferenceSentence


def list_states(source: LoadedCheckpoint, wanted: ReferenceSentence) -> dict[str, Floats]:
    """States of a reference for every space that a graph has an output for, by that output."""
    return {space.output: wanted.states[space.name] for space in source.spaces if space.kind != "table"}


def check_states(folder: Path, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]) -> None:
    """Encode a ragged batch both ways, every space and the recorded ones alone, and compare, bit by bit."""
    model = ExportedModel.open(folder, threads=1)
    analyzed = force_with_states(model, sources, targets)
    names = [space.name for space in model.manifest.spaces]
    recorded = [space.name for space in model.manifest.spaces if space.kind == "recorded"]

    every = StateEncoder.open(folder, names, threads=1).encode(sources, targets)
    default = StateEncoder.open(folder, threads=1).encode(sources, targets)

    assert len(every) == len(default) == len(analyzed) == len(sources)
    for states, fewer, forced in zip(every, default, analyzed, strict=True):
        assert list(states) == names
        assert list(fewer) == recorded
        for space, values in (*states.items(), *fewer.items()):
            np.testing.assert_array_equal(values, forced.states[space], err_msg=space)
