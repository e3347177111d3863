"""A machine that is too small for a large model is told so before anything is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from pipeline.errors import BuildError
from pipeline.export.capacity import (
    Capacity,
    check_capacity,
    estimate_export,
    estimate_twin,
    estimate_weights,
    measure_free,
)

GB = 10**9
NLLB = 2_460_000_000


def test_weights_count_in_float32_whatever_precision_they_are_saved_in(tmp_path: Path) -> None:
    for number, dtype in enumerate((np.float32, np.float16)):
        save_file({f"weights.{number}": np.zeros((10, 20), dtype)}, tmp_path / f"model-{number}.safetensors")
    (tmp_path / "pytorch_model.bin").write_bytes(bytes(5_000))
    assert estimate_weights(tmp_path) == 2 * 200 * 4
    assert estimate_weights(tmp_path / "model-1.safetensors") == 200 * 4
    assert estimate_weights(tmp_path / "pytorch_model.bin") == 5_000

    for damaged in (b"torn", (100_000).to_bytes(8, "little") + b"[" * 100_000):
        (tmp_path / "model-0.safetensors").write_bytes(damaged)
        assert estimate_weights(tmp_path) == 200 * 4


@pytest.mark.parametrize(
    ("free", "problem"),
    [
        (Capacity(4 * GB, 100 * GB), r"needs about 4\.\d GB of memory, but 4\.0 GB are free; close other programs"),
        (Capacity(8 * GB, 2 * GB), r"needs about 2\.5 GB on the disk, but 2\.0 GB are free; free some space"),
        (Capacity(None, 2 * GB), "needs about 2.5 GB on the disk"),
    ],
)
def test_a_machine_that_is_too_small_is_refused_with_the_numbers(free: Capacity, problem: str) -> None:
    with pytest.raises(BuildError, match=f"nllb has 2.5 GB of weights, for which an export {problem}"):
        check_capacity("nllb", NLLB, estimate_export(NLLB), free)


def test_a_machine_that_is_large_enough_and_a_small_model_are_not_refused(tmp_path: Path) -> None:
    check_capacity("nllb", NLLB, estimate_export(NLLB), Capacity(5 * GB, 3 * GB))
    check_capacity("nllb-int8", NLLB, estimate_twin(NLLB, "int8"), Capacity(5 * GB, 2 * GB))
    check_capacity("tiny", 10**6, estimate_export(10**6), Capacity(10**6, 10**6))
    free = measure_free(tmp_path / "not" / "there")
    assert free.disk > 0
    assert free.memory is None or free.memory > 0
