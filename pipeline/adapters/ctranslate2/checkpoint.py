"""The files of a CTranslate2 model folder: weights, settings, vocabularies, and tokenizers where it has them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from exported_models.contract.json_text import parse_json
from pipeline.adapters.ctranslate2.binary import read_variables
from pipeline.adapters.ctranslate2.files import find_model_file
from pipeline.adapters.ctranslate2.weights import Weights
from pipeline.errors import CheckpointError

_CONFIG_FILE = "config.json"
_LARGEST_TEXT = 256 << 20
"""Bytes of the largest vocabulary that is read."""


class Settings(BaseModel):
    """``config.json``; settings that are not named do not change the model."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    unk_token: str = "<unk>"
    bos_token: str | None = "<s>"
    eos_token: str = "</s>"
    decoder_start_token: str | None = "<s>"
    add_source_bos: bool = False
    add_source_eos: bool = False
    layer_norm_epsilon: float | None = Field(default=None, gt=0, le=1)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A folder that was read.

    Attributes:
        source_tokens, target_tokens: the vocabularies, a token's id being its place; one object if the sides share it.
    """

    folder: Path
    weights: Weights
    settings: Settings
    source_tokens: tuple[str, ...]
    target_tokens: tuple[str, ...]

    @property
    def shares_vocabulary(self) -> bool:
        return self.source_tokens is self.target_tokens


def read_checkpoint(checkpoint: Path) -> Checkpoint:
    """Read a folder, or that of a ``model.bin``.

    Raises:
        CheckpointError: a file is missing or damaged, or the model is of another kind or version.
    """
    path = find_model_file(checkpoint)
    folder = path.parent
    weights = Weights(read_variables(path), path)
    shared = _read_vocabulary(folder, "shared")
    source, target = shared or _read_vocabulary(folder, "source"), shared or _read_vocabulary(folder, "target")
    if source is None or target is None:
        raise CheckpointError(
            f"The folder {folder} has no shared_vocabulary.json, and not both of source_vocabulary.json and "
            "target_vocabulary.json; copy the model again."
        )
    return Checkpoint(folder, weights, _read_settings(folder / _CONFIG_FILE), source, target)


def _read_settings(path: Path) -> Settings:
    try:
        return Settings.model_validate(parse_json(_read_text(path)))
    except FileNotFoundError:
        raise CheckpointError(f"The folder {path.parent} has no {path.name}; copy the model again.") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "its whole"
        raise CheckpointError(f"{path} is not that of a CTranslate2 model at {place}: {first['msg']}.") from None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} is not JSON ({error}); copy the model again.") from None


def _read_vocabulary(folder: Path, side: str) -> tuple[str, ...] | None:
    """The tokens of a side, from a list in JSON or, as older converters write it, from lines; None without a file."""
    for path in (folder / f"{side}_vocabulary{suffix}" for suffix in (".json", ".txt")):
        if path.is_file():
            return _check_tokens(_parse_vocabulary(path), path)
    return None


def _parse_vocabulary(path: Path) -> object:
    try:
        text = _read_text(path)
        return parse_json(text) if path.suffix == ".json" else text.removesuffix("\n").split("\n")
    except (OSError, ValueError) as error:
        raise CheckpointError(f"The vocabulary {path} cannot be read ({error}); copy the model again.") from None


def _check_tokens(tokens: object, path: Path) -> tuple[str, ...]:
    if not isinstance(tokens, list) or not tokens or not all(isinstance(token, str) for token in tokens):
        raise CheckpointError(f"The vocabulary {path} is not a list of tokens; copy the model again.")
    if len(set(tokens)) != len(tokens):
        raise CheckpointError(f"The vocabulary {path} has a token twice; copy the model again.")
    return tuple(tokens)


def _read_text(path: Path) -> str:
    if path.stat().st_size > _LARGEST_TEXT:
        raise ValueError("it is larger than any vocabulary")
    return path.read_text(encoding="utf-8")
