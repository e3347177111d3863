"""The SentencePiece vocabularies of a Marian model, which give the ids of its tokens too."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from sentencepiece import SentencePieceProcessor

from exported_models.manifest import SentencePieceSpec
from pipeline.adapters.marian.checkpoint import MarianCheckpoint
from pipeline.errors import CheckpointError

_START_TOKENS = ("<s>", "<start of target>")


@dataclass(frozen=True, slots=True)
class Tokenizers:
    """Both sides' tokenizers and their files; ``start_id`` is the row that stands for Marian's zero embedding."""

    source: SentencePieceSpec
    target: SentencePieceSpec
    files: dict[str, bytes]
    start_id: int
    end_id: int
    unknown_id: int


@dataclass(frozen=True, slots=True)
class _Side:
    pieces: tuple[str, ...]
    content: bytes
    end_id: int
    unknown_id: int


def read_tokenizers(checkpoint: MarianCheckpoint, source_rows: int, target_rows: int) -> Tokenizers:
    """Read the vocabularies for tables of so many rows, the start's included where a table has it.

    Raises:
        CheckpointError: one is damaged, or not the one the model was trained with.
    """
    target = _read_side(checkpoint.target_vocabulary, target_rows - 1)
    shares_table = checkpoint.options.source_embedding == checkpoint.options.target_embedding
    shares_file = checkpoint.source_vocabulary == checkpoint.target_vocabulary
    source = target if shares_file else _read_side(checkpoint.source_vocabulary, source_rows - shares_table)
    if (source.end_id, source.unknown_id) != (target.end_id, target.unknown_id):
        raise CheckpointError(
            f"{checkpoint.source_vocabulary} and {checkpoint.target_vocabulary} number the end of sentence or the "
            "unknown token differently: they are not the vocabularies of one model."
        )
    start = next(name for name in _START_TOKENS if name not in target.pieces)
    files = {
        "target.spm": target.content,
        "target_vocabulary.json": _list_tokens(*target.pieces, start),
        "source.spm": source.content,
        "source_vocabulary.json": _list_tokens(*source.pieces, *([start] if shares_table else [])),
    }
    return Tokenizers(
        source=_specify("source", source),
        target=_specify("target", target),
        files=files,
        start_id=target_rows - 1,
        end_id=target.end_id,
        unknown_id=target.unknown_id,
    )


def _read_side(path: Path, rows: int) -> _Side:
    content = path.read_bytes()
    try:
        processor = SentencePieceProcessor.from_proto(content)
    except RuntimeError as error:
        raise CheckpointError(f"The vocabulary {path} is no SentencePiece model; copy the model again.") from error
    size = processor.get_piece_size()
    if size != rows:
        raise CheckpointError(f"The vocabulary {path} has {size} tokens, but the model has {rows} embeddings for them.")
    if processor.eos_id() < 0:
        raise CheckpointError(f"The vocabulary {path} has no end of sentence: it is not one that Marian made.")
    pieces = tuple(processor.id_to_piece(index) for index in range(size))
    return _Side(pieces, content, processor.eos_id(), processor.unk_id())


def _specify(name: str, side: _Side) -> SentencePieceSpec:
    return SentencePieceSpec(
        file=f"{name}.spm", vocabulary=f"{name}_vocabulary.json", unknown_id=side.unknown_id, after=(side.end_id,)
    )


def _list_tokens(*tokens: str) -> bytes:
    return (json.dumps(tokens, ensure_ascii=False, indent=0) + "\n").encode("utf-8")
