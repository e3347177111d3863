"""Vocabularies and tokenizers of checkpoints as an exported model has them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypedDict

from exported_models.contract.manifest import SentencePieceSpec, TokenizerSpec, WordTokenizerSpec
from pipeline.errors import CheckpointError


class TextFields(TypedDict):
    """The fields of `LoadedCheckpoint` about texts, which models of a family fill alike."""

    source_tokenizer: TokenizerSpec
    target_tokenizer: TokenizerSpec
    tokenizer_files: Mapping[str, bytes]
    pad_id: int
    start_id: int
    end_id: int
    special_ids: tuple[int, ...]
    notices: tuple[str, ...]


def write_vocabulary(tokens: Sequence[str]) -> bytes:
    """A vocabulary as the content of a file; a token's id is its place."""
    return (json.dumps(list(tokens), ensure_ascii=False, indent=0) + "\n").encode("utf-8")


def specify_tokenizer(
    side: str, tokens: Sequence[str], *, unknown_id: int, end_id: int, pieces: bytes | None
) -> tuple[TokenizerSpec, dict[str, bytes]]:
    """The tokenizer of a side that ends its texts with ``end_id``, and the tokenizer's files.

    Args:
        pieces: SentencePiece model that cuts the texts; None for words between spaces.
    """
    name, after = f"{side}_vocabulary.json", (end_id,)
    files = {name: write_vocabulary(tokens)}
    if pieces is None:
        return WordTokenizerSpec(file=name, unknown_id=unknown_id, after=after), files
    spec = SentencePieceSpec(file=f"{side}.spm", vocabulary=name, unknown_id=unknown_id, after=after)
    return spec, {**files, spec.file: pieces}


def check_rows(file: Path, tokens: Sequence[str], rows: int) -> None:
    """Check that a vocabulary has as many tokens as its table of embeddings has rows.

    Raises:
        CheckpointError: it has not.
    """
    if rows != len(tokens):
        raise CheckpointError(
            f"{file} has {len(tokens)} tokens, special ones included, but the model has embeddings for {rows}."
        )
