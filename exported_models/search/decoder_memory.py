"""The decoder's memory after each step of a search that ran in one call, restored when it is read.

Such a call gives the rows that every step appended to a growing tensor, where the memories themselves would repeat them
in every later step. Most memories are never read, since a what-if goes on from one of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from exported_models.contract.graphs import APPENDED_PREFIX, MEMORY_PREFIX, memory_name
from exported_models.runtime.graph_session import DeviceTensor, Tensors, as_array


@dataclass(frozen=True, eq=False)
class SearchMemory:
    """Memory of all steps of one call.

    Attributes:
        before: the memory that the first step read.
        kept: output -> [steps, rows, ...]; see `graphs.SEARCH_OUTPUTS`.
        continued: for every step, the row of the step before that each of its rows continues.
    """

    before: Tensors
    kept: Mapping[str, NDArray[np.generic]]
    continued: Sequence[Sequence[int]]

    @property
    def steps(self) -> int:
        return len(self.continued)

    @cached_property
    def nbytes(self) -> int:
        """Bytes of ``kept`` and ``before``."""
        return sum(as_array(tensor).nbytes for tensor in (*self.kept.values(), *self.before.values()))

    def first(self, steps: int) -> SearchMemory:
        """Memory of the first steps alone; frees the space of the others."""
        kept = {name: array[:steps].copy() for name, array in self.kept.items()}
        return SearchMemory(self.before, kept, self.continued[:steps])

    def after(self, step: int, row: int | None = None) -> Tensors:
        """`StepOutput.memory` of a step, or one row of it."""
        rows = list(range(len(self.continued[step]))) if row is None else [row]
        way, first = self._go_back(step, rows)
        return {_memory_of(name): self._restore(name, way, first) for name in self.kept}

    def _restore(self, name: str, way: NDArray[np.int64], first: list[int]) -> NDArray[np.generic]:
        of_way: NDArray[np.generic] = self.kept[name][np.arange(len(way))[:, None], way]
        if not name.startswith(APPENDED_PREFIX):
            return np.asarray(of_way[-1])
        # [steps, R, A, E] -> [R, A, steps, E], behind the memory before
        return np.concatenate([as_array(self.before[_memory_of(name)])[first], of_way.transpose(1, 2, 0, 3)], axis=2)

    def _go_back(self, step: int, rows: list[int]) -> tuple[NDArray[np.int64], list[int]]:
        """The rows that rows of a step descend from: [steps, R] at each step up to it, and [R] before the first."""
        found = []
        for continued in reversed(self.continued[: step + 1]):
            found.append(rows)
            rows = [continued[row] for row in rows]
        return np.array(found[::-1]), rows


class RestoredMemory(Mapping[str, DeviceTensor]):
    """Memory after one step of a search, or a ``row`` of it; restored when it is first read."""

    def __init__(self, search: SearchMemory, step: int, row: int | None = None) -> None:
        self.search, self.step, self._row = search, step, row
        self._tensors: Tensors | None = None

    def select(self, row: int) -> RestoredMemory:
        """Memory of one row alone."""
        return RestoredMemory(self.search, self.step, row)

    def __getitem__(self, name: str) -> DeviceTensor:
        if self._tensors is None:
            self._tensors = self.search.after(self.step, self._row)
        return self._tensors[name]

    def __iter__(self) -> Iterator[str]:
        return map(_memory_of, self.search.kept)

    def __len__(self) -> int:
        return len(self.search.kept)


def _memory_of(name: str) -> str:
    """``appended.x`` or ``next.x`` -> ``memory.x``."""
    return MEMORY_PREFIX + name.removeprefix(APPENDED_PREFIX) if name.startswith(APPENDED_PREFIX) else memory_name(name)
