"""Reading a fairseq model: weights and options from a pickle that runs nothing, and dictionaries."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from pipeline.adapters.fairseq.files import find_dictionaries, find_model_file
from pipeline.adapters.named_weights import Weights
from pipeline.adapters.pickles import load_pickle
from pipeline.errors import CheckpointError

SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
"""The tokens that every dictionary begins with, unwritten; their places are their ids."""
START, PAD, END, UNKNOWN = range(4)
_PROOF = "encoder.layers.0.self_attn.q_proj.weight"
"""A weight that Transformers have, and no other architecture."""

_Count = Annotated[int, Field(ge=1)]


class Options(BaseModel):
    """Options of training that change a Transformer, with fairseq's defaults; the others do not."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    encoder_attention_heads: _Count
    decoder_attention_heads: _Count
    encoder_layers: _Count
    decoder_layers: _Count
    encoder_normalize_before: bool = False
    decoder_normalize_before: bool = False
    encoder_learned_pos: bool = False
    decoder_learned_pos: bool = False
    no_scale_embedding: bool = False
    no_token_positional_embeddings: Literal[False] = False
    share_decoder_input_output_embed: bool = False
    share_all_embeddings: bool = False
    cross_self_attention: Literal[False] = False
    no_cross_attention: Literal[False] = False
    activation_fn: Literal["relu", "gelu", "gelu_fast", "gelu_accurate", "swish", "silu"] = "relu"
    max_source_positions: _Count = 1024
    max_target_positions: _Count = 1024
    source_lang: str | None = None
    target_lang: str | None = None

    @property
    def tied(self) -> bool:
        """Whether the output projection is the table of target embeddings."""
        return self.share_decoder_input_output_embed or self.share_all_embeddings


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model that was read; a token's id is its place in ``source_tokens`` and ``target_tokens``."""

    path: Path
    options: Options
    weights: Weights
    source_tokens: tuple[str, ...]
    target_tokens: tuple[str, ...]


def read_checkpoint(checkpoint: Path) -> Checkpoint:
    """Read a ``.pt`` file, or that of a folder, with the dictionaries beside it.

    Raises:
        CheckpointError: a file is missing or damaged, would run code, or is of a model that cannot be exported.
    """
    path = find_model_file(checkpoint)
    if path is None:
        raise CheckpointError(
            f"{checkpoint} is no folder with a checkpoint_best.pt, a model.pt or a single .pt; name the file."
        )
    content = load_pickle(path, lambda _: "only tensors, plain values and options are read")
    weights = _find_weights(content, path)
    given = _find_options(content)
    if _PROOF not in weights:
        kind = given.get("arch") or given.get("_name") or "another architecture"
        raise CheckpointError(f"{path} is a fairseq model of {kind}; its Transformers can be exported.")
    options = _read_options(given, path)
    source, target = (_find_dictionary(path, language) for language in _find_languages(options, path))
    return Checkpoint(path, options, Weights(weights, path), source, target)


def _find_weights(content: object, path: Path) -> dict[str, Tensor]:
    state: Any = content.get("model") if isinstance(content, dict) else None
    if not isinstance(state, dict) or not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise CheckpointError(f"{path} holds no weights of a fairseq model (model).")
    return {str(name): tensor for name, tensor in state.items()}


def _find_options(content: Mapping[str, Any]) -> dict[str, Any]:
    """The options of the model and of its task: those of older checkpoints are ``args``, of newer ones ``cfg``."""
    parts = list(_list_options(content.get("args")))
    cfg = content.get("cfg")
    if isinstance(cfg, dict):
        parts += [part for name in ("task", "model") for part in _list_options(cfg.get(name))]
    # Options that were not set are None.
    return {name: value for part in parts for name, value in part.items() if value is not None}


def _list_options(part: object) -> Iterator[dict[str, Any]]:
    if isinstance(part, argparse.Namespace):
        yield vars(part)
    elif isinstance(part, dict):
        yield part


def _read_options(given: Mapping[str, Any], path: Path) -> Options:
    try:
        return Options.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        if first["type"] == "missing":
            raise CheckpointError(f"{path} does not say {name}; is it that of a fairseq Transformer?") from None
        reason = f"{first['msg'][:1].lower()}{first['msg'][1:]}"
        raise CheckpointError(f"{path} has {name}={first['input']!r}, which cannot be exported: {reason}.") from None


def _find_languages(options: Options, path: Path) -> tuple[str, str]:
    if options.source_lang is None or options.target_lang is None:
        raise CheckpointError(f"{path} does not say source_lang and target_lang, which name its dictionaries.")
    return options.source_lang, options.target_lang


def _find_dictionary(path: Path, language: str) -> tuple[str, ...]:
    """The tokens of a language: special ones first, then one of each line, before its count."""
    found = find_dictionaries(path.parent).get(language)
    if found is None:
        raise CheckpointError(f"{path.parent} has no dict.{language}.txt; copy the model's folder whole.")
    try:
        lines = found.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except (OSError, ValueError) as error:
        raise CheckpointError(f"The dictionary {found} cannot be read ({error}); copy the model again.") from None
    for number, line in enumerate(lines, start=1):
        if " " not in line:
            raise CheckpointError(f"{found}, line {number}: {line!r} has no count behind its token.")
    tokens = (line.removesuffix(" #fairseq:overwrite").rsplit(" ", 1)[0] for line in lines)
    return tuple(dict.fromkeys((*SPECIAL, *tokens)))
