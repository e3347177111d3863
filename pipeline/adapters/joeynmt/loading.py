"""Loading a JoeyNMT checkpoint for export and verification."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

from torch import Tensor

from exported_models.contract.arrays import Floats
from exported_models.contract.manifest import GenerationDefaults, TokenizerSpec
from pipeline.adapters.joeynmt.checkpoint import SOURCE_EMBEDDING, TARGET_EMBEDDING, Checkpoint, read_checkpoint
from pipeline.adapters.joeynmt.recurrent import build_recurrent_model
from pipeline.adapters.joeynmt.recurrent_reference import RecurrentParts, RecurrentRun
from pipeline.adapters.joeynmt.settings import RecurrentSettings, Side, TransformerSettings
from pipeline.adapters.joeynmt.transformer import build_transformer, make_reference
from pipeline.adapters.recurrent_graphs import MAX_SOURCE_TOKENS, describe_recurrent
from pipeline.adapters.sentencepiece_models import read_sentencepiece_model
from pipeline.adapters.transformer_graphs import describe_transformer, transformer_spaces
from pipeline.adapters.vocabularies import TextFields, check_rows, specify_tokenizer
from pipeline.models.checkpoint import LoadedCheckpoint
from pipeline.models.transformer_config import TransformerConfig
from pipeline.reference.stepwise import SentenceRun, StepwiseReference
from pipeline.reference.transformer import PlainRun

_MAX_LENGTH = 200
"""Most target tokens where the settings name no number."""
_PARITY_SENTENCES = 50
"""Fewer than usual: the reference computes every prefix anew."""
_SIDES = ("source", "target")


def load_checkpoint(path: Path) -> LoadedCheckpoint:
    """Read a checkpoint.

    Raises:
        CheckpointError: a file is missing or damaged, would run code, or is of a model that cannot be exported.
    """
    checkpoint = read_checkpoint(path)
    _check_sizes(checkpoint)
    own = checkpoint.config.model
    if isinstance(own, RecurrentSettings):
        return _load_recurrent(checkpoint, own)
    return _load_transformer(checkpoint, own)


class _Shared(TextFields):
    """The fields of `LoadedCheckpoint` that recurrent models and Transformers fill alike."""

    generation: GenerationDefaults
    reference: StepwiseReference


def _share(
    checkpoint: Checkpoint,
    run: Callable[[Sequence[int]], SentenceRun],
    tables: tuple[Tensor, Tensor],
    positions: int | None,
) -> _Shared:
    """The fields that do not depend on the kind of model.

    Args:
        run: runs one source by the reference implementation.
        tables: word embeddings of both sides, source first.
        positions: the most target tokens that the model has positions for; None if any.
    """
    symbols, target = checkpoint.config.data.special_symbols, checkpoint.target_tokens
    start_id, end_id = target.index(symbols.bos_token), target.index(symbols.eos_token)
    tokenizers = [_specify(checkpoint, side, end_id) for side in _SIDES]
    source_table, target_table = (cast(Floats, table.numpy()) for table in tables)
    return {
        "source_tokenizer": tokenizers[0][0],
        "target_tokenizer": tokenizers[1][0],
        "tokenizer_files": {**tokenizers[0][1], **tokenizers[1][1]},
        "pad_id": target.index(symbols.pad_token),
        "start_id": start_id,
        "end_id": end_id,
        "special_ids": tuple(sorted({target.index(token) for token in symbols.first})),
        "generation": _read_generation(checkpoint, positions),
        "notices": tuple(_list_notices(checkpoint)),
        "reference": StepwiseReference(run, (source_table, target_table), start_id=start_id, end_id=end_id),
    }


def _load_recurrent(checkpoint: Checkpoint, own: RecurrentSettings) -> LoadedCheckpoint:
    model, parts = build_recurrent_model(checkpoint, own), RecurrentParts(checkpoint, own)
    tables = (parts.source_embedding, parts.target_embedding)
    return LoadedCheckpoint(
        architecture=_describe_recurrent(own),
        **describe_recurrent(model),
        max_source_tokens=MAX_SOURCE_TOKENS,
        **_share(checkpoint, partial(RecurrentRun, parts), tables, None),
    )


def _load_transformer(checkpoint: Checkpoint, own: TransformerSettings) -> LoadedCheckpoint:
    embedding = checkpoint.weights.take(SOURCE_EMBEDDING)
    model, plain = build_transformer(checkpoint, own, embedding), make_reference(checkpoint, own, embedding)

    def choose_context(layer: int) -> LoadedCheckpoint:
        model.context_layer = plain.context_layer = layer
        return replace(source, spaces=transformer_spaces(model.config, layer))

    source = LoadedCheckpoint(
        architecture=_describe_transformer(model.config),
        **describe_transformer(model),
        max_source_tokens=model.config.positions,
        max_target_tokens=model.config.positions,
        choose_context=choose_context,
        parity_sentences=_PARITY_SENTENCES,
        **_share(checkpoint, partial(PlainRun, plain), (embedding, plain.decoder.embedding), model.config.positions),
    )
    return source


def _check_sizes(checkpoint: Checkpoint) -> None:
    """Check that vocabularies have the tokens that the tables have rows for."""
    sides = (("src", SOURCE_EMBEDDING, checkpoint.source_tokens), ("trg", TARGET_EMBEDDING, checkpoint.target_tokens))
    for side, name, tokens in sides:
        check_rows(checkpoint.path.parent / f"{side}_vocab.txt", tokens, len(checkpoint.weights.take(name)))


def _specify(checkpoint: Checkpoint, side: str, end_id: int) -> tuple[TokenizerSpec, dict[str, bytes]]:
    """The tokenizer of a side and its files: SentencePiece where its model lies beside, else words between spaces."""
    data, symbols = checkpoint.config.data, checkpoint.config.data.special_symbols
    tokens = checkpoint.source_tokens if side == "source" else checkpoint.target_tokens
    pieces = _find_pieces(checkpoint, data.src if side == "source" else data.trg)
    unknown_id = tokens.index(symbols.unk_token)
    return specify_tokenizer(side, tokens, unknown_id=unknown_id, end_id=end_id, pieces=pieces)


def _find_pieces(checkpoint: Checkpoint, side: Side) -> bytes | None:
    """The SentencePiece model that cuts the texts of a side, if it lies beside the checkpoint."""
    named = side.tokenizer_cfg.model_file
    if side.level != "bpe" or side.tokenizer_type != "sentencepiece" or not named:
        return None
    path = checkpoint.path.parent / Path(named).name
    return read_sentencepiece_model(path)[0] if path.is_file() else None


def _read_generation(checkpoint: Checkpoint, positions: int | None) -> GenerationDefaults:
    """JoeyNMT's own settings. The start of sentence, separators and tags of languages are never produced."""
    settings, symbols = checkpoint.config.testing, checkpoint.config.data.special_symbols
    never = {symbols.bos_token, symbols.sep_token, *symbols.lang_tags}
    never |= set() if settings.generate_unk else {symbols.unk_token}
    longest = settings.max_output_length if settings.max_output_length > 0 else _MAX_LENGTH
    return GenerationDefaults(
        beam_size=settings.beam_size,
        length_penalty=max(settings.beam_alpha, 0.0),
        max_length=min(longest, positions or longest),
        suppressed_ids=tuple(index for index, token in enumerate(checkpoint.target_tokens) if token in never),
    )


