"""What a build or an export did, as values that can be shown or written as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class StepSummary:
    """One step: ``cached`` when what it would have done was there already."""

    name: str
    seconds: float
    cached: bool


@dataclass(frozen=True, slots=True)
class ExportSummary:
    """What an export did.

    Attributes:
        changed: false when the published model already was this one.
        parity: figures of the parity check, as in the manifest.
        bytes: size of the published files.
    """

    model_id: str
    model_hash: str
    folder: str
    changed: bool
    parity: dict[str, Any]
    bytes: int
    seconds: float

    def to_document(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class TwinSummary:
    """What quantizing did; ``quantization`` is the report in the twin's manifest, the rest as of an export."""

    model_id: str
    model_hash: str
    folder: str
    changed: bool
    quantization: dict[str, Any]
    bytes: int
    seconds: float

    def to_document(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)


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
    """What a build did.

    Attributes:
        changed: false when model and store already were what the project describes.
        pairs: sentence pairs in the store; ``pairs_left_out``: the model's tokenizers cannot express them, or too long.
        targets_by_model: the corpus has sources only, and the targets are the model's own translations.
        bytes: size of the published store.
        quantization: the report in the manifest of a quantized twin; None for any other model.
        twin: what was built of the model's twin, where the project asks for one.
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
        """As a JSON object."""
        return asdict(self)

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> BuildSummary:
        """From what `to_document` made, by way of JSON."""
        spaces = tuple(SpaceSummary(**{**space, "maps": tuple(space["maps"])}) for space in document["spaces"])
        steps = tuple(StepSummary(**step) for step in document["steps"])
        twin = cls.from_document(document["twin"]) if document["twin"] else None
        return cls(**{**document, "spaces": spaces, "steps": steps, "twin": twin})
