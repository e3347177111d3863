"""Recurrent models of the recipes under ``examples``: bidirectional LSTM encoder, LSTM decoder, Luong attention.

Luong, Pham, Manning: Effective Approaches to Attention-based Neural Machine Translation (2015). The score is
"general" (section 3.1), the attentional vector is fed to the next step (section 3.3), and decoding starts from a
learned projection of the encoder's last states.

A checkpoint is a folder of ``config.json``, ``model.safetensors``, ``source_vocabulary.json`` and
``target_vocabulary.json`` (lists of tokens; a token's id is its place).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from exported_models.contract.json_text import parse_json
from exported_models.contract.publishing import explain_disk_errors, write_bytes_atomically
from pipeline.errors import CheckpointError
from pipeline.models.recurrent import RecurrentConfig, RecurrentModel

PAD, START, END, UNKNOWN = SPECIAL_TOKENS = ("<pad>", "<s>", "</s>", "<unk>")
"""The first tokens of both vocabularies. A source ends with ``</s>``, so that its end has a state."""

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
SOURCE_VOCABULARY_FILE = "source_vocabulary.json"
TARGET_VOCABULARY_FILE = "target_vocabulary.json"
ARCHITECTURE = "luong"

_MODULES_IN_FILE = {
    "encoder.0.ahead": "forward_encoder",
    "encoder.0.back": "backward_encoder",
    "start.hidden_bridge": "hidden_bridge",
    "start.cell_bridge": "cell_bridge",
    "decoder.0": "decoder",
}
"""Names of modules in a weights file, for those that have another name in the model."""


@dataclass(frozen=True, slots=True)
class LuongConfig:
    """Sizes of a model; ``encoder_units`` is per direction. Ids are those of both vocabularies."""

    source_vocabulary: int
    target_vocabulary: int
    embedding: int = 32
    encoder_units: int = 96
    decoder_units: int = 160
    dropout: float = 0.0
    pad_id: int = 0
    start_id: int = 1
    end_id: int = 2
    unknown_id: int = 3


class LuongModel(RecurrentModel):
    """One bidirectional LSTM layer, one LSTM layer with general attention and input feeding."""

    def __init__(self, sizes: LuongConfig) -> None:
        super().__init__(
            RecurrentConfig(
                source_vocabulary=sizes.source_vocabulary,
                target_vocabulary=sizes.target_vocabulary,
                source_embedding=sizes.embedding,
                target_embedding=sizes.embedding,
                encoder_units=sizes.encoder_units,
                decoder_units=sizes.decoder_units,
                cell="lstm",
                bidirectional=True,
                start="projected",
                attention="general",
                input_feeding=True,
                dropout=sizes.dropout,
                pad_id=sizes.pad_id,
            )
        )
        self.sizes = sizes


@dataclass(frozen=True, slots=True)
class LuongCheckpoint:
    """A trained model, in evaluation mode, with its vocabularies (a token's id is its place)."""

    model: LuongModel
    source_vocabulary: tuple[str, ...]
    target_vocabulary: tuple[str, ...]


def save_checkpoint(
    folder: Path, model: LuongModel, source_vocabulary: Sequence[str], target_vocabulary: Sequence[str]
) -> None:
    """Write a checkpoint folder; equal weights give equal bytes.

    Raises:
        CheckpointError: a vocabulary does not fit the model, or a weight is not finite.
        PublishingError: the disk is full or not writable.
    """
    _check_vocabulary(SOURCE_VOCABULARY_FILE, source_vocabulary, model.sizes.source_vocabulary, folder)
    _check_vocabulary(TARGET_VOCABULARY_FILE, target_vocabulary, model.sizes.target_vocabulary, folder)
    weights = {_name_in_file(name): tensor.detach().cpu() for name, tensor in model.state_dict().items()}
    _check_finite(weights, folder)
    with explain_disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    config = {"architecture": ARCHITECTURE, **asdict(model.sizes)}
    write_bytes_atomically(folder / CONFIG_FILE, _json_bytes(config, indent=2))
    write_bytes_atomically(folder / SOURCE_VOCABULARY_FILE, _json_bytes(list(source_vocabulary)))
    write_bytes_atomically(folder / TARGET_VOCABULARY_FILE, _json_bytes(list(target_vocabulary)))
    write_bytes_atomically(folder / WEIGHTS_FILE, save(weights))


def load_checkpoint(folder: Path) -> LuongCheckpoint:
    """Read and check a checkpoint folder.

    Raises:
        CheckpointError: a file is missing or damaged, the files do not fit each other, or a weight is not finite.
    """
    config = _read_config(folder)
    source = _read_vocabulary(folder, SOURCE_VOCABULARY_FILE, config.source_vocabulary)
    target = _read_vocabulary(folder, TARGET_VOCABULARY_FILE, config.target_vocabulary)
    weights = _read_weights(folder)
    model = LuongModel(config)
    expected = model.state_dict()
    _check_shapes(weights, {_name_in_file(name): tensor for name, tensor in expected.items()}, folder)
    _check_finite(weights, folder)
    model.load_state_dict({name: weights[_name_in_file(name)] for name in expected})
    return LuongCheckpoint(model.eval(), source, target)


def _name_in_file(name: str) -> str:
    module, _, parameter = name.rpartition(".")
    return f"{_MODULES_IN_FILE.get(module, module)}.{parameter}"


def _json_bytes(value: object, indent: int | None = None) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=indent) + "\n").encode("utf-8")


