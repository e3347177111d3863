"""Rounding is measured against double precision, output by output, and bounds follow from it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.adapters import load_adapter
from pipeline.models.checkpoint import LoadedCheckpoint
from pipeline.parity.forcing import force_modules
from pipeline.parity.rounding import find_bounds, measure_rounding
from pipeline.parity.sample import SamplePair
from tests.artefacts import DATES
from tests.pipeline.adapters.huggingface.tiny_checkpoints import save_tiny_checkpoint

PAIRS = (
    SamplePair("one", (11, 12, 13, 14, 15, 2), (5, 6, 7, 8, 2)),
    SamplePair("two", (7, 5, 2), (8, 2)),
)


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], LoadedCheckpoint]:
    @cache
    def find(family: str) -> LoadedCheckpoint:
        if family == "luong":
            return load_adapter("luong").load(DATES / "checkpoint")
        folder: Path = tmp_path_factory.mktemp(family)
        return load_adapter("huggingface").load(save_tiny_checkpoint(family, folder))

    return find


def _widen(checkpoint: LoadedCheckpoint) -> LoadedCheckpoint:
    """The same checkpoint with weights in double precision."""

    def double(module: nn.Module | None) -> nn.Module | None:
        return None if module is None else copy.deepcopy(module).double()

    encoder, step = double(checkpoint.encoder), double(checkpoint.decoder_step)
    assert encoder is not None
    assert step is not None
    return replace(
        checkpoint,
        encoder=encoder,
        decoder_step=step,
        teacher_forced=double(checkpoint.teacher_forced),
        embeddings=double(checkpoint.embeddings),
    )


@pytest.mark.parametrize("family", ["luong", "t5", "marian"])
def test_rounding_is_at_least_the_difference_to_weights_in_double_precision(
    family: str, load: Callable[[str], LoadedCheckpoint]
) -> None:
    checkpoint = load(family)
    measured = measure_rounding(checkpoint, PAIRS)

    wide = _widen(checkpoint)
    with torch.inference_mode():
        exact = [force_modules(wide, pair.source_ids, pair.target_ids) for pair in PAIRS]
        rounded = [force_modules(checkpoint, pair.source_ids, pair.target_ids) for pair in PAIRS]
    for name, rounding in measured.items():
        gap = max(np.abs(one[name] - other[name]).max() for one, other in zip(exact, rounded, strict=True))
        finest = np.spacing(np.float32(max(np.abs(outputs[name]).max() for outputs in exact)))
        # Other orders of summation may round more coarsely than the modules' own.
        assert 0.98 * max(gap, finest) <= rounding <= 20 * max(gap, finest), name


def test_measuring_leaves_the_weights_as_they_are(load: Callable[[str], LoadedCheckpoint]) -> None:
    checkpoint = load("t5")
    before = {name: weight.clone() for name, weight in checkpoint.decoder_step.state_dict().items()}
    measure_rounding(checkpoint, PAIRS)

    for name, weight in checkpoint.decoder_step.state_dict().items():
        assert weight.dtype == torch.float32
        assert torch.equal(weight, before[name]), name


def test_larger_values_round_more_coarsely(load: Callable[[str], LoadedCheckpoint]) -> None:
    checkpoint = load("t5")
    usual = measure_rounding(checkpoint, PAIRS)
    with torch.no_grad():
        weight = checkpoint.decoder_step.get_parameter("model.decoder.2.cross_attention.output.weight")
        weight.mul_(4096)
        loud = measure_rounding(checkpoint, PAIRS)
        weight.div_(4096)

    assert loud["context states"] > 1000 * usual["context states"]
    assert loud["encoder states"] == usual["encoder states"]


def test_bounds_widen_only_for_outputs_that_round_coarsely() -> None:
    assert find_bounds({"fine": 1e-6, "coarse": 1e-3}, 1e-4) == {"fine": 1e-4, "coarse": 8e-3}
