"""The adapter of JoeyNMT 2 checkpoints (Kreutzer et al. 2019): Transformers and recurrent models.

`recognizes` is called for every checkpoint, so heavy packages are imported in `load` only.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.adapters.joeynmt.files import CONFIG_FILE, find_model_file
from pipeline.models.checkpoint import LoadedCheckpoint


class JoeyNmtAdapter:
    """Reads model folders as JoeyNMT's training writes them, or a ``.ckpt`` in one."""

    name = "joeynmt"
    reads = "a folder with config.yaml, vocabularies and a .ckpt of JoeyNMT 2, or that file"

    def recognizes(self, checkpoint: Path) -> bool:
        file = find_model_file(checkpoint)
        return file is not None and (file.parent / CONFIG_FILE).is_file()

    def load(self, checkpoint: Path) -> LoadedCheckpoint:
        from pipeline.adapters.joeynmt.loading import load_checkpoint

        return load_checkpoint(checkpoint)
