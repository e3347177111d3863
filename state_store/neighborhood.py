"""Evidence of the training data for every token of a trace: neighbors, their tokens, their distances, and a map.

States are those of the trace's own request, so a what-if is explored in the states that it had.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from exported_models.contract.arrays import Floats
from exported_models.contract.errors import RequestError
from exported_models.contract.trace import Hypothesis, Trace
from state_store.errors import MapError
from state_store.global_maps import GlobalMap
from state_store.local_maps import project
from state_store.neighbors import Neighbor
from state_store.spaces import Rows
from state_store.store import StateStore

# One flat list: validation of a union of the two lists would report each list by itself.
MapKind = Literal["mds", "pca", "tsne", "umap", "landmark_mds"]
MAP_KINDS: tuple[MapKind, ...] = get_args(MapKind)


@dataclass(frozen=True, slots=True)
class ImpliedToken:
    """A token of a state's neighbors, with the number of neighbors that carry it and their share."""

    token_id: int
    token: str
    count: int
    share: float


@dataclass(frozen=True, slots=True)
class TokenEvidence:
    """Evidence of the training data for one token of a trace.

    Attributes:
        position, token_id, token: the token; in a target space the token that the state predicted.
        neighbors: nearest training examples, nearest first.
        implied: tokens of those examples, most frequent first; a context counts once, whatever its duplicates. In a
            target space these are the tokens that the training data has next.
        agreement: share of the neighbors that carry ``token``.
        nearest: distance of the nearest, None where there are no neighbors.
        typicality: share of held-out states whose nearest neighbor is farther: 1 is close, 0 is far; None where there
            are no neighbors or no held-out states.
    """

    position: int
    token_id: int
    token: str
    neighbors: tuple[Neighbor, ...]
    implied: tuple[ImpliedToken, ...]
    agreement: float
    nearest: float | None
    typicality: float | None


@dataclass(frozen=True, slots=True)
class Neighborhood:
    """The evidence for every token of one trace in one space, with a map.

    Attributes:
        space: name; ``owner`` is the side whose tokens the states belong to.
        evidence: one entry a token.
        positions: [tokens, 2] float32 places of the trajectory.
        neighbor_rows: [neighbors] int64 distinct rows that are neighbors of any token, ascending.
        neighbor_positions: [neighbors, 2] float32 places of those rows on the same map.
    """

    space: str
    owner: Literal["source", "target"]
    map_kind: MapKind
    evidence: tuple[TokenEvidence, ...]
    positions: Floats
    neighbor_rows: Rows
    neighbor_positions: Floats

    @property
    def tokens(self) -> tuple[str, ...]:
        return tuple(token.token for token in self.evidence)

    @property
    def neighbors(self) -> tuple[tuple[Neighbor, ...], ...]:
        return tuple(token.neighbors for token in self.evidence)


def gather_evidence(
    store: StateStore,
    trace: Trace,
    hypothesis: Hypothesis | None,
    space: str,
    *,
    k: int,
    positions: Sequence[int] | None = None,
) -> tuple[TokenEvidence, ...]:
    """Gather the evidence for tokens of a trace, without a map.

    Args:
        hypothesis: hypothesis of the target states; None for the best. Spaces of the source do not depend on it.
        positions: positions of the tokens; None for all.

    Raises:
        StoreMismatchError: the trace is of another model. SpaceError: no such space.
        RequestError: ``k`` is out of range, or there is no token at a position.
    """
    states = store.states(trace, space, hypothesis)
    ids, tokens = _label_states(store, trace, hypothesis, space)
    chosen = list(range(len(ids))) if positions is None else list(positions)
    for position in chosen:
        if not 0 <= position < len(ids):
            raise RequestError(
                f"There is no token at position {position} in the space {space!r}: "
                f"this trace has {len(ids)} tokens there, counted from 0.",
                field="step",
            )
    found = store.neighbors(space, states[chosen], k=k, exclude_source=trace.source.key)
    return tuple(
        _judge(store, space, position, ids[position], tokens[position], neighbors)
        for position, neighbors in zip(chosen, found, strict=True)
    )


def neighborhood(
    store: StateStore, trace: Trace, hypothesis: Hypothesis | None, space: str, *, k: int, map_kind: MapKind
) -> Neighborhood:
    """Evidence and map of one trace; see `merged_neighborhoods`."""
    return merged_neighborhoods(store, [(trace, hypothesis)], space, k=k, map_kind=map_kind)[0]