def _read_bytes(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except FileNotFoundError:
        raise CheckpointError(f"The checkpoint {folder} has no {name}: is it the folder of a trained model?") from None
    except OSError as error:
        raise CheckpointError(f"{folder / name} could not be read: {error.strerror}.") from error


def _read_json(folder: Path, name: str) -> object:
    try:
        return parse_json(_read_bytes(folder, name).decode("utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{folder / name} is not JSON ({error}); copy the checkpoint again.") from None


def _read_config(folder: Path) -> LuongConfig:
    value = _read_json(folder, CONFIG_FILE)
    place = folder / CONFIG_FILE
    if not isinstance(value, dict) or value.get("architecture") != ARCHITECTURE:
        raise CheckpointError(f'{place} does not say "architecture": "{ARCHITECTURE}": this reader reads no other.')
    types = {field.name: (int, float) if field.type == "float" else (int,) for field in fields(LuongConfig)}
    given = {name: content for name, content in value.items() if name != "architecture"}
    shared = types.keys() & given.keys()
    wrong = (types.keys() ^ given.keys()) | {name for name in shared if type(given[name]) not in types[name]}
    if wrong:
        raise CheckpointError(f"{place} has missing, unknown or ill-typed entries: {', '.join(sorted(wrong))}.")
    config = LuongConfig(**given)
    if problem := _find_impossible_entry(config):
        raise CheckpointError(f"{place}: {problem}.")
    return config


def _find_impossible_entry(config: LuongConfig) -> str:
    """Describe an impossible entry, or return "": a size of zero or a stray id would fail later and unclearly."""
    for name in ("source_vocabulary", "target_vocabulary", "embedding", "encoder_units", "decoder_units"):
        if getattr(config, name) < 1:
            return f"{name} must be at least 1, not {getattr(config, name)}"
    for index, name in enumerate(("pad_id", "start_id", "end_id", "unknown_id")):
        if getattr(config, name) != index:
            return f"{name} must be {index}, its place in both vocabularies, not {getattr(config, name)}"
    return "" if 0 <= config.dropout < 1 else f"dropout must be at least 0 and below 1, not {config.dropout}"


def _read_vocabulary(folder: Path, name: str, size: int) -> tuple[str, ...]:
    value = _read_json(folder, name)
    if not isinstance(value, list) or not all(isinstance(token, str) for token in value):
        raise CheckpointError(f"{folder / name} is not a list of tokens; copy the checkpoint again.")
    _check_vocabulary(name, value, size, folder)
    return tuple(value)


def _read_weights(folder: Path) -> dict[str, Tensor]:
    try:
        return load(_read_bytes(folder, WEIGHTS_FILE))
    except SafetensorError as error:
        raise CheckpointError(
            f"{folder / WEIGHTS_FILE} is damaged or cut short ({error}); copy the checkpoint again."
        ) from None


def _check_vocabulary(name: str, tokens: Sequence[str], size: int, folder: Path) -> None:
    if len(tokens) != size:
        raise CheckpointError(f"{folder / name} has {len(tokens)} tokens, but the model was made for {size}.")
    if tuple(tokens[: len(SPECIAL_TOKENS)]) != SPECIAL_TOKENS:
        raise CheckpointError(f"{folder / name} does not begin with the special tokens {' '.join(SPECIAL_TOKENS)}.")
    if len(set(tokens)) != len(tokens):
        raise CheckpointError(f"{folder / name} has a token twice; every token needs an id of its own.")


def _check_shapes(weights: Mapping[str, Tensor], expected: Mapping[str, Tensor], folder: Path) -> None:
    place = folder / WEIGHTS_FILE
    if strays := sorted(weights.keys() ^ expected.keys()):
        raise CheckpointError(f"{place} does not fit {CONFIG_FILE}: missing or unknown weights {', '.join(strays)}.")
    for name, tensor in expected.items():
        if weights[name].shape != tensor.shape:
            raise CheckpointError(
                f"{place} does not fit {CONFIG_FILE}: {name} is {list(weights[name].shape)}, "
                f"expected {list(tensor.shape)}."
            )


def _check_finite(weights: Mapping[str, Tensor], folder: Path) -> None:
    for name, tensor in weights.items():
        if not bool(torch.isfinite(tensor).all()):
            raise CheckpointError(
                f"{folder / WEIGHTS_FILE} has weights that are not finite, in {name}: train it again."
            )
