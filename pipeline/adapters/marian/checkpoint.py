"""The files of a native Marian model: weights, what decoding is set to, and vocabularies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.adapters.marian.files import SUFFIXES, list_model_files
from pipeline.adapters.marian.options import MarianOptions, parse_options
from pipeline.adapters.marian.weights import MarianWeights, read_weights, read_yaml
from pipeline.errors import CheckpointError

_VOCABULARY_SUFFIX = ".spm"
_SOURCE_PREFIXES = ("source", "src")


@dataclass(frozen=True, slots=True)
class MarianCheckpoint:
    """A model that was read.

    Attributes:
        settings: what decoding is set to (``decoder.yml``); empty where there is no such file.
        source_vocabulary, target_vocabulary: SentencePiece models, one file where the sides share it.
        shortlists: files that restrict the output to likely words.
    """

    weights: MarianWeights
    options: MarianOptions
    settings: Mapping[str, Any]
    source_vocabulary: Path
    target_vocabulary: Path
    shortlists: tuple[Path, ...]


def read_checkpoint(path: Path) -> MarianCheckpoint:
    """Read a model file, or the one in a folder, with what lies beside it.

    Raises:
        CheckpointError: a file is missing or damaged, or the model cannot be exported.
    """
    model_file = path if path.is_file() else _find_model_file(path)
    weights = read_weights(model_file)
    options = parse_options(weights)
    settings = _read_settings(model_file)
    source, target = _find_vocabularies(model_file.parent, settings)
    shortlists = tuple(sorted(model_file.parent.glob("lex*.bin")))
    return MarianCheckpoint(weights, options, settings, source, target, shortlists)


def _find_model_file(folder: Path) -> Path:
    found = list_model_files(folder)
    if not found:
        raise CheckpointError(f"The folder {folder} has no Marian model ({' or '.join(SUFFIXES)}).")
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise CheckpointError(f"The folder {folder} has several Marian models ({names}): name the file to export.")
    return found[0]


def _read_settings(model_file: Path) -> Mapping[str, Any]:
    """The settings that name the model among their ``models``; Marian writes them as ``<model>.decoder.yml``."""
    for path in sorted(model_file.parent.glob("*.yml"), key=lambda path: path.name != f"{model_file.name}.decoder.yml"):
        settings = read_yaml(path.read_bytes(), str(path))
        models = settings.get("models")
        if not isinstance(models, list) or model_file.name not in (Path(str(model)).name for model in models):
            continue
        if len(models) > 1:
            raise CheckpointError(f"{path} describes an ensemble of {len(models)} models, which cannot be exported.")
        return settings
    return {}


def _find_vocabularies(folder: Path, settings: Mapping[str, Any]) -> tuple[Path, Path]:
    """Those that the settings name, in the model's own folder; else what lies there."""
    named = settings.get("vocabs")
    if isinstance(named, list) and named:
        files = [folder / Path(str(name)).name for name in named]
    else:
        # The source's first.
        files = sorted(
            folder.glob(f"*{_VOCABULARY_SUFFIX}"), key=lambda path: not path.name.startswith(_SOURCE_PREFIXES)
        )
    if not files or len(files) > 2:
        raise CheckpointError(
            f"The folder {folder} has {len(files)} SentencePiece vocabularies ({_VOCABULARY_SUFFIX}) where one or two "
            "are needed; name those of source and target as vocabs in a decoder.yml."
        )
    for file in files:
        if file.suffix != _VOCABULARY_SUFFIX:
            raise CheckpointError(
                f"The vocabulary {file} is no SentencePiece model (.spm), the only kind that is read."
            )
        if not file.is_file():
            raise CheckpointError(f"There is no vocabulary {file}, which the model's settings name.")
    return files[0], files[-1]
