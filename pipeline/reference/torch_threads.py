"""Number of threads of torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

_LARGE = 50_000_000
"""Least number of weights of a model whose steps take longer than waking threads."""


def choose_threads(parameters: int) -> int:
    """Threads for a model of so many weights that runs one sentence at a time."""
    return torch.get_num_threads() if parameters >= _LARGE else 1


@contextmanager
def step_by_step(threads: int = 1) -> Iterator[None]:
    """Run without gradients, and by default on one thread: small operations take less time than waking threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.inference_mode():
            yield
    finally:
        torch.set_num_threads(before)
