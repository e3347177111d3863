"""Writing the encoded corpus into a store: immutable shards, centers, and their merging.

1. `write_shard` for each part of the corpus: raw states in float32, in one rename, so that a shard is there whole or
   not at all. A shard depends on its own sentences alone, and stays valid when others change.
2. `fit_centers` over a sample of all shards: states are centered before they become float16, because the residuals of
   some models exceed its range.
3. `merge_shards`: the rows of all shards, centered and of unit length. Rows are prepared one by one, so that the cut
   of the corpus into shards leaves no trace in the store.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exported_models.contract.arrays import Floats, Ids
from exported_models.contract.manifest import SpaceSpec
from exported_models.contract.publishing import explain_disk_errors
from state_store import layout
from state_store.arrays import ArrayWriter, map_array, write_array
from state_store.contexts import NO_TOKEN, TOKEN_COLUMNS, number_contexts
from state_store.errors import StateError, StoreError

TokenTable = NDArray[np.int32]

_STATES = "states.npy"
_COPIED_ROWS = 1 << 16


@dataclass(frozen=True, slots=True)
class SentenceStates:
    """One encoded sentence pair.

    Attributes:
        sentence: its number in the shard, from 0.
        source_ids, target_ids: its tokens without padding and start token, end of sentence included.
        states: space name -> [tokens, size] float32, one row a token of the side that owns the space; row t of a
            target space is the state that predicts target token t.
    """

    sentence: int
    source_ids: Sequence[int]
    target_ids: Sequence[int]
    states: Mapping[str, Floats]

    def ids(self, space: SpaceSpec) -> Sequence[int]:
        """Token ids of the side that owns a space, one a row."""
        return self.source_ids if space.owner == "source" else self.target_ids


@dataclass(frozen=True, slots=True)
class Shard:
    """A part of the encoded corpus: its folder, and the id in the store of its first sentence."""

    folder: Path
    first_sentence: int


@dataclass(frozen=True, slots=True)
class ShardRows:
    """The rows of one space in one shard: ``states`` [rows, size] float32, ``tokens`` [rows, 4] int32.

    The first column of the token table counts the sentences of the shard from 0.
    """

    states: Floats
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
    # The largest component is scaled to 1 first, as squares of large states overflow float32.
    centered = _divide(centered, np.abs(centered).max(axis=1))
    return _divide(centered, np.linalg.norm(centered, axis=1))


def write_shard(folder: Path, spaces: Sequence[SpaceSpec], sentences: Sequence[SentenceStates]) -> None:
    """Write a shard in one atomic step, replacing an earlier one in that folder.

    Raises:
        StateError: a state is not finite, or the number of states is not that of tokens; nothing is written.
        PublishingError: the disk is full or not writable.
    """
    partial = folder.with_name(f".{folder.name}.tmp")
    with explain_disk_errors(folder):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            for space in spaces:
                rows = _gather_rows(space, sentences)
                write_array(partial / f"{space.name}.{_STATES}", rows.states)
                write_array(partial / f"{space.name}.{layout.TOKENS}", rows.tokens)
            shutil.rmtree(folder, ignore_errors=True)
            partial.rename(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def read_shard(folder: Path, space: SpaceSpec) -> ShardRows:
    """Map the rows of one space in one shard into memory.

    Raises:
        StoreError: the shard is missing or damaged.
    """
    tokens = map_array(folder / f"{space.name}.{layout.TOKENS}", np.int32, (None, TOKEN_COLUMNS))
    states = map_array(folder / f"{space.name}.{_STATES}", np.float32, (len(tokens), space.size))
    return ShardRows(states, tokens)


def fit_centers(shards: Sequence[Shard], spaces: Sequence[SpaceSpec], sample: Ids) -> dict[str, Floats]:
    """The mean state of each space, [size] float32, over a sample of sentences.

    Args:
        sample: [sentences] int64 ids of sentences, spread over the corpus.

    Raises:
        StoreError: a shard is missing or damaged, or the sample is empty.
    """
    return {space.name: _fit_center(shards, space, sample) for space in spaces}


def merge_shards(
    shards: Sequence[Shard],
    store: Path,
    spaces: Sequence[SpaceSpec],
    centers: Mapping[str, Floats],
    sentences: int,
) -> dict[str, int]:
    """Write vectors, token tables and centers of every space into a store's folder; return the rows of each space.

    Args:
        shards: in the order of their sentences; their folders stay.
        sentences: number of sentence pairs in the store; their ids count from 0.

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
        parts = [(shard.first_sentence, read_shard(shard.folder, space)) for shard in shards]
        rows[space.name] = _merge_space(target, space, parts, centers[space.name], sentences)
    return rows


