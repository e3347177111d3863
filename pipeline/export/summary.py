"""Summaries of an export and of a quantization, as values that can be shown or written as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from exported_models.contract.manifest import ModelManifest


@dataclass(frozen=True, slots=True)
class ExportSummary:
    """The outcome of an export.

    Attributes:
        changed: false when the published model already was this one.
        parity: figures of the parity check, as in the manifest.
        bytes: size of the published files.
        verification_seconds: the part of ``seconds`` that the comparison with the checkpoint took; 0 if none was made.
    """

    model_id: str
    model_hash: str
    folder: str
    changed: bool
    parity: dict[str, Any]
    bytes: int
    seconds: float
    verification_seconds: float = 0.0

    def to_document(self) -> dict[str, Any]:
        """The summary as a JSON object."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class TwinSummary:
    """The outcome of quantizing; ``quantization`` is the report in the twin's manifest, the rest as of an export."""

    model_id: str
    model_hash: str
    folder: str
    changed: bool
    quantization: dict[str, Any]
    bytes: int
    seconds: float

    def to_document(self) -> dict[str, Any]:
        """The summary as a JSON object."""
        return asdict(self)


def list_parity(manifest: ModelManifest) -> dict[str, Any]:
    """The figures of the parity check; none of a model that was compared otherwise."""
    return manifest.parity.model_dump() if manifest.parity else {}