def merged_neighborhoods(
    store: StateStore,
    items: Sequence[tuple[Trace, Hypothesis | None]],
    space: str,
    *,
    k: int,
    map_kind: MapKind,
) -> tuple[Neighborhood, ...]:
    """Lay out the evidence of several traces on one map, so that their trajectories can be compared.

    A local map is one projection of all states and all their neighbors. On a global map each state is placed by its
    own neighbors.

    Args:
        items: traces, each with the hypothesis of its target states (None for the best).

    Raises:
        StoreMismatchError, SpaceError, RequestError: as `gather_evidence`.
        MapError: there is no such map; the message lists the known ones.
    """
    evidence = [gather_evidence(store, trace, hypothesis, space, k=k) for trace, hypothesis in items]
    return map_evidence(store, items, evidence, space, map_kind=map_kind)


def map_evidence(
    store: StateStore,
    items: Sequence[tuple[Trace, Hypothesis | None]],
    evidence: Sequence[tuple[TokenEvidence, ...]],
    space: str,
    *,
    map_kind: MapKind,
) -> tuple[Neighborhood, ...]:
    """Lay out the evidence that `gather_evidence` found for each item on one map; see `merged_neighborhoods`.

    Raises:
        SpaceError, MapError: as `merged_neighborhoods`.
    """
    if map_kind not in MAP_KINDS:
        raise MapError(f"There is no map {map_kind!r} (known: {', '.join(MAP_KINDS)}).")
    states = [store.space(space).space.normalize(store.states(trace, space, hypothesis)) for trace, hypothesis in items]
    rows = _distinct_rows([token for tokens in evidence for token in tokens])
    places, row_places = _lay_out(store, space, map_kind, evidence, states, rows)
    result = []
    for tokens, positions in zip(evidence, places, strict=True):
        own = _distinct_rows(tokens)
        result.append(
            Neighborhood(
                space=space,
                owner=store.space(space).entry.owner,
                map_kind=map_kind,
                evidence=tokens,
                positions=positions,
                neighbor_rows=own,
                neighbor_positions=row_places[np.searchsorted(rows, own)],
            )
        )
    return tuple(result)


def _label_states(
    store: StateStore, trace: Trace, hypothesis: Hypothesis | None, space: str
) -> tuple[Sequence[int], Sequence[str]]:
    """Ids and texts of the tokens that the states of a space belong to."""
    if store.space(space).entry.owner == "source":
        return trace.source.ids, trace.source.tokens
    chosen = hypothesis or trace.best
    return chosen.token_ids, chosen.tokens


def _judge(
    store: StateStore, space: str, position: int, token_id: int, token: str, neighbors: Sequence[Neighbor]
) -> TokenEvidence:
    implied = _count_tokens(neighbors)
    nearest = neighbors[0].distance if neighbors else None
    return TokenEvidence(
        position=position,
        token_id=token_id,
        token=token,
        neighbors=tuple(neighbors),
        implied=implied,
        agreement=sum(other.share for other in implied if other.token_id == token_id),
        nearest=nearest,
        typicality=None if nearest is None else store.typicality(space, nearest),
    )


def _count_tokens(neighbors: Sequence[Neighbor]) -> tuple[ImpliedToken, ...]:
    # Among equal counts `Counter` keeps the order of insertion, so the nearer neighbor's token comes first.
    counts = Counter((neighbor.token_id, neighbor.token) for neighbor in neighbors)
    return tuple(
        ImpliedToken(token_id, token, count, count / len(neighbors))
        for (token_id, token), count in counts.most_common()
    )


def _distinct_rows(evidence: Sequence[TokenEvidence]) -> Rows:
    return np.array(sorted({neighbor.row for token in evidence for neighbor in token.neighbors}), np.int64)


def _lay_out(
    store: StateStore,
    space: str,
    map_kind: MapKind,
    evidence: Sequence[Sequence[TokenEvidence]],
    states: Sequence[Floats],
    rows: Rows,
) -> tuple[list[Floats], Floats]:
    """Places of the states of each trace, and of the neighbors' rows."""
    if map_kind == "umap" or map_kind == "landmark_mds":
        kept = store.global_map(space, map_kind)
        return [_place_all(kept, tokens) for tokens in evidence], np.array(kept.positions[rows])
    vectors = np.asarray(store.space(space).space.vectors[rows], np.float32)
    flat = project(np.concatenate([*states, vectors]), map_kind)
    *parts, row_places = np.split(flat, np.cumsum([len(part) for part in states]))
    return parts, row_places


def _place_all(kept: GlobalMap, evidence: Sequence[TokenEvidence]) -> Floats:
    places = [
        kept.place([neighbor.row for neighbor in token.neighbors], [neighbor.distance for neighbor in token.neighbors])
        for token in evidence
    ]
    return np.reshape(np.array(places, np.float32), (len(evidence), 2))
