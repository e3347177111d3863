"""Which files belong to a Marian model, told from their first bytes and names."""

from __future__ import annotations

import zipfile
from pathlib import Path

OPTIONS_ITEM = "special:model.yml"
"""The item of a model file that holds the options it was trained with."""
BINARY_VERSION = (1).to_bytes(8, "little")
"""How a file in Marian's binary format begins."""
SUFFIXES = (".npz", ".bin")


def is_model_file(path: Path) -> bool:
    """Whether a file is a Marian model, whole or damaged; other programs' ``.npz`` and ``.bin`` files are not."""
    try:
        if path.suffix == ".npz":
            return _holds_options(path)
        with path.open("rb") as file:
            return path.suffix == ".bin" and file.read(len(BINARY_VERSION)) == BINARY_VERSION
    except OSError:
        return False


def list_model_files(folder: Path) -> list[Path]:
    """The Marian models in a folder, by name; none where there is no folder."""
    try:
        return [path for path in sorted(folder.iterdir()) if path.is_file() and is_model_file(path)]
    except OSError:
        return []


def _holds_options(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return f"{OPTIONS_ITEM}.npy" in archive.namelist()
    except zipfile.BadZipFile:
        # An archive ends with its table of contents, which a truncated one lost: the names of the items remain.
        return OPTIONS_ITEM.encode() in path.read_bytes()