def _list_notices(checkpoint: Checkpoint) -> Iterator[str]:
    settings, data = checkpoint.config.testing, checkpoint.config.data
    if settings.beam_alpha > 0:
        yield (
            f"JoeyNMT divides scores by ((5 + length) / 6) to the power of beam_alpha={settings.beam_alpha:g}; here it "
            "is the length to that power."
        )
    for name in ("no_repeat_ngram_size", "repetition_penalty"):
        if getattr(settings, name) > 1:
            yield f"The setting {name}={getattr(settings, name):g} is not supported: searches run without it."
    for name, side in (("source", data.src), ("target", data.trg)):
        done = [setting for setting in ("lowercase", "normalize") if getattr(side, setting)]
        done += (
            [f"the {side.tokenizer_cfg.pretokenizer} tokenizer"] if side.tokenizer_cfg.pretokenizer != "none" else []
        )
        if side.level == "char":
            done.append("cutting into characters, with \u2581 for a space")
        if side.level == "bpe" and _find_pieces(checkpoint, side) is None:
            done.append(f"{side.tokenizer_type}, whose model is not beside the checkpoint or cannot travel with it")
        if done:
            yield (
                f"Texts of the {name} went through {' and '.join(done)}, which is not run here: write texts as they "
                "come out of it, tokens between spaces."
            )


def _describe_recurrent(own: RecurrentSettings) -> str:
    cell, attention = own.encoder.rnn_type.upper(), own.decoder.attention.capitalize()
    layers = f"{own.encoder.num_layers} encoder and {own.decoder.num_layers} decoder layers"
    fed = " with input feeding" if own.decoder.input_feeding else ""
    return f"JoeyNMT {cell}, bidirectional encoder, {layers}, {attention} attention{fed}"


def _describe_transformer(config: TransformerConfig) -> str:
    layers = f"{config.encoder.layers} encoder and {config.decoder.layers} decoder layers"
    return f"JoeyNMT Transformer, {layers} of {config.size} units, {config.decoder.heads} heads"
