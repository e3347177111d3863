"""Recordings: the steps that searches of one source computed, so that a what-if computes only new ones.

The output of a step for a row depends on the source, the tokens before the step and the overrides so far, and on
nothing else. A what-if shares with searches before it the steps of its forced prefix, where one row is alive. Those
steps are replayed from their recorded rows, and the search goes on from the memory of the last one.

A row computed among others may differ in the last bits from the same row computed alone, as in any batch.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from exported_models.contract.request import AttentionOverride
from exported_models.runtime.graph_session import DeviceTensor, Tensors
from exported_models.runtime.sessions import EncodedSource, StepOutput
from exported_models.search.decoder_memory import RestoredMemory, SearchMemory
from exported_models.search.footprint import count_buffers, owner_of

RECORDING_BYTES = 64 << 20
"""Bytes that one recording may keep: answers of steps, decoder memory, and the keys of rows.

A sentence of 30 tokens at beam 5 of an opus-mt model has 4 MB where its steps ran in one call, and 57 MB where each
step has a memory of its own.
"""
SEARCHES = 16
"""Number of newest searches of a source whose steps are kept."""

_KEY, _KEY_TOKEN = 250, 8
"""Bytes of the key of a row and its place in a dict, and of each token in it."""
_RowKey = tuple[tuple[int, ...], tuple[AttentionOverride, ...]]
"""Tokens before a step, and overrides up to and including the step."""


@dataclass(frozen=True, slots=True)
class ReplayedStep:
    """A recorded row as the output of a step of one row.

    Attributes:
        memory: memory after the step, or None where it was dropped to save space.
        row: row of ``memory`` from which the search goes on.
    """

    output: StepOutput
    memory: Tensors | None
    row: int


@dataclass(slots=True)
class _RecordedStep:
    """Output of one step for all rows; ``memory`` is dropped first when space runs out.

    Attributes:
        buffers: identity and bytes of the buffers that ``arrays`` view; steps that ran in one call share them.
        key_bytes: bytes of the keys of the rows.
    """

    arrays: Mapping[str, NDArray[np.generic]]
    memory: Tensors | None
    buffers: tuple[int, int]
    key_bytes: int


_Search = dict[_RowKey, tuple[_RecordedStep, int]]
"""Key of a row -> its step, and its place there."""


class Recording:
    """An encoded source and the steps of its newest searches. Safe to use from many threads."""

    def __init__(self, encoded: EncodedSource, most_bytes: int = RECORDING_BYTES) -> None:
        self.encoded = encoded
        self._most_bytes = most_bytes
        self._searches: deque[_Search] = deque(maxlen=SEARCHES)
        self._lock = threading.Lock()

    def begin(self) -> SearchRecorder:
        """Begin to record a search; its steps can be replayed from then on."""
        recorder = SearchRecorder(self)
        with self._lock:
            self._searches.append(recorder.rows)
        return recorder

    def find(self, path: tuple[int, ...], overrides: Sequence[AttentionOverride]) -> tuple[_RecordedStep, int] | None:
        """The newest record of a row: its step and its place there, or None."""
        key = _row_key(path, overrides)
        with self._lock:
            searches = reversed(tuple(self._searches))
        return next((search[key] for search in searches if key in search), None)

    def save_space(self) -> None:
        """Drop half of the memories until the rest fits, and then the oldest searches.

        A replay ends some steps earlier where memories were dropped, and begins anew where its search was.
        """
        with self._lock:
            while self._searches:
                steps = {id(step): step for search in self._searches for step, _ in tuple(search.values())}
                kept = [step for step in steps.values() if step.memory is not None]
                if _count_bytes(kept) + _count_answers(steps.values()) <= self._most_bytes:
                    return
                if kept:
                    _halve(kept)
                else:
                    self._searches.popleft()


class SearchRecorder:
    """Records one search, and replays the steps of it that are known."""

    def __init__(self, recording: Recording) -> None:
        self.rows: _Search = {}
        self._recording = recording
        self._buffers = (0, 0)

    @property
    def encoded(self) -> EncodedSource:
        return self._recording.encoded

    def replay(
        self,
        prefix: tuple[int, ...],
        overrides: Sequence[AttentionOverride],
        top_counts: Sequence[int],
        needed: Collection[str] = (),
    ) -> list[ReplayedStep]:
        """The known steps of a search with this prefix, from the first one on.

        The step after the prefix may be one of them: its only row is the whole prefix. The last one has its memory.

        Args:
            top_counts: number of most probable tokens that the search needs at each of these steps.
            needed: outputs that not every step has, and that the search needs.
        """
        steps = list(self._known_steps(prefix, overrides, top_counts, needed))
        while steps and steps[-1].memory is None:
            steps.pop()
        return steps

    def keep(
        self, paths: Sequence[tuple[int, ...]], overrides: Sequence[AttentionOverride], output: StepOutput
    ) -> None:
        """Record a step; ``paths`` are the token ids before it, one path per row."""
        owner = id(owner_of(next(iter(output.arrays.values()))))
        if owner != self._buffers[0]:
            self._buffers = owner, count_buffers(output.arrays.values())
        key_bytes = len(paths) * (_KEY + _KEY_TOKEN * len(paths[0]))
        step = _RecordedStep(output.arrays, output.memory, self._buffers, key_bytes)
        for row, path in enumerate(paths):
            self.rows[_row_key(path, overrides)] = step, row

    def finish(self) -> None:
        """End the record of the search."""
        self._recording.save_space()

    def _known_steps(
        self,
        prefix: tuple[int, ...],
        overrides: Sequence[AttentionOverride],
        top_counts: Sequence[int],
        needed: Collection[str],
    ) -> Iterator[ReplayedStep]:
        for position in range(len(prefix) + 1):
            path = prefix[:position]
            found = self._recording.find(path, overrides)
            forced_id = prefix[position] if position < len(prefix) else None
            arrays = _answer(found[0].arrays, found[1], forced_id, top_counts[position]) if found else None
            if found is None or arrays is None or not arrays.keys() >= set(needed):
                return
            step, row = found
            self.rows[_row_key(path, overrides)] = (
                found  # kept here too, as its own search may be dropped before this one
            )
            memory = step.memory
            if isinstance(memory, RestoredMemory):
                memory, row = memory.select(row), 0
            yield ReplayedStep(StepOutput(arrays, memory or {}), memory, row)


def _answer(
    arrays: Mapping[str, NDArray[np.generic]], row: int, forced_id: int | None, top_count: int
) -> dict[str, NDArray[np.generic]] | None:
    """Output of one recorded row for a step that may force a token; None where the record lacks something."""
    answer = {name: array[row : row + 1] for name, array in arrays.items()}
    if answer["top_ids"].shape[1] < top_count:
        return None
    answer |= {name: answer[name][:, :top_count] for name in ("top_ids", "top_log_probs")}
    if forced_id is not None:
        places = np.flatnonzero(answer["top_ids"][0] == forced_id)
        if not len(places):
            return None
        answer["scored_ranks"] = places[:1]
        answer["scored_log_probs"] = answer["top_log_probs"][0, places[:1]]
    return answer


def _row_key(path: tuple[int, ...], overrides: Sequence[AttentionOverride]) -> _RowKey:
    return path, tuple(override for override in overrides if override.step <= len(path))


def _count_bytes(steps: Sequence[_RecordedStep]) -> int:
    """Bytes of the memories of steps; steps that ran in one call share one."""
    memories = [step.memory for step in steps]
    shared = {memory.search for memory in memories if isinstance(memory, RestoredMemory)}
    own = [memory for memory in memories if memory is not None and not isinstance(memory, RestoredMemory)]
    tensors = sum(_count_tensor(tensor) for memory in own for tensor in memory.values())
    return tensors + sum(search.nbytes for search in shared)


def _count_answers(steps: Iterable[_RecordedStep]) -> int:
    """Bytes of the answers of steps and of the keys of their rows."""
    listed = list(steps)
    return sum(dict(step.buffers for step in listed).values()) + sum(step.key_bytes for step in listed)


def _halve(steps: Sequence[_RecordedStep]) -> None:
    """Drop every second memory, and the second half of those of steps that ran in one call."""
    shorter = dict[SearchMemory, SearchMemory]()
    alone = [step for step in steps if not isinstance(step.memory, RestoredMemory)]
    for step in alone[::2]:
        step.memory = None
    for step in steps:
        if isinstance(step.memory, RestoredMemory):
            whole, place = step.memory.search, step.memory.step
            rest = shorter.get(whole) or shorter.setdefault(whole, whole.first(whole.steps // 2))
            step.memory = RestoredMemory(rest, place) if place < rest.steps else None


def _count_tensor(tensor: DeviceTensor) -> int:
    return tensor.nbytes if isinstance(tensor, np.ndarray) else int(tensor.tensor_size_in_bytes())
