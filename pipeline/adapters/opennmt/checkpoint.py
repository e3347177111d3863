"""Reading a checkpoint of OpenNMT-py: a pickle, from which only tensors and plain values are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from exported_models.contract.json_text import parse_json
from pipeline.adapters.named_weights import Weights
from pipeline.adapters.opennmt.files import find_model_file
from pipeline.adapters.opennmt.options import RecurrentOptions, TransformerOptions, read_options
from pipeline.adapters.pickles import load_pickle
from pipeline.errors import CheckpointError

UNKNOWN, PAD, START, END = "<unk>", "<blank>", "<s>", "</s>"
_GENERATOR = "generator."


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint that was read.

    Attributes:
        options: the training options.
        source_tokens, target_tokens: the vocabularies; a token's id is its index.
        start_token: the token before the first of every target.
        version: version of OpenNMT-py, 2 or 3.
    """

    path: Path
    options: RecurrentOptions | TransformerOptions
    weights: Weights
    source_tokens: tuple[str, ...]
    target_tokens: tuple[str, ...]
    start_token: str
    version: int


def read_checkpoint(checkpoint: Path) -> Checkpoint:
    """Read a ``.pt`` file, or the only one of a folder.

    Raises:
        CheckpointError: the file is damaged, would run code, or is of a model that cannot be exported.
    """
    path = find_model_file(checkpoint)
    if path is None:
        raise CheckpointError(f"{checkpoint} is neither a .pt file nor a folder with a single one; name the file.")
    content = _load(path)
    options = read_options(content.get("opt"), path)
    vocabulary = content.get("vocab") or _read_vocabulary_beside(path)
    if not isinstance(vocabulary, dict):
        raise CheckpointError(f"{path} holds no vocabulary of two lists of tokens, src and tgt.")
    if vocabulary.get("src_feats"):
        raise CheckpointError(f"{path} is a model with source features (src_feats), which cannot be exported.")
    return Checkpoint(
        path=path,
        options=options,
        weights=Weights(_collect_tensors(content, path), path),
        source_tokens=_read_tokens(vocabulary, "src", path),
        target_tokens=_read_tokens(vocabulary, "tgt", path),
        start_token=str(vocabulary.get("decoder_start_token") or START),
        version=2 if hasattr(content["opt"], "enc_rnn_size") else 3,
    )


def _load(path: Path) -> dict[str, Any]:
    content = load_pickle(path, _advise)
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} holds no checkpoint of OpenNMT-py.")
    return content


def _advise(name: str) -> str:
    if name.startswith(("torchtext.", "onmt.")):
        return "convert it with OpenNMT-py's own tools/convertv2_v3.py, which keeps the vocabulary as lists"
    return "only tensors, plain values and options are read"


def _read_vocabulary_beside(path: Path) -> object:
    """Read the vocabulary from a JSON file beside a checkpoint that contains none."""
    beside = path.with_suffix(".vocab.json")
    try:
        return parse_json(beside.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(
            f"{path} holds no vocabulary, and there is no {beside.name} beside it with lists of tokens, src and tgt."
        ) from None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{beside} cannot be read as JSON ({error}).") from error


def _read_tokens(vocabulary: Mapping[str, Any], side: str, path: Path) -> tuple[str, ...]:
    tokens = vocabulary.get(side)
    if not isinstance(tokens, list) or not tokens or not all(isinstance(token, str) for token in tokens):
        raise CheckpointError(f"The vocabulary of {path} has no list of tokens {side!r}.")
    if len(set(tokens)) != len(tokens):
        raise CheckpointError(f"The vocabulary of {path} has a token twice in {side!r}.")
    return tuple(tokens)


def _collect_tensors(content: Mapping[str, Any], path: Path) -> dict[str, Tensor]:
    """All weights by the names of version 3, the generator's included."""
    if "model" in content:
        generator = {name.removeprefix("0."): value for name, value in _as_state(content.get("generator")).items()}
        found = {**_as_state(content["model"]), **{_GENERATOR + name: value for name, value in generator.items()}}
    else:
        found = _read_safetensors(path.with_suffix(".safetensors"), path)
    if not found or not all(isinstance(value, Tensor) for value in found.values()):
        raise CheckpointError(f"{path} holds no weights of a model.")
    return found


def _as_state(value: object) -> dict[str, Any]:
    return {str(name): tensor for name, tensor in value.items()} if isinstance(value, dict) else {}


def _read_safetensors(beside: Path, path: Path) -> dict[str, Any]:
    try:
        return dict(load_file(beside))
    except FileNotFoundError:
        raise CheckpointError(f"{path} holds no weights, and there is no {beside.name} beside it.") from None
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{beside} is damaged or cut short ({error}); copy the checkpoint again.") from None
