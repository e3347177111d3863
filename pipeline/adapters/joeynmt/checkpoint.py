"""Reading a JoeyNMT model folder: weights from a pickle, of which tensors alone are read, settings, vocabularies."""

from __future__ import annotations

import pickle
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from exported_models.contract.request import MAX_BEAM_SIZE
from pipeline.adapters.joeynmt.files import CONFIG_FILE, find_model_file
from pipeline.adapters.opennmt.weights import Weights
from pipeline.errors import CheckpointError


class _Part(BaseModel):
    """Base of the parts of ``config.yaml``; settings that are not named do not change the model."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Embeddings(_Part):
    """Embeddings of a side."""

    scale: bool = False


class Stack(_Part):
    """An encoder or a decoder; where ``layer_norm`` is left out, JoeyNMT has one for each."""

    type: Literal["transformer"]
    num_layers: Annotated[int, Field(ge=1, le=1000)]
    num_heads: Annotated[int, Field(ge=1)]
    embeddings: Embeddings
    alpha: Annotated[float, Field(ge=1, le=1)] = 1
    activation: Literal["relu", "gelu", "swish"] = "relu"
    layer_norm: Literal["pre", "post"] | None = None


class Model(_Part):
    """The model."""

    encoder: Stack
    decoder: Stack
    tied_embeddings: bool = False
    tied_softmax: bool = False


class TokenizerFiles(_Part):
    """Settings of a tokenizer."""

    model_file: str | None = None
    pretokenizer: str = "none"


class Side(_Part):
    """The texts of a side."""

    level: Literal["word", "char", "bpe"] = "word"
    lowercase: bool = False
    normalize: bool = False
    tokenizer_type: str = "sentencepiece"
    tokenizer_cfg: TokenizerFiles = TokenizerFiles()


class Symbols(_Part):
    """Special tokens and their ids, with JoeyNMT's own where they are left out."""

    unk_token: str = "<unk>"
    pad_token: str = "<pad>"
    bos_token: str = "<s>"
    eos_token: str = "</s>"
    sep_token: str | None = None
    lang_tags: tuple[str, ...] = ()

    @property
    def first(self) -> tuple[str, ...]:
        """The tokens that every vocabulary begins with."""
        named = (self.unk_token, self.pad_token, self.bos_token, self.eos_token, self.sep_token, *self.lang_tags)
        return tuple(token for token in named if token)


class Data(_Part):
    """The corpus."""

    src: Side = Side()
    trg: Side = Side()
    special_symbols: Symbols = Symbols()


class Testing(_Part):
    """Settings of searches."""

    beam_size: Annotated[int, Field(ge=1, le=MAX_BEAM_SIZE)] = 1
    beam_alpha: Annotated[float, Field(ge=-1, le=10)] = -1
    max_output_length: int = -1
    generate_unk: bool = True
    no_repeat_ngram_size: int = -1
    repetition_penalty: float = -1


class Config(_Part):
    """``config.yaml``."""

    model: Model
    data: Data = Data()
    testing: Testing = Testing()


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
        return Config.model_validate(value)
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
        return f"{path} describes a model with {place}={kind!r}; Transformers (type: transformer) can be exported."
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
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(_explain_refusal(path, str(error))) from error
    except Exception as error:  # torch passes on the errors of its readers, of many types
        raise CheckpointError(f"{path} is damaged or cut short; copy the checkpoint again.") from error
    state: Any = content.get("model_state") if isinstance(content, dict) else None
    if not isinstance(state, dict) or not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise CheckpointError(f"{path} holds no weights of a JoeyNMT model (model_state).")
    return {str(name): tensor for name, tensor in state.items()}


def _explain_refusal(path: Path, message: str) -> str:
    found = re.search(r"GLOBAL ([\w.]+)", message)
    if found is None:
        return f"{path} is not a checkpoint that can be read without running what is in it."
    return (
        f"{path} pickles {found[1]}, and reading that would run code of the file's choice; only tensors and plain "
        "values are read: save its model_state alone with torch.save."
    )
