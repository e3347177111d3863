"""Recognizing checkpoint files without torch."""

from __future__ import annotations

import zipfile
from pathlib import Path

_SUFFIX = ".pt"
_KEYS = (b"generator", b"vocab", b"opt")
_LONGEST_HEAD = 1 << 24


def find_model_file(checkpoint: Path) -> Path | None:
    """The checkpoint file: the path itself, or the only one of its folder."""
    if checkpoint.is_file():
        return checkpoint if checkpoint.suffix == _SUFFIX else None
    files = sorted(checkpoint.glob(f"*{_SUFFIX}")) if checkpoint.is_dir() else []
    return files[0] if len(files) == 1 else None


def looks_like_checkpoint(file: Path) -> bool:
    """Whether a file contains the names that every OpenNMT-py checkpoint has. The file is not unpickled."""
    try:
        head = _read_names(file)
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError, RuntimeError):
        return False
    # Weights, the generator's included, may be in a file of their own.
    return all(key in head for key in _KEYS[1:]) and (_KEYS[0] in head or b"enc_layers" in head)


def _read_names(file: Path) -> bytes:
    """Bytes with the names: the pickle of a zip file without its tensors, or the beginning of an older file."""
    if not zipfile.is_zipfile(file):
        with file.open("rb") as stream:
            return stream.read(_LONGEST_HEAD)
    with zipfile.ZipFile(file) as archive:
        name = next((name for name in archive.namelist() if name.endswith("/data.pkl")), None)
        if name is None:
            return b""
        with archive.open(name) as stream:
            return stream.read(_LONGEST_HEAD)
