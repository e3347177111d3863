"""Checking that a corpus is encoded with the states that analysis sees."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from exported_models.runtime.model import ExportedModel
from exported_models.search.scoring import force_batch
from pipeline.graphs.states import StateEncoder


def check_states(folder: Path, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]) -> None:
    """Encode a ragged batch both ways and compare, bit by bit."""
    analyzed = force_batch(ExportedModel.open(folder, threads=1), sources, targets)

    encoded = StateEncoder.open(folder, threads=1).encode(sources, targets)

    assert len(encoded) == len(analyzed) == len(sources)
    for states, forced in zip(encoded, analyzed, strict=True):
        assert states.keys() == forced.states.keys()
        for space, values in states.items():
            np.testing.assert_array_equal(values, forced.states[space], err_msg=space)
