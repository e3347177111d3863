"""The adapter of Hugging Face checkpoints: Transformer encoder-decoders in a local folder.

`recognizes` is called for every checkpoint, so heavy packages are imported in `load` only.
"""

from __future__ import annotations

from pathlib import Path

from exported_models.contract.json_text import parse_json
from pipeline.adapters.huggingface.files import CONFIG_FILE
from pipeline.models.checkpoint import LoadedCheckpoint


class HuggingFaceAdapter:
    """Reads folders as ``save_pretrained`` writes them: weights, configuration and tokenizer."""

    name = "huggingface"
    reads = "a folder with config.json, weights and tokenizer, as save_pretrained writes it"

    def recognizes(self, checkpoint: Path) -> bool:
        try:
            config = parse_json((checkpoint / CONFIG_FILE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return isinstance(config, dict) and "model_type" in config

    def load(self, checkpoint: Path) -> LoadedCheckpoint:
        from pipeline.adapters.huggingface.loading import load_checkpoint

        return load_checkpoint(checkpoint)
