"""How the encoded corpus gets into a store: centers, immutable shards, and merging them.

1. `fit_centers` over a sample of the corpus: states are centered before they become float16, because the residuals of
   some models exceed its range.
2. `write_shard` for each part of the corpus: normalized rows, in one rename, so that a shard is there whole or not.
3. `merge_shards`: the shards one after the other. Rows are prepared one by one, so that how the corpus was cut into
   shards leaves no trace in the store.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exported_models.contract.arrays import Floats
from exported_models.contract.manifest import SpaceSpec
from exported_models.contract.publishing import explain_disk_errors
from state_store import layout
from state_store.arrays import ArrayWriter, map_array, write_array
from state_store.contexts import NO_TOKEN, TOKEN_COLUMNS, number_contexts
from state_store.errors import StateError, StoreError

Halves = NDArray[np.float16]
TokenTable = NDArray[np.int32]

_COPIED_ROWS = 1 << 16


@dataclass(frozen=True, slots=True)
class SentenceStates:
    """One encoded sentence pair.

    Attributes:
        sentence: its id in the store.
        source_ids, target_ids: its tokens without padding and start token, end of sentence included.
        states: space name -> [tokens, size] float32, one row a token of the side that owns the space; row t of a
            target space is the state that predicts target token t.
    """

    sentence: int
    source_ids: Sequence[int]
    target_ids: Sequence[int]
    states: Mapping[str, Floats]

    def ids(self, space: SpaceSpec) -> Sequence[int]:
        """The tokens that the rows of a space belong to."""
        return self.source_ids if space.owner == "source" else self.target_ids


@dataclass(frozen=True, slots=True)
class ShardRows:
    """The rows of one space in one shard: ``vectors`` [rows, size] float16, ``tokens`` [rows, 4] int32."""

    vectors: Halves
    tokens: TokenTable


def normalize_states(states: Floats, center: Floats) -> Floats:
    """Subtract the center and bring to unit length, in float32; a state on the center itself becomes zero.

    Args:
        states: [rows, size]
        center: [size] float32

    Raises:
        StateError: the states are not finite numbers, or of another size than the center.
    """
    if states.ndim != 2 or states.shape[1] != len(center):
        raise StateError(f"States of shape {list(states.shape)} were given where [rows, {len(center)}] is needed.")
    centered = np.asarray(states, np.float32) - center
    # First the largest component to 1: the squares of large states overflow float32.
    centered = _divide(centered, np.abs(centered).max(axis=1))
    return _divide(centered, np.linalg.norm(centered, axis=1))


def fit_centers(spaces: Sequence[SpaceSpec], sample: Iterable[SentenceStates]) -> dict[str, Floats]:
    """The mean state of each space, [size] float32, over a sample of the corpus (summed in float64, in order).

    Raises:
        StoreError: the sample is empty. StateError: its states are not finite.
    """
    totals = {space.name: np.zeros(space.size) for space in spaces}
    counts = dict.fromkeys(totals, 0)
    for sentence in sample:
        for name in totals:
            totals[name] += sentence.states[name].sum(axis=0, dtype=np.float64)
            counts[name] += len(sentence.states[name])
    if not all(counts.values()):
        raise StoreError("The corpus has no tokens to index: no sentence was encoded.")
    centers = {name: (totals[name] / counts[name]).astype(np.float32) for name in totals}
    for name, center in centers.items():
        if not np.isfinite(center).all():
            raise StateError(f"The model made states of the space {name!r} that are not finite numbers.")
    return centers


def write_shard(
    folder: Path,
    number: int,
    spaces: Sequence[SpaceSpec],
    centers: Mapping[str, Floats],
    sentences: Sequence[SentenceStates],
) -> Path:
    """Write one shard in one atomic step, replacing an earlier one of that number; return its folder.

    Raises:
        StateError: a state is not finite, or a sentence has not one state a token; nothing is written.
        PublishingError: the disk is full or not writable.
    """
    final = _shard_folder(folder, number)
    staged = final.with_name(f".{final.name}.tmp")
    with explain_disk_errors(final):
        shutil.rmtree(staged, ignore_errors=True)
        staged.mkdir(parents=True)
        try:
            for space in spaces:
                rows = _prepare_rows(space, centers[space.name], sentences)
                write_array(staged / f"{space.name}.{layout.VECTORS}", rows.vectors)
                write_array(staged / f"{space.name}.{layout.TOKENS}", rows.tokens)
            shutil.rmtree(final, ignore_errors=True)
            staged.rename(final)
        finally:
            shutil.rmtree(staged, ignore_errors=True)
    return final


def shard_numbers(folder: Path) -> tuple[int, ...]:
    """Numbers of the complete shards in a folder, ascending."""
    return tuple(sorted(int(path.name.removeprefix("shard-")) for path in folder.glob("shard-*") if path.is_dir()))


def read_shard(folder: Path, number: int, space: SpaceSpec) -> ShardRows:
    """The rows of one space in one shard, as memory maps.

    Raises:
        StoreError: the shard is missing or damaged.
    """
    shard = _shard_folder(folder, number)
    tokens = map_array(shard / f"{space.name}.{layout.TOKENS}", np.int32, (None, TOKEN_COLUMNS))
    vectors = map_array(shard / f"{space.name}.{layout.VECTORS}", np.float16, (len(tokens), space.size))
    return ShardRows(vectors, tokens)


def merge_shards(
    folder: Path,
    numbers: Sequence[int],
    store: Path,
    spaces: Sequence[SpaceSpec],
    centers: Mapping[str, Floats],
    sentences: int,
) -> dict[str, int]:
    """Write vectors, token tables and centers of every space into a store's folder; return the rows of each space.

    Args:
        folder: where the shards are; they stay.
        numbers: which shards, in the order of their sentences.
        sentences: how many sentence pairs the store has; their ids count from 0.

    Raises:
        StoreError: a shard is missing or damaged, or sentences are out of order.
        PublishingError: the disk is full or not writable.
    """
    rows = {}
    for space in spaces:
        target = layout.space_folder(store, space.name)
        with explain_disk_errors(target):
            target.mkdir(parents=True, exist_ok=True)
        write_array(target / layout.CENTER, centers[space.name])
        rows[space.name] = _merge_space(target, space, [read_shard(folder, n, space) for n in numbers], sentences)
    return rows


def _shard_folder(folder: Path, number: int) -> Path:
    return folder / f"shard-{number:05d}"


def _prepare_rows(space: SpaceSpec, center: Floats, sentences: Sequence[SentenceStates]) -> ShardRows:
    vectors, tokens = [np.empty((0, space.size), np.float16)], [np.empty((0, TOKEN_COLUMNS), np.int32)]
    for sentence in sentences:
        states, ids = sentence.states[space.name], sentence.ids(space)
        if len(states) != len(ids):
            raise StateError(
                f"Sentence {sentence.sentence} has {len(states)} {space.name} states for {len(ids)} tokens."
            )
        try:
            vectors.append(normalize_states(states, center).astype(np.float16))
        except StateError as error:
            raise StateError(f"Sentence {sentence.sentence}, space {space.name!r}: {error}") from error
        tokens.append(_tabulate_tokens(sentence.sentence, ids))
    return ShardRows(np.concatenate(vectors), np.concatenate(tokens))


def _divide(rows: Floats, lengths: NDArray[Any]) -> Floats:
    if not np.isfinite(lengths).all():
        row = int(np.flatnonzero(~np.isfinite(lengths))[0])
        raise StateError(f"The state in row {row} is not made of finite numbers.")
    return np.asarray(rows / np.where(lengths > 0, lengths, 1)[:, None], np.float32)


def _tabulate_tokens(sentence: int, ids: Sequence[int]) -> TokenTable:
    table = np.empty((len(ids), TOKEN_COLUMNS), np.int32)
    table[:, 0] = sentence
    table[:, 1] = np.arange(len(ids))
    table[:, 2] = ids
    table[:, 3] = [*ids[1:], NO_TOKEN]
    return table


def _merge_space(target: Path, space: SpaceSpec, shards: Sequence[ShardRows], sentences: int) -> int:
    rows = sum(len(shard.tokens) for shard in shards)
    if rows == 0:
        raise StoreError(f"The space {space.name!r} would be empty: no sentence was encoded.")
    counts = np.zeros(sentences, np.int64)
    with (
        ArrayWriter(target / layout.VECTORS, np.float16, (rows, space.size)) as vectors,
        ArrayWriter(target / layout.TOKENS, np.int32, (rows, TOKEN_COLUMNS)) as tokens,
    ):
        lowest = 0
        for shard in shards:
            for part in _blocks(len(shard.tokens)):
                table = shard.tokens[part]
                lowest = _count_rows(counts, table[:, 0], lowest)
                vectors.append(shard.vectors[part])
                tokens.append(table)
            # Blocks may cut a sentence, shards may not.
            lowest += 1 if len(shard.tokens) else 0
    write_array(target / layout.STARTS, np.concatenate([[0], np.cumsum(counts)]).astype(np.int64))
    whole_table = map_array(target / layout.TOKENS, np.int32, (rows, TOKEN_COLUMNS))
    write_array(target / layout.CONTEXTS, number_contexts(whole_table))
    return rows


def _count_rows(counts: NDArray[np.int64], sentence_ids: NDArray[np.int32], lowest: int) -> int:
    """Add a block's rows to the count of each sentence; return the block's last sentence."""
    ordered = sentence_ids[0] >= lowest and (np.diff(sentence_ids) >= 0).all()
    if not ordered or sentence_ids[-1] >= len(counts):
        raise StoreError("The shards' sentences are not in ascending order within the corpus; encode it again.")
    np.add.at(counts, sentence_ids, 1)
    return int(sentence_ids[-1])


def _blocks(rows: int) -> Iterator[slice]:
    return (slice(start, min(start + _COPIED_ROWS, rows)) for start in range(0, rows, _COPIED_ROWS))
