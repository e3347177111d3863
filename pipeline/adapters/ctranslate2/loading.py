"""Loading a CTranslate2 model folder for export and verification."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

from torch import Tensor

from exported_models.contract.arrays import Floats
from exported_models.contract.manifest import GenerationDefaults, WordTokenizerSpec
from pipeline.adapters.ctranslate2.architecture import Architecture, read_architecture
from pipeline.adapters.ctranslate2.checkpoint import Checkpoint, read_checkpoint
from pipeline.adapters.ctranslate2.mapping import map_weights
from pipeline.adapters.ctranslate2.reference import make_reference
from pipeline.adapters.ctranslate2.vocabulary import Vocabularies, read_vocabularies
from pipeline.adapters.transformer_graphs import describe_transformer, transformer_spaces
from pipeline.errors import CheckpointError
from pipeline.models.checkpoint import NO_TARGET_LANGUAGE, LoadedCheckpoint
from pipeline.models.transformer import Transformer
from pipeline.models.transformer_config import TransformerConfig
from pipeline.reference.stepwise import StepwiseReference
from pipeline.reference.transformer import PlainRun, PlainTransformer

MAX_SOURCE_TOKENS = 512
"""Longest source of a model without a table of positions, which has no limit of its own."""
_BEAM_SIZE, _MAX_LENGTH = 2, 256
"""CTranslate2's own defaults; a folder has no generation settings."""
_PARITY_SENTENCES = 50
"""Fewer than usual: the reference computes every prefix anew."""


def load_checkpoint(path: Path) -> LoadedCheckpoint:
    """Read a folder, or that of a ``model.bin``.

    Raises:
        CheckpointError: the model is incomplete, damaged, or cannot be exported.
    """
    checkpoint = read_checkpoint(path)
    architecture = read_architecture(checkpoint.weights, checkpoint.settings.layer_norm_epsilon)
    vocabularies = read_vocabularies(checkpoint, architecture)
    config, state = map_weights(checkpoint.weights, architecture)
    _check_sizes(checkpoint, config, architecture)
    if vocabularies.arrangement is not None:
        name = "source_embedding.tokens.weight"
        state[name] = vocabularies.arrangement.arrange(state[name])
        config = replace(config, source_vocabulary=len(state[name]))
    model = _build(config, state, checkpoint)
    plain = make_reference(checkpoint.weights, architecture, state["source_embedding.tokens.weight"])
    limit = config.positions or None

    def choose_context(layer: int) -> LoadedCheckpoint:
        model.context_layer = plain.context_layer = layer
        return replace(source, spaces=transformer_spaces(config, layer))

    source = LoadedCheckpoint(
        architecture=_describe(checkpoint, config),
        **describe_transformer(model),
        source_tokenizer=vocabularies.source,
        target_tokenizer=vocabularies.target,
        tokenizer_files=vocabularies.files,
        pad_id=vocabularies.pad_id,
        start_id=vocabularies.start_id,
        end_id=vocabularies.end_id,
        special_ids=vocabularies.special_ids,
        max_source_tokens=limit or MAX_SOURCE_TOKENS,
        max_target_tokens=limit,
        generation=GenerationDefaults(
            beam_size=_BEAM_SIZE,
            max_length=min(_MAX_LENGTH, limit or _MAX_LENGTH),
            suppressed_ids=(vocabularies.start_id,) if architecture.starts_from_zero else (),
        ),
        reference=_refer(plain, vocabularies),
        choose_context=choose_context,
        notices=tuple(_list_notices(checkpoint, vocabularies)),
        languages=vocabularies.languages,
        start_from=lambda token_id: _refer(plain, replace(vocabularies, start_id=token_id)),
        parity_sentences=_PARITY_SENTENCES,
    )
    return source


def _check_sizes(checkpoint: Checkpoint, config: TransformerConfig, architecture: Architecture) -> None:
    """Check that vocabularies have the tokens that the tables have rows for."""
    start = int(architecture.starts_from_zero)
    sides = (
        ("source", checkpoint.source_tokens, config.source_vocabulary - start * architecture.ties_sides),
        ("target", checkpoint.target_tokens, config.target_vocabulary - start),
    )
    for side, tokens, rows in sides:
        if len(tokens) != rows:
            raise CheckpointError(
                f"The {side} vocabulary in {checkpoint.folder} has {len(tokens)} tokens, but the model has embeddings "
                f"for {rows}."
            )


def _build(config: TransformerConfig, state: dict[str, Tensor], checkpoint: Checkpoint) -> Transformer:
    model = Transformer.bare(config)
    for name, wanted in model.state_dict().items():
        found = state[name].shape if name in state else None
        if found != wanted.shape:
            raise CheckpointError(
                f"{checkpoint.weights.path} has weights that do not fit each other: {name} is {list(found or ())} "
                f"where the others ask for {list(wanted.shape)}."
            )
    model.adopt(state)
    return model


def _refer(plain: PlainTransformer, vocabularies: Vocabularies) -> StepwiseReference:
    tables = (cast(Floats, plain.encoder.embedding.numpy()), cast(Floats, plain.decoder.embedding.numpy()))
    run = partial(PlainRun, plain)
    return StepwiseReference(run, tables, start_id=vocabularies.start_id, end_id=vocabularies.end_id)


def _list_notices(checkpoint: Checkpoint, vocabularies: Vocabularies) -> Iterator[str]:
    yield (
        "CTranslate2 forbids an empty target unless min_decoding_length is 0, and shares the probability of its end "
        "among other tokens; here an empty target can be found, and scores are the model's own."
    )
    if checkpoint.weights.is_quantized:
        yield (
            "The weights were stored as integers and are computed with in float32: where CTranslate2 rounds "
            "activations to 8 bits too, close calls may come out otherwise."
        )
    if isinstance(vocabularies.source, WordTokenizerSpec):
        yield (
            "The folder has no tokenizer (tokenizer.json or SentencePiece models): write texts as CTranslate2 reads "
            "them, tokens between spaces."
        )
    if vocabularies.languages is not None and vocabularies.languages.target_tag != "source":
        yield NO_TARGET_LANGUAGE


def _describe(checkpoint: Checkpoint, config: TransformerConfig) -> str:
    layers = f"{config.encoder.layers} encoder and {config.decoder.layers} decoder layers"
    stored = ", stored as integers" if checkpoint.weights.is_quantized else ""
    return f"CTranslate2 Transformer, {layers} of {config.size} units, {config.decoder.heads} heads{stored}"
