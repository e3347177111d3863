"""Held-out states: states of pairs that are not in the store; recall and distances are measured with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from exported_models.contract.arrays import Floats
from exported_models.contract.manifest import SpaceSpec
from pipeline.store.blocks import Block
from pipeline.store.encode import StateSettings
from state_store import layout
from state_store.arrays import map_array, write_array
from state_store.pairs import PairTable
from state_store.shards import normalize_states, read_shard
from state_store.spaces import sample_rows

HELD_OUT_SENTENCES = 500
HELD_OUT_STATES = 2_000


@dataclass(frozen=True, slots=True)
class HeldOutPairs:
    """The pair table of the held-out sample that the model can read; no blocks if there is none."""

    blocks: tuple[Block, ...]

    @property
    def pairs(self) -> int:
        return sum(block.pairs for block in self.blocks)


@dataclass(frozen=True, slots=True)
class HeldOutStates:
    """The number of states that were written of each space."""

    states: dict[str, int]


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Held-out states, read back.

    Attributes:
        queries: space name -> [states, size] float32 unit vectors.
        sources: space name -> the source text of each.
    """

    queries: Mapping[str, Floats]
    sources: Mapping[str, tuple[str, ...]]


def write_held_out(
    folder: Path, shards: Path, settings: StateSettings, pairs: HeldOutPairs, store: Path
) -> tuple[HeldOutStates, list[Path]]:
    """Write a sample of the held-out states of each space, normalized as the rows of the store are.

    Args:
        folder: of the held-out pairs; the states come beside them.
        store: folder of the store, with the centers of its spaces.

    Returns:
        Their number in each space, and the files.
    """
    counts, files = {}, []
    for space in settings.spaces:
        center = map_array(layout.space_folder(store, space.name) / layout.CENTER, np.float32, (space.size,))
        states, owners = [np.empty((0, space.size), np.float32)], [np.empty(0, np.int64)]
        for block in pairs.blocks:
            rows = read_shard(shards / settings.shard_name(block), space)
            states.append(np.asarray(rows.states))
            owners.append(rows.tokens[:, 0].astype(np.int64) + block.first)
        everything = np.concatenate(states)
        chosen = sample_rows(len(everything), HELD_OUT_STATES) if len(everything) else np.empty(0, np.int64)
        write_array(_states_file(folder, space), normalize_states(everything[chosen], center))
        write_array(_owners_file(folder, space), np.concatenate(owners)[chosen])
        counts[space.name] = len(chosen)
        files += [_states_file(folder, space), _owners_file(folder, space)]
    return HeldOutStates(counts), files


def read_held_out(folder: Path, pairs: HeldOutPairs, written: HeldOutStates, spaces: Sequence[SpaceSpec]) -> HeldOut:
    """Read what `write_held_out` wrote.

    Raises:
        StoreError: a file is missing or damaged.
    """
    table = PairTable(folder, pairs.pairs)
    queries, sources = {}, {}
    for space in spaces:
        count = written.states[space.name]
        queries[space.name] = np.array(map_array(_states_file(folder, space), np.float32, (count, space.size)))
        owners = map_array(_owners_file(folder, space), np.int64, (count,))
        sources[space.name] = tuple(table[sentence].source for sentence in owners.tolist())
    return HeldOut(queries, sources)


def _states_file(folder: Path, space: SpaceSpec) -> Path:
    return folder / f"{space.name}.states.npy"


def _owners_file(folder: Path, space: SpaceSpec) -> Path:
    return folder / f"{space.name}.sentences.npy"
