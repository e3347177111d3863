"""Recognizing the files of a Marian model by their first bytes and names."""

from __future__ import annotations

import zipfile
from pathlib import Path

OPTIONS_ITEM = "special:model.yml"
"""Name of the item of a model file that has the training options."""
BINARY_VERSION = (1).to_bytes(8, "little")
"""First bytes of a file in Marian's binary format."""
SUFFIXES = (".npz", ".bin")


def is_model_file(path: Path) -> bool:
    """Whether a file is a Marian model, intact or damaged, and not another program's ``.npz`` or ``.bin``."""
    try:
        if path.suffix == ".npz":
            return _holds_options(path)
        with path.open("rb") as file:
            return path.suffix == ".bin" and file.read(len(BINARY_VERSION)) == BINARY_VERSION
    except OSError:
        return False


def list_model_files(folder: Path) -> list[Path]:
    """The Marian models in a folder, by name; none if there is no folder."""
    try:
        return [path for path in sorted(folder.iterdir()) if path.is_file() and is_model_file(path)]
    except OSError:
        return []


def _holds_options(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return f"{OPTIONS_ITEM}.npy" in archive.namelist()
    except zipfile.BadZipFile:
        # A truncated archive has lost the table of contents at its end, so item names are searched for in its bytes.
        return OPTIONS_ITEM.encode() in path.read_bytes()
