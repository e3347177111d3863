"""Batches: which sentences of a block go through the graphs together.

Results may differ in the last bit with what else is in a batch. The batches of a block depend on that block alone, so
that a build that goes on after an interruption, and a build after other blocks changed, run the same batches.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from exported_models.runtime.providers import has_nvidia_gpu

Lengths = NDArray[np.int64]

_CPU_TOKENS = 8_192
# Room for one token of a batch on a GPU, activations and outputs of all its layers together.
_GPU_BYTES_PER_TOKEN = 256 << 10
_MOST_TOKENS = 262_144


def plan_batches(lengths: Lengths, tokens: int) -> list[Sequence[int]]:
    """Cut the sentences of a block into batches of sentences of like length.

    Args:
        lengths: [sentences, 2] tokens of source and target.
        tokens: most tokens a batch, padding included; a longer sentence is a batch of its own.

    Returns:
        The places of the sentences in ``lengths``, batch by batch.
    """
    order = np.lexsort((np.arange(len(lengths)), lengths[:, 1], lengths[:, 0]))
    return [batch.tolist() for batch in _cut(order, lengths, tokens)]


def choose_batch_tokens() -> int:
    """Most tokens a batch on this machine: by the GPU's memory where there is one."""
    if not has_nvidia_gpu():
        return _CPU_TOKENS
    return int(np.clip(_gpu_memory() // 2 // _GPU_BYTES_PER_TOKEN, _CPU_TOKENS, _MOST_TOKENS))


def _gpu_memory() -> int:
    """Bytes of the smallest GPU, 0 if the driver does not say; all of it, so that equal machines plan alike."""
    command = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
        return min(int(line) for line in done.stdout.split()) << 20
    except (OSError, subprocess.SubprocessError, ValueError):
        return 0


def _cut(order: Lengths, lengths: Lengths, tokens: int) -> Iterator[Lengths]:
    """Batches of consecutive sentences of ``order``, none over ``tokens`` when padded to its longest."""
    start = 0
    longest = np.zeros(2, np.int64)
    for place, sentence in enumerate(order):
        grown = np.maximum(longest, lengths[sentence])
        if place > start and int(grown.sum()) * (place - start + 1) > tokens:
            yield order[start:place]
            start, grown = place, lengths[sentence]
        longest = grown
    if start < len(order):
        yield order[start:]
