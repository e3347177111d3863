"""The adapter of OpenNMT-py checkpoints (Klein et al. 2017), versions 2 and 3.

`recognizes` is called for every checkpoint, so heavy packages are imported in `load` only.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.adapters.opennmt.files import find_model_file, looks_like_checkpoint
from pipeline.models.checkpoint import LoadedCheckpoint


class OpenNmtAdapter:
    """Reads ``.pt`` files as OpenNMT-py's training writes them, or a folder with one."""

    name = "opennmt"
    reads = "a .pt file of OpenNMT-py 2 or 3, or its folder"

    def recognizes(self, checkpoint: Path) -> bool:
        file = find_model_file(checkpoint)
        return file is not None and looks_like_checkpoint(file)

    def load(self, checkpoint: Path) -> LoadedCheckpoint:
        from pipeline.adapters.opennmt.loading import load_checkpoint

        return load_checkpoint(checkpoint)
