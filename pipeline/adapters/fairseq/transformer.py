"""fairseq's Transformers as `pipeline.models.transformer`, and as the plain one that parity is checked against."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline.adapters.fairseq.checkpoint import PAD, Checkpoint, Options
from pipeline.adapters.named_layers import AttentionNames, LayerNames, PlainLayers, convert_layer
from pipeline.adapters.shared_settings import require_equal
from pipeline.errors import CheckpointError
from pipeline.models.transformer import Transformer
from pipeline.models.transformer_config import Activation, StackConfig, TransformerConfig
from pipeline.reference.transformer import Linear, PlainTransformer, Stack

SOURCE_EMBEDDING, TARGET_EMBEDDING = "encoder.embed_tokens.weight", "decoder.embed_tokens.weight"
_OUTPUTS = ("decoder.output_projection.weight", "decoder.embed_out")
"""Names of an output projection of its own, in newer and older checkpoints."""
_BOOKKEEPING = ("version", "embed_positions._float_tensor")
"""Tensors of a side that are no weights."""
_NORM_EPSILON: Final = 1e-5
_FIRST_POSITION = PAD + 1
_ACTIVATIONS: Mapping[str, Activation] = {
    "relu": "relu",
    "gelu": "gelu",
    "gelu_fast": "gelu_tanh",
    "gelu_accurate": "gelu_tanh",
    "swish": "silu",
    "silu": "silu",
}
_PLAIN: Mapping[Activation, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "gelu": F.gelu,
    "gelu_tanh": partial(F.gelu, approximate="tanh"),
    "silu": F.silu,
}


def _name_attention(attention: str) -> AttentionNames:
    query, keys, values, output = (f"{attention}.{part}" for part in ("q_proj", "k_proj", "v_proj", "out_proj"))
    return AttentionNames(query, keys, values, output, norm=f"{attention}_layer_norm")


_ENCODER_LAYER = LayerNames(_name_attention("self_attn"), "fc1", "fc2", "final_layer_norm")
_DECODER_LAYER = LayerNames(
    _name_attention("self_attn"), "fc1", "fc2", "final_layer_norm", _name_attention("encoder_attn")
)
_LAYERS = {"encoder": _ENCODER_LAYER, "decoder": _DECODER_LAYER}


def build_transformer(checkpoint: Checkpoint) -> Transformer:
    """The model with its weights.

    Raises:
        CheckpointError: weights are missing, or do not fit the options.
    """
    weights, config = checkpoint.weights, _configure(checkpoint)
    output = _take_output(checkpoint)
    converted = {"output.weight": output, "output.bias": torch.zeros(len(output))}
    for side, target, stack in (
        ("encoder", "source_embedding", config.encoder),
        ("decoder", "target_embedding", config.decoder),
    ):
        converted[f"{target}.tokens.weight"] = weights.take(f"{side}.embed_tokens.weight")
        converted[f"{target}.positions.weight"] = _find_positions(side, checkpoint)
        converted |= (
            weights.take_layer(f"{side}.layernorm_embedding", f"{target}.norm") if config.embedding_norm else {}
        )
        converted |= weights.take_layer(f"{side}.layer_norm", f"{side}_norm") if config.final_norm else {}
        for index in range(stack.layers):
            source = f"{side}.layers.{index}"
            converted |= convert_layer(source, f"{side}.{index}", _LAYERS[side], weights, stack.head_size)
        for name in _BOOKKEEPING:
            if f"{side}.{name}" in weights:
                weights.take(f"{side}.{name}")
    weights.finish()
    model = Transformer.bare(config)
    weights.fill(model, converted)
    if config.tied:
        model.output.weight = model.target_embedding.tokens.weight
    return model


def make_reference(checkpoint: Checkpoint) -> PlainTransformer:
    """The model by fairseq's own names."""
    weights, options = checkpoint.weights, checkpoint.options
    parts = PlainLayers(weights, _PLAIN[_ACTIVATIONS[options.activation_fn]], _NORM_EPSILON)

    def stack(side: str, layers: int, heads: int) -> Stack:
        table = weights.take(f"{side}.embed_tokens.weight")
        norms = (f"{side}.layernorm_embedding", f"{side}.layer_norm")
        embedding_norm, last = (parts.norm(name) if f"{name}.weight" in weights else None for name in norms)
        return Stack(
            embedding=table,
            scale=_find_scale(options, table),
            positions=_find_positions(side, checkpoint),
            layers=tuple(parts.layer(f"{side}.layers.{index}", _LAYERS[side], heads) for index in range(layers)),
            norm_first=options.encoder_normalize_before,
            embedding_norm=embedding_norm,
            norm=last,
        )

    return PlainTransformer(
        stack("encoder", options.encoder_layers, options.encoder_attention_heads),
        stack("decoder", options.decoder_layers, options.decoder_attention_heads),
        Linear(_take_output(checkpoint), None),
        context_layer=options.decoder_layers - 1,
    )


