"""Recognizing the folder of a CTranslate2 model by the first bytes of its ``model.bin``."""

from __future__ import annotations

import re
import struct
from pathlib import Path

MODEL_FILE = "model.bin"
_HEAD = struct.Struct("<IH")
"""Version of the binary format, and bytes of the name of the specification."""
_NEWEST_VERSION = 99
_NAME = re.compile(rb"[A-Z][A-Za-z0-9]*\0")


def find_model_file(checkpoint: Path) -> Path:
    """The file of weights of a checkpoint given as a folder or as that file."""
    return checkpoint / MODEL_FILE if checkpoint.is_dir() else checkpoint


def is_model_file(path: Path) -> bool:
    """Whether a file begins as CTranslate2's, intact or damaged: a version, and the name of a specification."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD.size)
            if path.name != MODEL_FILE or len(head) < _HEAD.size:
                return False
            version, length = _HEAD.unpack(head)
            return 0 < version <= _NEWEST_VERSION and _NAME.fullmatch(file.read(length)) is not None
    except OSError:
        return False
