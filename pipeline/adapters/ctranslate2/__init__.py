"""The adapter of CTranslate2 model folders (Klein et al. 2020): Marian, M2M100 and NLLB, T5, BART and OpenNMT shapes.

`recognizes` is called for every checkpoint, so heavy packages are imported in `load` only.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.adapters.ctranslate2.files import find_model_file, is_model_file
from pipeline.models.checkpoint import LoadedCheckpoint


class CTranslate2Adapter:
    """Reads folders as CTranslate2's converters write them."""

    name = "ctranslate2"
    reads = "a folder with CTranslate2's model.bin, config.json and vocabularies"

    def recognizes(self, checkpoint: Path) -> bool:
        return is_model_file(find_model_file(checkpoint))

    def load(self, checkpoint: Path) -> LoadedCheckpoint:
        from pipeline.adapters.ctranslate2.loading import load_checkpoint

        return load_checkpoint(checkpoint)
