"""SentencePiece models that lie beside checkpoints of any family."""

from __future__ import annotations

from pathlib import Path

from sentencepiece import SentencePieceProcessor

from pipeline.errors import CheckpointError


def read_sentencepiece_model(path: Path) -> tuple[bytes, SentencePieceProcessor]:
    """The bytes of a model, and the opened model.

    Raises:
        CheckpointError: the file is no SentencePiece model.
    """
    content = path.read_bytes()
    try:
        return content, SentencePieceProcessor.from_proto(content)
    except RuntimeError as error:
        raise CheckpointError(f"The vocabulary {path} is no SentencePiece model; copy the model again.") from error