def _gather_rows(space: SpaceSpec, sentences: Sequence[SentenceStates]) -> ShardRows:
    states, tokens = [np.empty((0, space.size), np.float32)], [np.empty((0, TOKEN_COLUMNS), np.int32)]
    for sentence in sentences:
        found, ids = sentence.states[space.name], sentence.ids(space)
        if len(found) != len(ids):
            raise StateError(
                f"Sentence {sentence.sentence} has {len(found)} {space.name} states for {len(ids)} tokens."
            )
        try:
            _check_states(found, space.size)
        except StateError as error:
            raise StateError(f"Sentence {sentence.sentence}, space {space.name!r}: {error}") from error
        states.append(np.asarray(found, np.float32))
        tokens.append(_tabulate_tokens(sentence.sentence, ids))
    return ShardRows(np.concatenate(states), np.concatenate(tokens))


def _fit_center(shards: Sequence[Shard], space: SpaceSpec, sample: Ids) -> Floats:
    """Sums are in float64 and by sentence, so that they do not depend on the cut into shards."""
    sums, rows = [np.zeros((0, space.size))], 0
    for shard in shards:
        part = read_shard(shard.folder, space)
        numbers = part.tokens[:, 0]
        wanted = np.flatnonzero(np.isin(numbers + np.int64(shard.first_sentence), sample))
        if len(wanted):
            firsts = np.flatnonzero(np.diff(numbers[wanted], prepend=-1))
            sums.append(np.add.reduceat(part.states[wanted].astype(np.float64), firsts, axis=0))
            rows += len(wanted)
    if rows == 0:
        raise StoreError("The corpus has no tokens to index: no sentence was encoded.")
    return np.asarray(np.concatenate(sums).sum(axis=0) / rows, np.float32)


def _check_states(states: Floats, size: int) -> None:
    if states.ndim != 2 or states.shape[1] != size:
        raise StateError(f"States of shape {list(states.shape)} were given where [rows, {size}] is needed.")
    finite = np.isfinite(states).all(axis=1)
    if not finite.all():
        raise StateError(f"The state in row {int(np.flatnonzero(~finite)[0])} is not made of finite numbers.")


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


def _merge_space(
    target: Path, space: SpaceSpec, parts: Sequence[tuple[int, ShardRows]], center: Floats, sentences: int
) -> int:
    rows = sum(len(shard.tokens) for _, shard in parts)
    if rows == 0:
        raise StoreError(f"The space {space.name!r} would be empty: no sentence was encoded.")
    counts = np.zeros(sentences, np.int64)
    with (
        ArrayWriter(target / layout.VECTORS, np.float16, (rows, space.size)) as vectors,
        ArrayWriter(target / layout.TOKENS, np.int32, (rows, TOKEN_COLUMNS)) as tokens,
    ):
        lowest = 0
        for first, shard in parts:
            for part in _blocks(len(shard.tokens)):
                table = shard.tokens[part] + np.array([first, 0, 0, 0], np.int32)
                lowest = _count_rows(counts, table[:, 0], lowest)
                vectors.append(normalize_states(shard.states[part], center).astype(np.float16))
                tokens.append(table)
            # A sentence may lie in two blocks, not in two shards.
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
