"""OpenNMT-py's Transformers as `pipeline.models.transformer`: norms first, a norm after each stack, sinusoids."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from pipeline.adapters.named_weights import Weights
from pipeline.adapters.opennmt.names import TARGET_EMBEDDING
from pipeline.adapters.opennmt.options import TransformerOptions
from pipeline.models.transformer import Transformer
from pipeline.models.transformer_config import Activation, StackConfig, TransformerConfig

MAX_POSITIONS = 1024
"""Most rows of a table of positions that are kept; OpenNMT-py's table has 5000."""

_ACTIVATIONS: Mapping[str, tuple[Activation, bool]] = {
    "relu": ("relu", False),
    "gelu": ("gelu", False),
    "silu": ("silu", True),
    "gated-gelu": ("gelu", True),
}
"""Activation and whether it is gated, by OpenNMT-py's name."""


def build_transformer(options: TransformerOptions, weights: Weights, embedding: Tensor) -> Transformer:
    """The model with its weights.

    Args:
        embedding: the source's, in the order of the exported model's vocabulary.

    Raises:
        CheckpointError: weights are missing, or do not fit the options.
    """
    config = _configure(options, weights, embedding)
    converted = {"source_embedding.tokens.weight": embedding}
    converted |= {"target_embedding.tokens.weight": weights.take(TARGET_EMBEDDING)}
    converted |= _convert_positions(config, weights)
    scale = config.encoder.head_size**-0.5
    for index in range(config.encoder.layers):
        converted |= _convert_encoder_layer(f"encoder.transformer.{index}", f"encoder.{index}", weights, scale)
    for index in range(config.decoder.layers):
        source = f"decoder.transformer_layers.{index}"
        converted |= _convert_decoder_layer(source, f"decoder.{index}", weights, scale)
    for side in ("encoder", "decoder"):
        converted |= weights.take_layer(f"{side}.layer_norm", f"{side}_norm")
    converted |= weights.take_layer("generator", "output")
    weights.finish()
    model = Transformer.bare(config)
    weights.fill(model, converted)
    return model


def _configure(options: TransformerOptions, weights: Weights, embedding: Tensor) -> TransformerConfig:
    activation, gated = _ACTIVATIONS[options.pos_ffn_activation_fn]
    size = embedding.shape[1]

    def stack(layers: int, name: str) -> StackConfig:
        inner = weights.take(f"{name}.0.feed_forward.w_1.weight").shape[0]
        return StackConfig(layers, options.heads, size // options.heads, inner)

    return TransformerConfig(
        source_vocabulary=embedding.shape[0],
        target_vocabulary=weights.take(TARGET_EMBEDDING).shape[0],
        size=size,
        encoder=stack(options.enc_layers, "encoder.transformer"),
        decoder=stack(options.dec_layers, "decoder.transformer_layers"),
        activation=activation,
        norm_first=True,
        norm_epsilon=options.norm_eps,
        rms_norm=options.layer_norm == "rms",
        final_norm=True,
        gated=gated,
        embedding_scale=math.sqrt(size) if options.position_encoding else 1.0,
        positions=len(_take_positions("encoder", weights)) if options.position_encoding else 0,
    )


def _take_positions(side: str, weights: Weights) -> Tensor:
    """The table of positions [positions, size], which OpenNMT-py stores as [positions, 1, size]."""
    return weights.take(f"{side}.embeddings.make_embedding.pe.pe")[:MAX_POSITIONS, 0]


def _convert_positions(config: TransformerConfig, weights: Weights) -> dict[str, Tensor]:
    sides = {"source": "encoder", "target": "decoder"} if config.positions else {}
    return {f"{own}_embedding.positions.weight": _take_positions(side, weights) for own, side in sides.items()}


def _convert_encoder_layer(source: str, target: str, weights: Weights, scale: float) -> dict[str, Tensor]:
    return {
        **_convert_self_attention(source, target, weights, scale),
        **weights.take_layer(f"{source}.layer_norm", f"{target}.attention_norm"),
        **_convert_feed_forward(source, target, weights),
    }


def _convert_decoder_layer(source: str, target: str, weights: Weights, scale: float) -> dict[str, Tensor]:
    cross, own = f"{source}.context_attn", f"{target}.cross_attention"
    return {
        **_convert_self_attention(source, target, weights, scale),
        **weights.take_layer(f"{source}.layer_norm_1", f"{target}.attention_norm"),
        **_take_projection(f"{cross}.linear_query", f"{own}.query", weights, scale),
        **_take_projection(f"{cross}.linear_keys", f"{own}.keys", weights),
        **_take_projection(f"{cross}.linear_values", f"{own}.values", weights),
        **_take_projection(f"{cross}.final_linear", f"{own}.output", weights),
        **weights.take_layer(f"{source}.layer_norm_2", f"{target}.cross_attention_norm"),
        **_convert_feed_forward(source, target, weights),
    }


def _convert_self_attention(source: str, target: str, weights: Weights, scale: float) -> dict[str, Tensor]:
    parts = [
        _take_projection(f"{source}.self_attn.linear_{name}", name, weights, factor)
        for name, factor in (("query", scale), ("keys", 1.0), ("values", 1.0))
    ]
    joined = {
        f"{target}.attention.project.{kind}": torch.cat(
            [tensor for part in parts for name, tensor in part.items() if name.endswith(kind)]
        )
        for kind in ("weight", "bias")
    }
    return joined | _take_projection(f"{source}.self_attn.final_linear", f"{target}.attention.output", weights)


def _convert_feed_forward(source: str, target: str, weights: Weights) -> dict[str, Tensor]:
    source, own = f"{source}.feed_forward", f"{target}.feed_forward"
    converted = {
        **_take_projection(f"{source}.w_1", f"{own}.expand", weights),
        **_take_projection(f"{source}.w_2", f"{own}.contract", weights),
        **weights.take_layer(f"{source}.layer_norm", f"{own}_norm"),
    }
    gate = f"{source}.w_3"
    return converted | (_take_projection(gate, f"{own}.gate", weights) if f"{gate}.weight" in weights else {})


def _take_projection(source: str, target: str, weights: Weights, scale: float = 1.0) -> dict[str, Tensor]:
    """A scaled projection; its bias is zeros if the options leave biases out."""
    weight = weights.take(f"{source}.weight")
    bias = weights.take(f"{source}.bias") if f"{source}.bias" in weights else weight.new_zeros(len(weight))
    return {f"{target}.weight": weight * scale, f"{target}.bias": bias * scale}
