"""The files of a fairseq model folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

_SUFFIX = ".pt"
_PREFERRED = ("checkpoint_best.pt", "model.pt", "checkpoint_last.pt")
"""Names that training and published models give to checkpoints, in the order in which they are taken."""


def find_model_file(checkpoint: Path) -> Path | None:
    """The checkpoint file: the path itself, or the best, the last or the only one of its folder."""
    if checkpoint.is_file():
        return checkpoint if checkpoint.suffix == _SUFFIX else None
    files = sorted(checkpoint.glob(f"*{_SUFFIX}")) if checkpoint.is_dir() else []
    named = [file for name in _PREFERRED for file in files if file.name == name]
    return next(iter(named), files[0] if len(files) == 1 else None)


def find_dictionaries(folder: Path) -> Mapping[str, Path]:
    """Language -> its dictionary, ``dict.<language>.txt``."""
    return {path.name.split(".")[1]: path for path in sorted(folder.glob("dict.*.txt")) if path.name.count(".") == 2}
