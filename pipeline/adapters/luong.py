"""The adapter of recurrent models with Luong attention (`pipeline.models.luong`)."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from exported_models.contract.json_text import parse_json
from exported_models.contract.manifest import CharacterTokenizerSpec, GenerationDefaults
from pipeline.adapters.recurrent_graphs import (
    MAX_SOURCE_TOKENS,
    RecurrentRun,
    describe_recurrent,
    read_embeddings,
)
from pipeline.adapters.vocabularies import write_vocabulary
from pipeline.models.checkpoint import LoadedCheckpoint
from pipeline.models.luong import (
    ARCHITECTURE,
    CONFIG_FILE,
    SOURCE_VOCABULARY_FILE,
    TARGET_VOCABULARY_FILE,
    load_checkpoint,
)
from pipeline.reference.stepwise import StepwiseReference

MAX_TARGET_TOKENS = 64
"""The model has no limit of its own; this one bounds the cost of a mistaken request."""


class LuongAdapter:
    """Reads checkpoints that `pipeline.models.luong.save_checkpoint` wrote."""

    name = ARCHITECTURE
    reads = "a folder that the dates recipe wrote"

    def recognizes(self, checkpoint: Path) -> bool:
        try:
            config = parse_json((checkpoint / CONFIG_FILE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return isinstance(config, dict) and config.get("architecture") == ARCHITECTURE

    def load(self, checkpoint: Path) -> LoadedCheckpoint:
        loaded = load_checkpoint(checkpoint)
        sizes = loaded.model.sizes
        return LoadedCheckpoint(
            architecture="BiLSTM encoder, LSTM decoder, Luong attention with input feeding",
            **describe_recurrent(loaded.model.eval()),
            source_tokenizer=CharacterTokenizerSpec(file=SOURCE_VOCABULARY_FILE),
            target_tokenizer=CharacterTokenizerSpec(file=TARGET_VOCABULARY_FILE),
            tokenizer_files={
                SOURCE_VOCABULARY_FILE: write_vocabulary(loaded.source_vocabulary),
                TARGET_VOCABULARY_FILE: write_vocabulary(loaded.target_vocabulary),
            },
            pad_id=sizes.pad_id,
            start_id=sizes.start_id,
            end_id=sizes.end_id,
            special_ids=(sizes.pad_id, sizes.start_id, sizes.end_id, sizes.unknown_id),
            max_source_tokens=MAX_SOURCE_TOKENS,
            generation=GenerationDefaults(max_length=MAX_TARGET_TOKENS),
            reference=StepwiseReference(
                partial(RecurrentRun, loaded.model),
                read_embeddings(loaded.model),
                start_id=sizes.start_id,
                end_id=sizes.end_id,
            ),
        )
