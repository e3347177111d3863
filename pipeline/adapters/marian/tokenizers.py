"""Tokenizers of a Marian model, from SentencePiece models or lists of words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from exported_models.contract.manifest import SentencePieceSpec, WordTokenizerSpec
from pipeline.adapters.marian.checkpoint import SENTENCEPIECE_SUFFIX, MarianCheckpoint
from pipeline.adapters.marian.vocabulary import read_word_vocabulary
from pipeline.adapters.sentencepiece_models import read_sentencepiece_model
from pipeline.adapters.vocabularies import write_vocabulary
from pipeline.errors import CheckpointError

_LANGUAGE_CODE = re.compile(">>.+<<")
"""Form of the token that names the target language at the beginning of a source."""
_START_TOKENS = ("<s>", "<start of target>")


@dataclass(frozen=True, slots=True)
class Tokenizers:
    """Both sides' tokenizers and their files; ``start_id`` is the row for Marian's zero embedding."""

    source: SentencePieceSpec | WordTokenizerSpec
    target: SentencePieceSpec | WordTokenizerSpec
    files: dict[str, bytes]
    start_id: int
    end_id: int
    unknown_id: int


@dataclass(frozen=True, slots=True)
class _Side:
    """One side's tokens; ``model`` is the SentencePiece model that cuts texts into them, or None."""

    tokens: tuple[str, ...]
    model: bytes | None
    end_id: int
    unknown_id: int


def read_tokenizers(checkpoint: MarianCheckpoint, source_rows: int, target_rows: int) -> Tokenizers:
    """Read the vocabularies of a model whose tables have so many rows, the start token's included if a table has it.

    Raises:
        CheckpointError: a vocabulary is damaged, or is not the one that the model was trained with.
    """
    source_model, target_model = checkpoint.subword_models or (None, None)
    target = _read_side(checkpoint.target_vocabulary, target_rows - 1, target_model)
    shares_table = checkpoint.options.source_embedding == checkpoint.options.target_embedding
    source = _read_side(checkpoint.source_vocabulary, source_rows - shares_table, source_model)
    if (source.end_id, source.unknown_id) != (target.end_id, target.unknown_id):
        raise CheckpointError(
            f"{checkpoint.source_vocabulary} and {checkpoint.target_vocabulary} number the end of sentence or the "
            "unknown token differently: they are not the vocabularies of one model."
        )
    start = next(name for name in _START_TOKENS if name not in target.tokens)
    models = {"source.spm": source.model, "target.spm": target.model}
    files = {
        "source_vocabulary.json": write_vocabulary([*source.tokens, *([start] if shares_table else [])]),
        "target_vocabulary.json": write_vocabulary([*target.tokens, start]),
        **{name: model for name, model in models.items() if model is not None},
    }
    return Tokenizers(
        source=_specify("source", source),
        target=_specify("target", target),
        files=files,
        start_id=target_rows - 1,
        end_id=target.end_id,
        unknown_id=target.unknown_id,
    )


def _read_side(path: Path, rows: int, subword_model: Path | None) -> _Side:
    side = _read_pieces(path) if path.suffix == SENTENCEPIECE_SUFFIX else _read_words(path, subword_model)
    size = len(side.tokens)
    if size != rows:
        raise CheckpointError(f"The vocabulary {path} has {size} tokens, but the model has {rows} embeddings for them.")
    return side


def _read_pieces(path: Path) -> _Side:
    content, processor = read_sentencepiece_model(path)
    if processor.eos_id() < 0:
        raise CheckpointError(f"The vocabulary {path} has no end of sentence: it is not one that Marian made.")
    pieces = tuple(processor.id_to_piece(index) for index in range(processor.get_piece_size()))
    return _Side(pieces, content, processor.eos_id(), processor.unk_id())


def _read_words(path: Path, subword_model: Path | None) -> _Side:
    vocabulary = read_word_vocabulary(path)
    model = None if subword_model is None else read_sentencepiece_model(subword_model)[0]
    return _Side(vocabulary.tokens, model, vocabulary.end_id, vocabulary.unknown_id)


def _specify(name: str, side: _Side) -> SentencePieceSpec | WordTokenizerSpec:
    vocabulary, after = f"{name}_vocabulary.json", (side.end_id,)
    if side.model is None:
        return WordTokenizerSpec(file=vocabulary, unknown_id=side.unknown_id, after=after)
    return SentencePieceSpec(
        file=f"{name}.spm",
        vocabulary=vocabulary,
        unknown_id=side.unknown_id,
        after=after,
        reads_language_code=name == "source" and any(_LANGUAGE_CODE.fullmatch(token) for token in side.tokens),
    )