def _configure(checkpoint: Checkpoint) -> TransformerConfig:
    weights, options = checkpoint.weights, checkpoint.options
    source, target = weights.take(SOURCE_EMBEDDING), weights.take(TARGET_EMBEDDING)
    before = require_equal(
        checkpoint.path, "normalize_before", options.encoder_normalize_before, options.decoder_normalize_before
    )
    embedding_norm, final_norm = (
        require_equal(checkpoint.path, name, *(f"{side}.{name}.weight" in weights for side in _LAYERS))
        for name in ("layernorm_embedding", "layer_norm")
    )
    return TransformerConfig(
        source_vocabulary=source.shape[0],
        target_vocabulary=target.shape[0],
        size=target.shape[1],
        source_size=source.shape[1],
        encoder=_configure_stack(checkpoint, "encoder", options.encoder_layers, options.encoder_attention_heads),
        decoder=_configure_stack(checkpoint, "decoder", options.decoder_layers, options.decoder_attention_heads),
        activation=_ACTIVATIONS[options.activation_fn],
        norm_first=before,
        norm_epsilon=_NORM_EPSILON,
        embedding_norm=embedding_norm,
        final_norm=final_norm,
        embedding_scale=_find_scale(options, target),
        source_embedding_scale=_find_scale(options, source),
        positions=len(_find_positions("decoder", checkpoint)),
        source_positions=len(_find_positions("encoder", checkpoint)),
        tied=options.tied,
    )


def _configure_stack(checkpoint: Checkpoint, side: str, layers: int, heads: int) -> StackConfig:
    inner, size = checkpoint.weights.take(f"{side}.layers.0.fc1.weight").shape
    if size % heads:
        raise CheckpointError(f"{checkpoint.path} has {side} states of {size} for {heads} heads, which do not fit.")
    return StackConfig(layers, heads, size // heads, inner)


def _find_scale(options: Options, table: Tensor) -> float:
    return 1.0 if options.no_scale_embedding else math.sqrt(table.shape[1])


def _take_output(checkpoint: Checkpoint) -> Tensor:
    """The output projection. Where it is the table of target embeddings, newer checkpoints have it twice."""
    own = [checkpoint.weights.take(name) for name in _OUTPUTS if name in checkpoint.weights]
    return checkpoint.weights.take(TARGET_EMBEDDING) if checkpoint.options.tied or not own else own[0]


def _find_positions(side: str, checkpoint: Checkpoint) -> Tensor:
    """The table of positions [positions, size], which begins after the row of padding."""
    options, weights = checkpoint.options, checkpoint.weights
    encodes = side == "encoder"
    if options.encoder_learned_pos if encodes else options.decoder_learned_pos:
        return weights.take(f"{side}.embed_positions.weight")[_FIRST_POSITION:]
    count = options.max_source_positions if encodes else options.max_target_positions
    return _compute_positions(count, weights.take(f"{side}.embed_tokens.weight").shape[1])


def _compute_positions(count: int, size: int) -> Tensor:
    """Sines and cosines of positions, the sines first (``SinusoidalPositionalEmbedding``)."""
    half = size // 2
    rates = torch.exp(torch.arange(half, dtype=torch.float) * -(math.log(10000) / (half - 1)))
    angles = torch.arange(_FIRST_POSITION, _FIRST_POSITION + count, dtype=torch.float)[:, None] * rates
    return F.pad(torch.cat([torch.sin(angles), torch.cos(angles)], dim=1), (0, size % 2))
