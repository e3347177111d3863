"""Loading a native Marian model for export and verification."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from torch import Tensor

from pipeline.adapters.marian.checkpoint import MarianCheckpoint, read_checkpoint
from pipeline.adapters.marian.generation import list_notices, read_generation
from pipeline.adapters.marian.mapping import POSITIONS, map_weights
from pipeline.adapters.marian.reference import MarianReference
from pipeline.adapters.marian.tokenizers import read_tokenizers
from pipeline.adapters.transformer_graphs import describe_transformer, transformer_spaces
from pipeline.errors import CheckpointError
from pipeline.models.checkpoint import LoadedCheckpoint
from pipeline.models.transformer import Transformer
from pipeline.models.transformer_config import TransformerConfig

_PARITY_SENTENCES = 50
"""Fewer than usual: the reference, in NumPy, needs up to a second to search one."""


def load_checkpoint(path: Path) -> LoadedCheckpoint:
    """Read a model file, or the one in a folder.

    Raises:
        CheckpointError: the model is incomplete, damaged, or cannot be exported.
    """
    checkpoint = read_checkpoint(path)
    config, state = map_weights(checkpoint.weights, checkpoint.options)
    tokenizers = read_tokenizers(checkpoint, config.source_vocabulary, config.target_vocabulary)
    generation = read_generation(checkpoint, tokenizers.start_id, tokenizers.unknown_id)
    model = _build(config, state, checkpoint)
    reference = MarianReference(checkpoint.weights, tokenizers.start_id, tokenizers.end_id, generation.suppressed_ids)

    def choose_context(layer: int) -> LoadedCheckpoint:
        model.context_layer = reference.context_layer = layer
        return replace(source, spaces=transformer_spaces(config, layer))

    source = LoadedCheckpoint(
        architecture=_describe(checkpoint, config),
        **describe_transformer(model),
        source_tokenizer=tokenizers.source,
        target_tokenizer=tokenizers.target,
        tokenizer_files=tokenizers.files,
        # Marian has no padding token; padding is masked, so any token will do.
        pad_id=tokenizers.end_id,
        start_id=tokenizers.start_id,
        end_id=tokenizers.end_id,
        special_ids=tuple(sorted({tokenizers.start_id, tokenizers.end_id, tokenizers.unknown_id})),
        max_source_tokens=POSITIONS,
        max_target_tokens=POSITIONS,
        generation=generation,
        reference=reference,
        choose_context=choose_context,
        notices=tuple(list_notices(checkpoint)),
        parity_sentences=_PARITY_SENTENCES,
    )
    return source


def _build(config: TransformerConfig, state: dict[str, Tensor], checkpoint: MarianCheckpoint) -> Transformer:
    model = Transformer.bare(config)
    wanted = model.state_dict()
    for name, weight in state.items():
        if weight.shape != wanted[name].shape:
            raise CheckpointError(
                f"{checkpoint.weights.path} has weights that do not fit each other: {name} is {list(weight.shape)} "
                f"where the others ask for {list(wanted[name].shape)}."
            )
    model.adopt(state)
    return model


def _describe(checkpoint: MarianCheckpoint, config: TransformerConfig) -> str:
    kind = "SSRU " if config.recurrent else ""
    layers = f"{config.encoder.layers} encoder and {config.decoder.layers} {kind}decoder layers"
    stored = ", stored as integers" if checkpoint.weights.is_quantized else ""
    return f"Marian Transformer, {layers} of {config.size} units, {config.decoder.heads} heads{stored}"
