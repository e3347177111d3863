"""The adapter of native Marian models (Junczys-Dowmunt et al. 2018): Marian, Bergamot and Firefox Translations.

`recognizes` is called for every checkpoint, so heavy packages are imported in `load` only.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.adapters.marian.files import is_model_file, list_model_files
from pipeline.models.checkpoint import LoadedCheckpoint


class MarianAdapter:
    """Reads ``model.npz`` and ``.bin`` files, or the folder of one, with the SentencePiece vocabulary beside it."""

    name = "marian"
    reads = "a .npz or .bin file of Marian with its vocabularies beside it, or their folder"

    def recognizes(self, checkpoint: Path) -> bool:
        return is_model_file(checkpoint) if checkpoint.is_file() else bool(list_model_files(checkpoint))

    def load(self, checkpoint: Path) -> LoadedCheckpoint:
        from pipeline.adapters.marian.loading import load_checkpoint

        return load_checkpoint(checkpoint)
