"""Settings that an exported model has one of, and a checkpoint one for each side."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pipeline.errors import CheckpointError

_Setting = TypeVar("_Setting")


def require_equal(path: Path, name: str, ours: _Setting, theirs: _Setting) -> _Setting:
    """The setting that the encoder (``ours``) and the decoder (``theirs``) of a checkpoint have in common.

    Raises:
        CheckpointError: they differ in it.
    """
    if ours != theirs:
        raise CheckpointError(
            f"{path} has {name} {ours!r} in its encoder and {theirs!r} in its decoder, which must be equal to be "
            "exported."
        )
    return ours
