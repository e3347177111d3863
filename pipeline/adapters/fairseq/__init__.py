"""The adapter of fairseq checkpoints (Ott et al. 2019): its Transformers.

`recognizes` is called for every checkpoint, so heavy packages are imported in `load` only.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.adapters.fairseq.files import find_dictionaries, find_model_file
from pipeline.models.checkpoint import LoadedCheckpoint


class FairseqAdapter:
    """Reads a ``.pt`` file as fairseq's training writes it, with its dictionaries, or their folder."""

    name = "fairseq"
    reads = "a .pt file of a fairseq Transformer beside its dict.*.txt, or their folder"

    def recognizes(self, checkpoint: Path) -> bool:
        file = find_model_file(checkpoint)
        return file is not None and bool(find_dictionaries(file.parent))

    def load(self, checkpoint: Path) -> LoadedCheckpoint:
        from pipeline.adapters.fairseq.loading import load_checkpoint

        return load_checkpoint(checkpoint)
