"""The files of a JoeyNMT model folder."""

from __future__ import annotations

from pathlib import Path

CONFIG_FILE = "config.yaml"
_SUFFIX = ".ckpt"
_PREFERRED = ("best.ckpt", "latest.ckpt")
"""Names that training gives to checkpoints, in the order in which they are taken."""


def find_model_file(checkpoint: Path) -> Path | None:
    """The checkpoint file: the path itself, or the best, the latest or the only one of its folder."""
    if checkpoint.is_file():
        return checkpoint if checkpoint.suffix == _SUFFIX else None
    files = sorted(checkpoint.glob(f"*{_SUFFIX}")) if checkpoint.is_dir() else []
    named = [file for name in _PREFERRED for file in files if file.name == name and file.is_file()]
    return next(iter(named), files[0] if len(files) == 1 else None)
