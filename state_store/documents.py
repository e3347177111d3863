"""Neighbors and neighborhoods as documents, for ``--json``, HTTP and its description; states are left out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from exported_models.contract.arrays import Floats
from state_store.neighborhood import Neighborhood, TokenEvidence
from state_store.neighbors import Neighbor
from state_store.pairs import StoredPair

_DISTANCE_DIGITS = 5
_SHARE_DIGITS = 4
_PLACE_DIGITS = 4

Place = tuple[float, float]


class Document(BaseModel):
    """Base of documents: immutable; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PairDocument(Document):
    """A training example."""

    sentence: int
    source: str
    target: str
    line: int = Field(description="Line of the corpus file, from 1.")
    target_is_model_output: bool

    @classmethod
    def of(cls, pair: StoredPair) -> PairDocument:
        return cls(
            sentence=pair.sentence,
            source=pair.source,
            target=pair.target,
            line=pair.line,
            target_is_model_output=pair.target_is_model_output,
        )


class NeighborDocument(Document):
    """One training example near a state; its pair is found by ``sentence``."""

    row: int
    sentence: int
    position: int = Field(description="Token of the sentence, from 0, on the side that owns the space.")
    token_id: int
    token: str
    next_token: str | None
    distance: float = Field(description="Euclidean distance between the normalized states, 0 to 2.")
    duplicates: int = Field(description="Further rows of the same context that this one stands for.")

    @classmethod
    def of(cls, neighbor: Neighbor) -> NeighborDocument:
        return cls(
            row=neighbor.row,
            sentence=neighbor.sentence,
            position=neighbor.position,
            token_id=neighbor.token_id,
            token=neighbor.token,
            next_token=neighbor.next_token,
            distance=round(neighbor.distance, _DISTANCE_DIGITS),
            duplicates=neighbor.duplicates,
        )


class ImpliedTokenDocument(Document):
    """A token that the neighbors carry."""

    token_id: int
    token: str
    count: int
    share: float


class TokenEvidenceDocument(Document):
    """Evidence of the training data for one token."""

    position: int
    token_id: int
    token: str
    agreement: float = Field(description="Share of the neighbors that carry this token.")
    nearest: float | None = Field(description="Distance of the nearest neighbor.")
    typicality: float | None = Field(
        description="Share of held-out states whose nearest neighbor is farther; null where none were held out."
    )
    implied: tuple[ImpliedTokenDocument, ...]
    neighbors: tuple[NeighborDocument, ...]

    @classmethod
    def of(cls, evidence: TokenEvidence) -> TokenEvidenceDocument:
        return cls(
            position=evidence.position,
            token_id=evidence.token_id,
            token=evidence.token,
            agreement=round(evidence.agreement, _SHARE_DIGITS),
            nearest=None if evidence.nearest is None else round(evidence.nearest, _DISTANCE_DIGITS),
            typicality=None if evidence.typicality is None else round(evidence.typicality, _SHARE_DIGITS),
            implied=tuple(
                ImpliedTokenDocument(
                    token_id=implied.token_id,
                    token=implied.token,
                    count=implied.count,
                    share=round(implied.share, _SHARE_DIGITS),
                )
                for implied in evidence.implied
            ),
            neighbors=tuple(map(NeighborDocument.of, evidence.neighbors)),
        )


class NeighborsDocument(Document):
    """Neighbors of some tokens of a trace, without a map."""

    space: str
    tokens: tuple[TokenEvidenceDocument, ...]
    pairs: tuple[PairDocument, ...] = Field(description="Every sentence that a neighbor names, by id.")

    @classmethod
    def of(cls, space: str, evidence: Iterable[TokenEvidence]) -> NeighborsDocument:
        listed = tuple(evidence)
        return cls(space=space, tokens=tuple(map(TokenEvidenceDocument.of, listed)), pairs=collect_pairs(listed))


class NeighborPlaceDocument(Document):
    """Place of a row on the map."""

    row: int
    place: Place


class NeighborhoodDocument(Document):
    """Evidence for every token of a trace, and a map of it."""

    space: str
    owner: Literal["source", "target"]
    map: str
    tokens: tuple[TokenEvidenceDocument, ...]
    trajectory: tuple[Place, ...] = Field(description="Place of each token's state.")
    places: tuple[NeighborPlaceDocument, ...]
    pairs: tuple[PairDocument, ...]

    @classmethod
    def of(cls, found: Neighborhood) -> NeighborhoodDocument:
        rows = found.neighbor_rows.tolist()
        return cls(
            space=found.space,
            owner=found.owner,
            map=found.map_kind,
            tokens=tuple(map(TokenEvidenceDocument.of, found.evidence)),
            trajectory=round_places(found.positions),
            places=tuple(
                NeighborPlaceDocument(row=row, place=place)
                for row, place in zip(rows, round_places(found.neighbor_positions), strict=True)
            ),
            pairs=collect_pairs(found.evidence),
        )


def round_places(places: Floats) -> tuple[Place, ...]:
    """Round places [n, 2] for a document."""
    return tuple((round(x, _PLACE_DIGITS), round(y, _PLACE_DIGITS)) for x, y in places.tolist())


def collect_pairs(evidence: Iterable[TokenEvidence]) -> tuple[PairDocument, ...]:
    """List the pairs of all neighbors, each once, in order of sentence id."""
    pairs = {neighbor.sentence: neighbor.pair for token in evidence for neighbor in token.neighbors}
    return tuple(PairDocument.of(pairs[sentence]) for sentence in sorted(pairs))
