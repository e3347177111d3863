"""JoeyNMT's Transformers as `pipeline.models.transformer`, and as the plain one that parity is checked against."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline.adapters.joeynmt.checkpoint import SOURCE_EMBEDDING, TARGET_EMBEDDING, Checkpoint
from pipeline.adapters.joeynmt.settings import StackSettings, TransformerSettings
from pipeline.adapters.named_layers import AttentionNames, LayerNames, PlainLayers, convert_layer
from pipeline.adapters.named_weights import Weights
from pipeline.adapters.shared_settings import require_equal
from pipeline.errors import CheckpointError
from pipeline.models.transformer import Transformer
from pipeline.models.transformer_config import Activation, StackConfig, TransformerConfig
from pipeline.reference.transformer import Linear, PlainTransformer, Stack

MAX_POSITIONS = 1024
"""Most rows of the tables of positions that are kept; JoeyNMT's have 5,000."""
_NORM_EPSILON = 1e-6
_ACTIVATIONS: Mapping[str, Activation] = {"relu": "relu", "gelu": "gelu", "swish": "silu"}
_PLAIN: Mapping[str, Callable[[Tensor], Tensor]] = {"relu": F.relu, "gelu": F.gelu, "swish": F.silu}
_SIDES = (("encoder", "source_embedding", SOURCE_EMBEDDING), ("decoder", "target_embedding", TARGET_EMBEDDING))


def _name_layer(attention: Mapping[str, str], norms: Mapping[str, str]) -> LayerNames:
    """JoeyNMT's names; ``attention`` and ``norms`` are those of both kinds of attention."""
    blocks = {}
    for kind, name in attention.items():
        query, keys, values, output = (f"{name}.{part}_layer" for part in ("q", "k", "v", "output"))
        blocks[kind] = AttentionNames(query, keys, values, output, norm=norms[kind])
    feed_forward = "feed_forward.pwff_layer"
    return LayerNames(
        blocks["own"], f"{feed_forward}.0", f"{feed_forward}.3", "feed_forward.layer_norm", blocks.get("cross")
    )


_ENCODER_LAYER = _name_layer({"own": "src_src_att"}, {"own": "layer_norm"})
_DECODER_LAYER = _name_layer(
    {"own": "trg_trg_att", "cross": "src_trg_att"}, {"own": "x_layer_norm", "cross": "dec_layer_norm"}
)


def build_transformer(checkpoint: Checkpoint, own: TransformerSettings, embedding: Tensor) -> Transformer:
    """The model with its weights.

    Args:
        embedding: the source's, in the order of the exported model's vocabulary.

    Raises:
        CheckpointError: weights are missing, or do not fit the settings.
    """
    weights, config = checkpoint.weights, _configure(checkpoint, own, embedding)
    converted = {"source_embedding.tokens.weight": embedding}
    converted |= {"target_embedding.tokens.weight": weights.take(TARGET_EMBEDDING)}
    for side, target, _ in _SIDES:
        converted[f"{target}.positions.weight"] = _take_positions(side, weights)
        converted |= weights.take_layer(f"{side}.layer_norm", f"{side}_norm") if config.final_norm else {}
    for side, names, stack in (
        ("encoder", _ENCODER_LAYER, config.encoder),
        ("decoder", _DECODER_LAYER, config.decoder),
    ):
        for index in range(stack.layers):
            source, target = f"{side}.layers.{index}", f"{side}.{index}"
            converted |= convert_layer(source, target, names, weights, stack.head_size)
    output = weights.take("decoder.output_layer.weight")
    converted |= {"output.weight": output, "output.bias": torch.zeros(len(output))}
    weights.finish()
    model = Transformer.bare(config)
    weights.fill(model, converted)
    if config.tied:
        model.output.weight = model.target_embedding.tokens.weight
    return model


