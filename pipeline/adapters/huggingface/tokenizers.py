"""A checkpoint's tokenizer in the forms that an exported model runs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from transformers import MarianTokenizer

from exported_models.manifest import SentencePieceSpec, TokenizerSpec
from pipeline.adapters.huggingface.checkpoint import Checkpoint, first_line, quiet_library
from pipeline.errors import CheckpointError

_VOCABULARY_FILES = ("source_vocabulary.json", "target_vocabulary.json")
_SHARED_VOCABULARY_FILE = "vocabulary.json"


@dataclass(frozen=True, slots=True)
class Tokenizers:
    """Both sides' tokenizers and the ids that stand for no text."""

    source: TokenizerSpec
    target: TokenizerSpec
    files: Mapping[str, bytes]
    pad_id: int
    special_ids: tuple[int, ...]


def read_tokenizers(checkpoint: Checkpoint, source_vocabulary: int, target_vocabulary: int) -> Tokenizers:
    """Read the tokenizer of a checkpoint for a model of so many embeddings.

    Raises:
        CheckpointError: there is none, it is damaged, or it has ids the model has no embedding for.
    """
    return _read_marian(checkpoint.folder, source_vocabulary, target_vocabulary)


def _read_marian(folder: Path, source_vocabulary: int, target_vocabulary: int) -> Tokenizers:
    _require_files(folder, ("source.spm", "target.spm", "vocab.json"))
    try:
        with quiet_library():
            tokenizer = MarianTokenizer.from_pretrained(str(folder), local_files_only=True)
    except Exception as error:  # whatever the library and SentencePiece raise over a damaged file
        raise CheckpointError(
            f"The tokenizer in {folder} could not be loaded ({first_line(error)}); copy the checkpoint again."
        ) from error
    source = _list_tokens(tokenizer.encoder, source_vocabulary, folder / "vocab.json")
    target = source
    if tokenizer.separate_vocabs:
        target = _list_tokens(tokenizer.target_encoder, target_vocabulary, folder / "target_vocab.json")
    source_file, target_file = _VOCABULARY_FILES if tokenizer.separate_vocabs else (_SHARED_VOCABULARY_FILE,) * 2
    ends = {"unknown_id": tokenizer.unk_token_id, "after": (tokenizer.eos_token_id,)}
    return Tokenizers(
        source=SentencePieceSpec(file="source.spm", vocabulary=source_file, reads_language_code=True, **ends),
        target=SentencePieceSpec(file="target.spm", vocabulary=target_file, **ends),
        files={
            "source.spm": (folder / "source.spm").read_bytes(),
            "target.spm": (folder / "target.spm").read_bytes(),
            source_file: _vocabulary_bytes(source),
            target_file: _vocabulary_bytes(target),
        },
        pad_id=tokenizer.pad_token_id,
        special_ids=tuple(sorted(set(tokenizer.all_special_ids))),
    )


def _require_files(folder: Path, names: Sequence[str]) -> None:
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise CheckpointError(f"The checkpoint {folder} has no {' and no '.join(missing)}: its tokenizer is missing.")


def _list_tokens(ids: Mapping[str, int], size: int, path: Path) -> tuple[str, ...]:
    """Token of every id of a vocabulary of ``size`` embeddings; an id that no token has gets a made-up one."""
    largest = max(ids.values(), default=-1)
    if largest >= size:
        raise CheckpointError(f"{path} has the id {largest}, but the model has only {size} embeddings.")
    by_id = {token_id: token for token, token_id in ids.items()}
    return tuple(by_id.get(token_id, f"<unused {token_id}>") for token_id in range(size))


def _vocabulary_bytes(tokens: Sequence[str]) -> bytes:
    return (json.dumps(list(tokens), ensure_ascii=False, indent=0) + "\n").encode("utf-8")
