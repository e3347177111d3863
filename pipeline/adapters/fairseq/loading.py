"""Loading a fairseq checkpoint for export and verification."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

from exported_models.contract.arrays import Floats
from exported_models.contract.manifest import GenerationDefaults
from pipeline.adapters.fairseq.checkpoint import END, PAD, START, UNKNOWN, Checkpoint, read_checkpoint
from pipeline.adapters.fairseq.transformer import (
    SOURCE_EMBEDDING,
    TARGET_EMBEDDING,
    build_transformer,
    make_reference,
)
from pipeline.adapters.sentencepiece_models import read_sentencepiece_model
from pipeline.adapters.transformer_graphs import describe_transformer, transformer_spaces
from pipeline.adapters.vocabularies import check_rows, specify_tokenizer
from pipeline.models.checkpoint import LoadedCheckpoint
from pipeline.models.transformer_config import TransformerConfig
from pipeline.reference.stepwise import StepwiseReference
from pipeline.reference.transformer import PlainRun

_GENERATION = GenerationDefaults(
    beam_size=5, length_penalty=1.0, max_length=200, early_stopping="first", suppressed_ids=(PAD,)
)
"""Defaults of ``fairseq-generate``; a checkpoint has no generation settings."""
_PARITY_SENTENCES = 50
"""Fewer than usual: the reference computes every prefix anew."""
_PIECES = "*.model"


def load_checkpoint(path: Path) -> LoadedCheckpoint:
    """Read a checkpoint.

    Raises:
        CheckpointError: a file is missing or damaged, would run code, or is of a model that cannot be exported.
    """
    checkpoint = read_checkpoint(path)
    _check_sizes(checkpoint)
    model, plain = build_transformer(checkpoint), make_reference(checkpoint)
    pieces = _find_pieces(checkpoint)
    source, target = (
        specify_tokenizer(side, tokens, unknown_id=UNKNOWN, end_id=END, pieces=pieces)
        for side, tokens in (("source", checkpoint.source_tokens), ("target", checkpoint.target_tokens))
    )
    # fairseq's search leaves the last position empty.
    longest = min(_GENERATION.max_length, model.config.positions - 1)
    tables = cast(Floats, plain.encoder.embedding.numpy()), cast(Floats, plain.decoder.embedding.numpy())

    def choose_context(layer: int) -> LoadedCheckpoint:
        model.context_layer = plain.context_layer = layer
        return replace(loaded, spaces=transformer_spaces(model.config, layer))

    loaded = LoadedCheckpoint(
        architecture=_describe(model.config),
        **describe_transformer(model),
        source_tokenizer=source[0],
        target_tokenizer=target[0],
        tokenizer_files={**source[1], **target[1]},
        pad_id=PAD,
        # The end of sentence also precedes every target.
        start_id=END,
        end_id=END,
        special_ids=(START, PAD, END),
        max_source_tokens=model.config.longest_source,
        max_target_tokens=model.config.positions,
        generation=_GENERATION.model_copy(update={"max_length": longest}),
        reference=StepwiseReference(partial(PlainRun, plain), tables, start_id=END, end_id=END),
        choose_context=choose_context,
        notices=tuple(_list_notices(cuts=pieces is not None)),
        parity_sentences=_PARITY_SENTENCES,
    )
    return loaded


def _check_sizes(checkpoint: Checkpoint) -> None:
    """Check that dictionaries have the tokens that the tables have rows for."""
    options = checkpoint.options
    sides = (
        (options.source_lang, SOURCE_EMBEDDING, checkpoint.source_tokens),
        (options.target_lang, TARGET_EMBEDDING, checkpoint.target_tokens),
    )
    for language, name, tokens in sides:
        check_rows(checkpoint.path.parent / f"dict.{language}.txt", tokens, len(checkpoint.weights.take(name)))


def _find_pieces(checkpoint: Checkpoint) -> bytes | None:
    """The SentencePiece model that cuts texts of both sides, if a single one lies beside the checkpoint."""
    found = sorted(checkpoint.path.parent.glob(_PIECES))
    return read_sentencepiece_model(found[0])[0] if len(found) == 1 else None


def _list_notices(*, cuts: bool) -> Iterator[str]:
    yield "fairseq ends a hypothesis of the longest length with an end of sentence; here it is cut off as it is."
    if not cuts:
        yield (
            "Texts are not cut into subwords here, as no single SentencePiece model (*.model) lies beside the "
            "checkpoint: write them as they were when the model read them, tokens between spaces."
        )


def _describe(config: TransformerConfig) -> str:
    layers = f"{config.encoder.layers} encoder and {config.decoder.layers} decoder layers"
    return f"fairseq Transformer, {layers} of {config.size} units, {config.decoder.heads} heads"
