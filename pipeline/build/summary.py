"""Summaries of builds, as values that can be shown or written as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class StepSummary:
    """One step; ``cached`` if an earlier build had finished it."""

    name: str
    seconds: float
    cached: bool


@dataclass(frozen=True, slots=True)
class SpaceSummary:
    """One space of the built store; ``recall_at_10`` is against exact search."""

    name: str
    rows: int
    index: str
    recall_at_10: float
    maps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BuildSummary:
    """The outcome of a build.

    Attributes:
        changed: false when model and store already were those that the project describes.
        pairs: sentence pairs in the store.
        pairs_left_out: pairs of the corpus that the model cannot read; see `pipeline.corpus.pair_tokens`.
        targets_by_model: the corpus has sources only, and the targets are the model's own translations.
        bytes: size of the published store.
        quantization: the report in the manifest of a quantized twin; None for any other model.
        twin: of the model's twin and its store, where the project asks for one.
    """

    project: str
    model_id: str
    model_hash: str
    store_id: str
    store_hash: str
    store_folder: str
    changed: bool
    pairs: int
    pairs_left_out: int
    targets_by_model: bool
    spaces: tuple[SpaceSummary, ...]
    parity: dict[str, Any]
    bytes: int
    seconds: float
    steps: tuple[StepSummary, ...]
    quantization: dict[str, Any] | None = None
    twin: BuildSummary | None = None

    def to_document(self) -> dict[str, Any]:
        """The summary as a JSON object."""
        return asdict(self)

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> BuildSummary:
        """The summary of a JSON object that `to_document` made."""
        spaces = tuple(SpaceSummary(**{**space, "maps": tuple(space["maps"])}) for space in document["spaces"])
        steps = tuple(StepSummary(**step) for step in document["steps"])
        twin = cls.from_document(document["twin"]) if document["twin"] else None
        return cls(**{**document, "spaces": spaces, "steps": steps, "twin": twin})
