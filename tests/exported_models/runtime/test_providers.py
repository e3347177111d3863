"""Number of cores that a request takes."""

from __future__ import annotations

import os

import pytest

from exported_models.runtime.providers import choose_threads


def test_a_small_model_takes_one_core() -> None:
    assert choose_threads(20 << 20) == 1


def test_a_large_one_leaves_cores_to_others() -> None:
    assert 1 <= choose_threads(4 << 30) <= max(1, (os.cpu_count() or 1) // 2)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs to be bound to a core, as on Linux")
def test_cores_that_the_process_may_not_use_do_not_count() -> None:
    usable = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(usable)})
        assert choose_threads(4 << 30) == 1
    finally:
        os.sched_setaffinity(0, usable)
