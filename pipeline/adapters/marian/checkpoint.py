"""The files of a native Marian model: weights, decoding settings and vocabularies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.adapters.marian.files import SUFFIXES, list_model_files
from pipeline.adapters.marian.options import MarianOptions, parse_options
from pipeline.adapters.marian.vocabulary import WORD_SUFFIXES
from pipeline.adapters.marian.weights import MarianWeights, read_weights, read_yaml
from pipeline.errors import CheckpointError

SENTENCEPIECE_SUFFIX = ".spm"
_FACTORED_SUFFIX = ".fsv"
_SUBWORD_MODELS = ("source.spm", "target.spm")
"""SentencePiece models that cut texts into subwords before Marian reads them, as in the models of OPUS-MT."""
_SOURCE_PREFIXES = ("source", "src")


@dataclass(frozen=True, slots=True)
class MarianCheckpoint:
    """A model that was read.

    Attributes:
        settings: decoding settings (``decoder.yml``); empty without such a file.
        source_vocabulary, target_vocabulary: SentencePiece models or lists of words; the same file if the sides share
            it.
        subword_models: SentencePiece models of source and target that cut texts into the pieces of such lists; None if
            texts are cut before they are given.
        shortlists: files that restrict the output to likely words.
    """

    weights: MarianWeights
    options: MarianOptions
    settings: Mapping[str, Any]
    source_vocabulary: Path
    target_vocabulary: Path
    subword_models: tuple[Path, Path] | None
    shortlists: tuple[Path, ...]


def read_checkpoint(path: Path) -> MarianCheckpoint:
    """Read a model file, or the one in a folder, with its settings and vocabularies.

    Raises:
        CheckpointError: a file is missing or damaged, or the model cannot be exported.
    """
    model_file = path if path.is_file() else _find_model_file(path)
    weights = read_weights(model_file)
    options = parse_options(weights)
    settings = _read_settings(model_file)
    source, target = _find_vocabularies(model_file.parent, settings)
    subword_models = _find_subword_models(model_file.parent, (source, target))
    shortlists = tuple(sorted(model_file.parent.glob("lex*.bin")))
    return MarianCheckpoint(weights, options, settings, source, target, subword_models, shortlists)


def _find_model_file(folder: Path) -> Path:
    found = list_model_files(folder)
    if not found:
        raise CheckpointError(f"The folder {folder} has no Marian model ({' or '.join(SUFFIXES)}).")
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise CheckpointError(f"The folder {folder} has several Marian models ({names}): name the file to export.")
    return found[0]


def _read_settings(model_file: Path) -> Mapping[str, Any]:
    """Read the settings whose ``models`` name the model; Marian writes them to ``<model>.decoder.yml``."""
    written = f"{model_file.name}.decoder.yml"
    found = [path for path in sorted(model_file.parent.glob("*.yml")) if not _is_word_vocabulary(path)]
    for path in sorted(found, key=lambda path: (path.name != written, "decoder" not in path.name)):
        settings = read_yaml(path.read_bytes(), str(path))
        models = settings.get("models")
        if not isinstance(models, list) or model_file.name not in (Path(str(model)).name for model in models):
            continue
        if len(models) > 1:
            raise CheckpointError(f"{path} describes an ensemble of {len(models)} models, which cannot be exported.")
        return settings
    return {}


def _find_vocabularies(folder: Path, settings: Mapping[str, Any]) -> tuple[Path, Path]:
    """The vocabularies that the settings name, in the model's own folder; without settings those found there."""
    named = settings.get("vocabs")
    is_named = isinstance(named, list) and bool(named)
    files = [folder / Path(str(name)).name for name in named or ()] if is_named else _list_vocabularies(folder)
    if not files or len(files) > 2:
        raise CheckpointError(
            f"The folder {folder} has {len(files)} vocabularies where one or two are needed; name those of source and "
            "target as vocabs in a decoder.yml."
        )
    for file in files:
        if file.suffix == _FACTORED_SUFFIX:
            raise CheckpointError(
                f"The vocabulary {file} has factors; SentencePiece models (.spm) and lists of words are read."
            )
        if not file.is_file():
            raise CheckpointError(f"There is no vocabulary {file}, which the model's settings name.")
    return files[0], files[-1]


def _list_vocabularies(folder: Path) -> list[Path]:
    """The vocabularies in a folder, the source's first and models that may only cut texts into subwords last."""
    models = sorted(folder.glob(f"*{SENTENCEPIECE_SUFFIX}"))
    words = [path for path in sorted(folder.iterdir()) if _is_word_vocabulary(path)]
    found = [path for path in models if path.name not in _SUBWORD_MODELS] or words or models
    of_source = [path for path in found if path.name.startswith(_SOURCE_PREFIXES)]
    if len(found) == 2 and len(of_source) != 1:
        raise CheckpointError(
            f"The folder {folder} has the vocabularies {found[0].name} and {found[1].name}; name that of the source, "
            "and then that of the target, as vocabs in a decoder.yml."
        )
    return sorted(found, key=lambda path: path not in of_source)


def _is_word_vocabulary(path: Path) -> bool:
    return path.suffix in WORD_SUFFIXES and "vocab" in path.name


def _find_subword_models(folder: Path, vocabularies: tuple[Path, Path]) -> tuple[Path, Path] | None:
    source, target = (folder / name for name in _SUBWORD_MODELS)
    reads_words = all(path.suffix != SENTENCEPIECE_SUFFIX for path in vocabularies)
    return (source, target) if reads_words and source.is_file() and target.is_file() else None
