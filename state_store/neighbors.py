"""The training examples nearest to a state: own sentence left out, equal contexts shown once, distances true."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from exported_models.trace import Floats
from state_store.index import NO_ROW, ExactIndex, NeighborIndex
from state_store.pairs import StoredPair
from state_store.spaces import SENTENCE, Rows, Space

_FETCHED_PER_NEIGHBOR = 4
_GROWTH = 4
_MOST_APPROXIMATE = 2048


@dataclass(frozen=True, slots=True)
class Hit:
    """One row found.

    Attributes:
        distance: Euclidean distance between the normalized query and the stored vector.
        duplicates: farther rows with the same token in the same context (two tokens on either side) that stand
            behind this one; counted up to the distance of the last hit of the list.
    """

    row: int
    distance: float
    duplicates: int


@dataclass(frozen=True, slots=True)
class Neighbor:
    """A training example near a state, as people see it.

    Attributes:
        row, sentence, position: where it is: row of the space, sentence of the store, token of the sentence.
        token_id, token: the token of that row; in a target space the one that the state predicts.
        next_token: the token after it, None at the end of the sentence.
        distance, duplicates: as in `Hit`.
        pair: the sentence pair it is from.
    """

    row: int
    sentence: int
    position: int
    token_id: int
    token: str
    next_token: str | None
    distance: float
    duplicates: int
    pair: StoredPair


class NeighborSearch:
    """Nearest rows of one space for people: excluding, folding, over-fetching until enough are left."""

    def __init__(self, space: Space, index: NeighborIndex) -> None:
        self._space = space
        self._index = index
        self._exact = ExactIndex(space.vectors)

    def find(self, queries: Floats, k: int, excluded: Sequence[Collection[int]] | None = None) -> list[list[Hit]]:
        """The ``k`` nearest hits of each query, nearest first; fewer only if the space has no more.

        Args:
            queries: [queries, size] float32 unit vectors, from `Space.normalize`.
            excluded: for each query, ids of sentences whose rows must not appear.
        """
        left_out = excluded or [()] * len(queries)
        hits: list[list[Hit]] = [[] for _ in range(len(queries))]
        pending = list(range(len(queries)))
        fetched = min(len(self._space), k * _FETCHED_PER_NEIGHBOR)
        while pending:
            everything = fetched == len(self._space)
            # What few rows pass is found by looking at all of them, not by asking an index for ever more.
            exactly = everything or fetched > _MOST_APPROXIMATE
            rows, distances = (self._exact if exactly else self._index).search(queries[pending], fetched)
            for query, found, true in zip(pending, rows, distances, strict=True):
                hits[query] = self._select(found, true, k, left_out[query])
            pending = [] if everything else [query for query in pending if len(hits[query]) < k]
            fetched = len(self._space) if exactly else min(len(self._space), fetched * _GROWTH)
        return hits

    def _select(self, rows: Rows, distances: Floats, k: int, excluded: Collection[int]) -> list[Hit]:
        kept = rows != NO_ROW
        if excluded:
            kept &= ~np.isin(self._space.tokens[np.where(kept, rows, 0), SENTENCE], list(excluded))
        rows, distances = rows[kept], distances[kept]
        first_of: dict[bytes, int] = {}
        duplicates: list[int] = []
        chosen: list[int] = []
        for place, context in enumerate(self._space.contexts(rows)):
            known = first_of.setdefault(context.tobytes(), len(chosen))
            if known < len(chosen):
                duplicates[known] += 1
            elif len(chosen) == k:
                break
            else:
                chosen.append(place)
                duplicates.append(0)
        return [Hit(int(rows[place]), float(distances[place]), duplicates[n]) for n, place in enumerate(chosen)]
