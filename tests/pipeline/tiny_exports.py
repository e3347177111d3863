"""Tiny models opened from graphs that a test has written itself."""

from __future__ import annotations

from pathlib import Path

from exported_models.contract.manifest import CheckpointOrigin
from exported_models.runtime.model import ExportedModel
from pipeline.graphs.export import describe_model, seal
from pipeline.models.checkpoint import LoadedCheckpoint


def seal_unverified(folder: Path, source: LoadedCheckpoint) -> None:
    """Make an exported model of graphs and tokenizers that were written into ``folder``."""
    origin = CheckpointOrigin(adapter="tiny", name="tiny", digest="none")
    seal(folder, describe_model(source, "tiny", origin), None)


def open_unverified(folder: Path, source: LoadedCheckpoint) -> ExportedModel:
    """Open graphs and tokenizers that were written into ``folder``."""
    seal_unverified(folder, source)
    return ExportedModel.open(folder, threads=1)
