"""The training options that determine the model, each with the values that can be exported."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from pipeline.errors import CheckpointError

_Layers = Annotated[int, Field(ge=1, le=1000)]
_Nothing = Annotated[tuple[()], BeforeValidator(lambda value: value or ())]


class Options(BaseModel):
    """Options of recurrent models and Transformers alike. Options that are not named do not change the model."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    model_type: Literal["text"] = "text"
    model_task: Literal["seq2seq"] = "seq2seq"
    enc_layers: _Layers
    dec_layers: _Layers
    copy_attn: Literal[False] = False
    coverage_attn: Literal[False] = False
    generator_function: Literal["softmax"] = "softmax"
    n_src_feats: Literal[0] = 0
    lora_layers: _Nothing = ()
    lora_embedding: Literal[False] = False
    quant_layers: _Nothing = ()
    transforms: tuple[str, ...] = ()
    src_subword_model: str | None = None
    tgt_subword_model: str | None = None


class RecurrentOptions(Options):
    """An LSTM or GRU encoder-decoder."""

    encoder_type: Literal["rnn", "brnn"]
    decoder_type: Literal["rnn"]
    rnn_type: Literal["LSTM", "GRU"] = "LSTM"
    input_feed: bool = True
    bridge: bool = False
    global_attention: Literal["none", "dot", "general", "mlp"] = "general"
    global_attention_function: Literal["softmax"] = "softmax"
    context_gate: None = None
    position_encoding: Literal[False] = False


class TransformerOptions(Options):
    """A Transformer."""

    encoder_type: Literal["transformer"]
    decoder_type: Literal["transformer"]
    heads: Annotated[int, Field(ge=1)]
    self_attn_type: Literal["scaled-dot", "scaled-dot-flash"] = "scaled-dot"
    max_relative_positions: Literal[0] = 0
    relative_positions_buckets: Literal[0] = 0
    multiquery: Literal[False] = False
    num_kv: Literal[0] = 0
    parallel_residual: Literal[False] = False
    num_experts: Literal[0] = 0
    sliding_window: Literal[0] = 0
    layer_norm: Literal["standard", "rms"] = "standard"
    norm_eps: Annotated[float, Field(gt=0)] = 1e-6
    pos_ffn_activation_fn: Literal["relu", "gelu", "silu", "gated-gelu"] = "relu"
    position_encoding: bool = False


_Kind = TypeVar("_Kind", RecurrentOptions, TransformerOptions)

_MEANINGS: Mapping[tuple[str, object], str] = {
    ("max_relative_positions", -1): " (rotary positions)",
    ("max_relative_positions", -2): " (ALiBi positions)",
}


def read_options(value: object, path: Path) -> RecurrentOptions | TransformerOptions:
    """The options of the checkpoint at ``path``.

    Raises:
        CheckpointError: there are no options, or one has a value that cannot be exported.
    """
    if not isinstance(value, argparse.Namespace):
        raise CheckpointError(f"{path} holds no options of a training; is it a checkpoint of OpenNMT-py?")
    given = dict(vars(value))
    if given.get("decoder_type") == "transformer":
        return _validate(TransformerOptions, given, path)
    return _validate(RecurrentOptions, given, path)


def _validate(kind: type[_Kind], given: dict[str, Any], path: Path) -> _Kind:
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        if first["type"] == "missing":
            raise CheckpointError(f"{path} does not say its option {name}; is it a checkpoint of OpenNMT-py?") from None
        meaning = _MEANINGS.get((name, given[name]) if isinstance(given[name], int) else (name, None), "")
        raise CheckpointError(
            f"{path} is a model with {name}={given[name]!r}{meaning}, which cannot be exported: "
            f"{first['msg'][0].lower()}{first['msg'][1:]}."
        ) from None
