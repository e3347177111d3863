"""The batch plan: which sentences go through the graphs together.

Results may differ in the last bit with what else is in a batch, so the plan is made once and written down: a build that
goes on after an interruption runs the same batches.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from exported_models.runtime.providers import has_nvidia_gpu
from state_store.arrays import map_array, write_array

Lengths = NDArray[np.int64]

_PLAN_FILE = "batches.npy"
_CPU_TOKENS = 8_192
# What one token of a batch may take on a GPU, activations and outputs of all its layers together.
_GPU_BYTES_PER_TOKEN = 256 << 10
_MOST_TOKENS = 262_144


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """Batches of sentences by shard.

    Attributes:
        sentences: [sentences] int64 sentence ids, batch by batch.
        ends: [batches] int64 where each batch ends in ``sentences``.
        shards: [batches] int64 the shard of each batch; a shard is a range of consecutive sentences.
    """

    sentences: Lengths
    ends: Lengths
    shards: Lengths

    def shard_numbers(self) -> range:
        return range(int(self.shards[-1]) + 1) if len(self.shards) else range(0)

    def batches(self, shard: int) -> Iterator[Sequence[int]]:
        """The batches of a shard."""
        for batch in np.flatnonzero(self.shards == shard):
            start = int(self.ends[batch - 1]) if batch else 0
            yield self.sentences[start : int(self.ends[batch])].tolist()


def plan_batches(lengths: Lengths, shard_pairs: int, tokens: int) -> BatchPlan:
    """Cut the corpus into shards and every shard into batches of sentences of like length.

    Args:
        lengths: [sentences, 2] tokens of source and target.
        shard_pairs: sentences a shard.
        tokens: most tokens a batch, padding included; a longer sentence is a batch of its own.
    """
    sentences, ends, shards = [], [0], []
    for shard, first in enumerate(range(0, len(lengths), shard_pairs)):
        part = lengths[first : first + shard_pairs]
        order = np.lexsort((np.arange(len(part)), part[:, 1], part[:, 0])) + first
        for batch in _cut(order, lengths, tokens):
            sentences.append(batch)
            ends.append(ends[-1] + len(batch))
            shards.append(shard)
    everything = np.concatenate(sentences) if sentences else np.empty(0, np.int64)
    return BatchPlan(everything.astype(np.int64), np.array(ends[1:], np.int64), np.array(shards, np.int64))


def write_plan(folder: Path, plan: BatchPlan) -> Path:
    """Write a plan into a build folder; return its file."""
    ids = plan.sentences
    table = np.zeros((2, len(ids)), np.int64)
    table[0] = ids
    # Second row: at the last sentence of each batch its shard + 1, else 0.
    table[1, plan.ends - 1] = plan.shards + 1
    path = folder / _PLAN_FILE
    write_array(path, table)
    return path


def read_plan(folder: Path) -> BatchPlan:
    """Read the plan of a build folder.

    Raises:
        StoreError: it is missing or damaged.
    """
    table = map_array(folder / _PLAN_FILE, np.int64, (2, None))
    last = np.flatnonzero(table[1])
    return BatchPlan(np.array(table[0]), last + 1, np.array(table[1][last]) - 1)


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
