"""Reading a JoeyNMT model folder: weights from a pickle, of which tensors alone are read, settings, vocabularies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from torch import Tensor

from pipeline.adapters.joeynmt.files import CONFIG_FILE, find_model_file
from pipeline.adapters.joeynmt.settings import Config, Symbols, read_config
from pipeline.adapters.named_weights import Weights
from pipeline.adapters.pickles import load_pickle
from pipeline.errors import CheckpointError

SOURCE_EMBEDDING, TARGET_EMBEDDING = "src_embed.lut.weight", "trg_embed.lut.weight"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model that was read; a token's id is its place in ``source_tokens`` and ``target_tokens``."""

    path: Path
    config: Config
    weights: Weights
    source_tokens: tuple[str, ...]
    target_tokens: tuple[str, ...]


def read_checkpoint(checkpoint: Path) -> Checkpoint:
    """Read a ``.ckpt`` file, or the best or latest of a folder, with the settings and vocabularies beside it.

    Raises:
        CheckpointError: a file is missing or damaged, would run code, or is of a model that cannot be exported.
    """
    path = find_model_file(checkpoint)
    if path is None:
        raise CheckpointError(
            f"{checkpoint} is no folder with a best.ckpt, a latest.ckpt or a single one; name the file."
        )
    config = _read_config(path.parent / CONFIG_FILE)
    symbols = config.data.special_symbols
    source, target = (_read_vocabulary(path.parent / f"{side}_vocab.txt", symbols) for side in ("src", "trg"))
    return Checkpoint(path, config, Weights(_load(path), path), source, target)


def _read_config(path: Path) -> Config:
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
        return read_config(value)
    except FileNotFoundError:
        raise CheckpointError(f"{path.parent} has no {path.name}; copy the model's folder whole.") from None
    except ValidationError as error:
        raise CheckpointError(_explain(path, error)) from None
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise CheckpointError(f"{path} cannot be read as YAML; copy the model again.") from error


def _explain(path: Path, error: ValidationError) -> str:
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"])) or "its whole"
    if place.endswith("coder.type"):
        kind = first["input"]
        return (
            f"{path} describes a model with {place}={kind!r}; models can be exported whose encoder and decoder both "
            "are Transformers (type: transformer) or recurrent (type: recurrent)."
        )
    if first["type"] == "missing":
        return f"{path} does not say {place}; is it that of a JoeyNMT 2 model?"
    reason = f"{first['msg'][:1].lower()}{first['msg'][1:]}"
    return f"{path} has {place}={first['input']!r}, which cannot be exported: {reason}."


def _read_vocabulary(path: Path, symbols: Symbols) -> tuple[str, ...]:
    """The tokens of a side: special ones first, then those of the lines that are not among them."""
    try:
        lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except FileNotFoundError:
        raise CheckpointError(f"{path.parent} has no {path.name}; copy the model's folder whole.") from None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"The vocabulary {path} cannot be read ({error}); copy the model again.") from None
    return tuple(dict.fromkeys((*symbols.first, *lines)))


def _load(path: Path) -> dict[str, Tensor]:
    advice = "only tensors and plain values are read: save its model_state alone with torch.save"
    content = load_pickle(path, lambda _: advice)
    state: Any = content.get("model_state") if isinstance(content, dict) else None
    if not isinstance(state, dict) or not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise CheckpointError(f"{path} holds no weights of a JoeyNMT model (model_state).")
    return {str(name): tensor for name, tensor in state.items()}
