"""Vocabularies and tokenizers of a checkpoint, converted to a form that an exported model runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from exported_models.contract.manifest import SentencePieceSpec, TokenizerSpec, WordTokenizerSpec
from pipeline.adapters.opennmt.checkpoint import END, PAD, UNKNOWN, Checkpoint
from pipeline.adapters.opennmt.names import SOURCE_EMBEDDING, TARGET_EMBEDDING
from pipeline.adapters.special_tokens import Arrangement, arrange_like_target
from pipeline.adapters.vocabularies import write_vocabulary
from pipeline.errors import CheckpointError

_SOURCE_FILE, _TARGET_FILE = "source_vocabulary.json", "target_vocabulary.json"
_SENTENCEPIECE = "sentencepiece"


@dataclass(frozen=True, slots=True)
class Vocabularies:
    """Both sides' tokenizers with their files, the source's new order, and the ids of special tokens on both sides."""

    source: TokenizerSpec
    target: TokenizerSpec
    files: dict[str, bytes]
    arrangement: Arrangement
    pad_id: int
    start_id: int
    end_id: int


def read_vocabularies(checkpoint: Checkpoint) -> Vocabularies:
    """The vocabularies of a checkpoint.

    Raises:
        CheckpointError: the target vocabulary lacks a special token, or tokens and embeddings differ in number.
    """
    target = checkpoint.target_tokens
    _check_sizes(checkpoint)
    ids = {name: _find(name, target, checkpoint.path) for name in (PAD, checkpoint.start_token, END)}
    arrangement = arrange_like_target(checkpoint.source_tokens, {index: name for name, index in ids.items()})
    options, end = checkpoint.options, (ids[END],)
    models = [_find_subword_model(checkpoint, name) for name in (options.src_subword_model, options.tgt_subword_model)]
    files = {_SOURCE_FILE: write_vocabulary(arrangement.tokens), _TARGET_FILE: write_vocabulary(target)}
    files |= {f"{side}.spm": path.read_bytes() for side, path in zip(("source", "target"), models, strict=True) if path}
    return Vocabularies(
        source=_make_spec("source", arrangement.tokens, (), models[0]),
        target=_make_spec("target", target, end, models[1]),
        files=files,
        arrangement=arrangement,
        pad_id=ids[PAD],
        start_id=ids[checkpoint.start_token],
        end_id=ids[END],
    )


def _check_sizes(checkpoint: Checkpoint) -> None:
    sides = (("src", SOURCE_EMBEDDING, checkpoint.source_tokens), ("tgt", TARGET_EMBEDDING, checkpoint.target_tokens))
    for side, name, tokens in sides:
        rows = len(checkpoint.weights.take(name))
        if rows != len(tokens):
            raise CheckpointError(
                f"The tokens {side!r} are {len(tokens)} in {checkpoint.path}, but the model has embeddings for {rows}."
            )


def _make_spec(side: str, tokens: Sequence[str], after: tuple[int, ...], model: Path | None) -> TokenizerSpec:
    unknown_id = tokens.index(UNKNOWN) if UNKNOWN in tokens else None
    if model is not None and unknown_id is not None:
        return SentencePieceSpec(
            file=f"{side}.spm", vocabulary=f"{side}_vocabulary.json", unknown_id=unknown_id, after=after
        )
    return WordTokenizerSpec(file=f"{side}_vocabulary.json", unknown_id=unknown_id, after=after)


def _find_subword_model(checkpoint: Checkpoint, name: str | None) -> Path | None:
    """The SentencePiece model that texts were cut with, if it is beside the checkpoint; else None."""
    if _SENTENCEPIECE not in checkpoint.options.transforms or not name:
        return None
    beside = checkpoint.path.parent / Path(name).name
    return beside if beside.is_file() else None


def _find(name: str, tokens: Sequence[str], path: Path) -> int:
    if name not in tokens:
        raise CheckpointError(f"The target vocabulary of {path} has no {name!r}, which every target needs.")
    return tokens.index(name)