def make_reference(checkpoint: Checkpoint, own: TransformerSettings, embedding: Tensor) -> PlainTransformer:
    """The model by JoeyNMT's own names; ``embedding`` as of `build_transformer`."""
    weights = checkpoint.weights
    parts = PlainLayers(weights, _PLAIN[own.encoder.activation], _NORM_EPSILON)

    def stack(side: str, table: Tensor, names: LayerNames, settings: StackSettings) -> Stack:
        layers = (f"{side}.layers.{index}" for index in range(settings.num_layers))
        return Stack(
            embedding=table,
            scale=math.sqrt(table.shape[1]) if _is_scaled(checkpoint, own) else 1.0,
            positions=_take_positions(side, weights),
            layers=tuple(parts.layer(layer, names, settings.num_heads) for layer in layers),
            norm_first=_is_norm_first(checkpoint, own),
            norm=parts.norm(f"{side}.layer_norm") if f"{side}.layer_norm.weight" in weights else None,
        )

    return PlainTransformer(
        stack("encoder", embedding, _ENCODER_LAYER, own.encoder),
        stack("decoder", weights.take(TARGET_EMBEDDING), _DECODER_LAYER, own.decoder),
        Linear(weights.take("decoder.output_layer.weight"), None),
        context_layer=own.decoder.num_layers - 1,
    )


def _configure(checkpoint: Checkpoint, own: TransformerSettings, embedding: Tensor) -> TransformerConfig:
    weights, size = checkpoint.weights, embedding.shape[1]
    for name, heads in (("encoder", own.encoder.num_heads), ("decoder", own.decoder.num_heads)):
        if size % heads:
            raise CheckpointError(f"{checkpoint.path} has {name} states of {size} for {heads} heads, which do not fit.")

    def stack(layers: int, heads: int, name: str) -> StackConfig:
        inner = weights.take(f"{name}.layers.0.feed_forward.pwff_layer.0.weight").shape[0]
        return StackConfig(layers, heads, size // heads, inner)

    return TransformerConfig(
        source_vocabulary=embedding.shape[0],
        target_vocabulary=weights.take(TARGET_EMBEDDING).shape[0],
        size=size,
        encoder=stack(own.encoder.num_layers, own.encoder.num_heads, "encoder"),
        decoder=stack(own.decoder.num_layers, own.decoder.num_heads, "decoder"),
        activation=_ACTIVATIONS[
            require_equal(checkpoint.path, "activation", own.encoder.activation, own.decoder.activation)
        ],
        norm_first=_is_norm_first(checkpoint, own),
        norm_epsilon=_NORM_EPSILON,
        final_norm=_has_final_norm(checkpoint),
        embedding_scale=math.sqrt(size) if _is_scaled(checkpoint, own) else 1.0,
        positions=len(_take_positions("encoder", weights)),
        tied=own.tied_softmax,
    )


def _is_norm_first(checkpoint: Checkpoint, own: TransformerSettings) -> bool:
    """Whether norms stand before sublayers; JoeyNMT's own default is before in an encoder and after in a decoder."""
    before = own.encoder.layer_norm or "pre", own.decoder.layer_norm or "post"
    return require_equal(checkpoint.path, "layer_norm", *before) == "pre"


def _has_final_norm(checkpoint: Checkpoint) -> bool:
    there = (f"{side}.layer_norm.weight" in checkpoint.weights for side in ("encoder", "decoder"))
    return require_equal(checkpoint.path, "a norm after the last layer", *there)


def _is_scaled(checkpoint: Checkpoint, own: TransformerSettings) -> bool:
    # A tied table is the encoder's.
    decoder = own.encoder if own.tied_embeddings else own.decoder
    return require_equal(checkpoint.path, "embeddings.scale", own.encoder.embeddings.scale, decoder.embeddings.scale)


def _take_positions(side: str, weights: Weights) -> Tensor:
    """The table of positions [positions, size], which JoeyNMT stores as [1, positions, size]."""
    return weights.take(f"{side}.pe.pe")[0, :MAX_POSITIONS]
