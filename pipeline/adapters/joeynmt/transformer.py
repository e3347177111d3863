"""JoeyNMT's Transformers as `pipeline.models.transformer`, and as the plain one that parity is checked against."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline.adapters.joeynmt.checkpoint import SOURCE_EMBEDDING, TARGET_EMBEDDING, Checkpoint, require_equal
from pipeline.adapters.joeynmt.settings import TransformerSettings
from pipeline.adapters.opennmt.weights import Weights
from pipeline.errors import CheckpointError
from pipeline.models.transformer import Transformer
from pipeline.models.transformer_config import Activation, StackConfig, TransformerConfig
from pipeline.reference.transformer import (
    Attention,
    FeedForward,
    Layer,
    Linear,
    Norm,
    PlainTransformer,
    Stack,
)

MAX_POSITIONS = 1024
"""Most rows of the tables of positions that are kept; JoeyNMT's have 5,000."""
_NORM_EPSILON = 1e-6
_ACTIVATIONS: Mapping[str, Activation] = {"relu": "relu", "gelu": "gelu", "swish": "silu"}
_PLAIN: Mapping[str, Callable[[Tensor], Tensor]] = {"relu": F.relu, "gelu": F.gelu, "swish": F.silu}
_SIDES = (("encoder", "source_embedding", SOURCE_EMBEDDING), ("decoder", "target_embedding", TARGET_EMBEDDING))


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
    for index in range(own.encoder.num_layers):
        converted |= _convert_layer(f"encoder.layers.{index}", f"encoder.{index}", weights, config.encoder.head_size)
    for index in range(own.decoder.num_layers):
        source, target = f"decoder.layers.{index}", f"decoder.{index}"
        converted |= _convert_layer(source, target, weights, config.decoder.head_size)
        converted |= _convert_cross_attention(source, target, weights, config.decoder.head_size)
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
    parts = _Parts(checkpoint, own)
    output = Linear(checkpoint.weights.take("decoder.output_layer.weight"), None)
    encoder, decoder = own.encoder, own.decoder
    return PlainTransformer(
        parts.stack("encoder", embedding, [parts.encoder_layer(index) for index in range(encoder.num_layers)]),
        parts.stack(
            "decoder",
            checkpoint.weights.take(TARGET_EMBEDDING),
            [parts.decoder_layer(index) for index in range(decoder.num_layers)],
        ),
        output,
        context_layer=decoder.num_layers - 1,
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
            require_equal(checkpoint, "activation", own.encoder.activation, own.decoder.activation)
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
    return require_equal(checkpoint, "layer_norm", *before) == "pre"


def _has_final_norm(checkpoint: Checkpoint) -> bool:
    there = (f"{side}.layer_norm.weight" in checkpoint.weights for side in ("encoder", "decoder"))
    return bool(require_equal(checkpoint, "a norm after the last layer", *there))


def _is_scaled(checkpoint: Checkpoint, own: TransformerSettings) -> bool:
    # A tied table is the encoder's.
    decoder = own.encoder if own.tied_embeddings else own.decoder
    return bool(require_equal(checkpoint, "embeddings.scale", own.encoder.embeddings.scale, decoder.embeddings.scale))


def _take_positions(side: str, weights: Weights) -> Tensor:
    """The table of positions [positions, size], which JoeyNMT stores as [1, positions, size]."""
    return weights.take(f"{side}.pe.pe")[0, :MAX_POSITIONS]


def _convert_layer(source: str, target: str, weights: Weights, head_size: int) -> dict[str, Tensor]:
    encodes = source.startswith("encoder")
    attention = f"{source}.{'src_src_att' if encodes else 'trg_trg_att'}"
    parts = [
        _scale(weights.take_layer(f"{attention}.{name}_layer", "part"), factor)
        for name, factor in (("q", head_size**-0.5), ("k", 1.0), ("v", 1.0))
    ]
    joined = {
        f"{target}.attention.project.{kind}": torch.cat([part[f"part.{kind}"] for part in parts])
        for kind in ("weight", "bias")
    }
    return {
        **joined,
        **weights.take_layer(f"{attention}.output_layer", f"{target}.attention.output"),
        **weights.take_layer(f"{source}.{'layer_norm' if encodes else 'x_layer_norm'}", f"{target}.attention_norm"),
        **weights.take_layer(f"{source}.feed_forward.pwff_layer.0", f"{target}.feed_forward.expand"),
        **weights.take_layer(f"{source}.feed_forward.pwff_layer.3", f"{target}.feed_forward.contract"),
        **weights.take_layer(f"{source}.feed_forward.layer_norm", f"{target}.feed_forward_norm"),
    }


def _convert_cross_attention(source: str, target: str, weights: Weights, head_size: int) -> dict[str, Tensor]:
    attention, own = f"{source}.src_trg_att", f"{target}.cross_attention"
    return {
        **_scale(weights.take_layer(f"{attention}.q_layer", f"{own}.query"), head_size**-0.5),
        **weights.take_layer(f"{attention}.k_layer", f"{own}.keys"),
        **weights.take_layer(f"{attention}.v_layer", f"{own}.values"),
        **weights.take_layer(f"{attention}.output_layer", f"{own}.output"),
        **weights.take_layer(f"{source}.dec_layer_norm", f"{own}_norm"),
    }


def _scale(layer: Mapping[str, Tensor], factor: float) -> dict[str, Tensor]:
    return {name: tensor * factor for name, tensor in layer.items()}


class _Parts:
    """The parts of the plain model."""

    def __init__(self, checkpoint: Checkpoint, own: TransformerSettings) -> None:
        self._weights = checkpoint.weights
        self._config = own
        self._norm_first = _is_norm_first(checkpoint, own)
        self._scaled = _is_scaled(checkpoint, own)

    def stack(self, side: str, embedding: Tensor, layers: list[Layer]) -> Stack:
        there = f"{side}.layer_norm.weight" in self._weights
        return Stack(
            embedding=embedding,
            scale=math.sqrt(embedding.shape[1]) if self._scaled else 1.0,
            positions=_take_positions(side, self._weights),
            layers=tuple(layers),
            norm_first=self._norm_first,
            norm=self._norm(f"{side}.layer_norm") if there else None,
        )

    def encoder_layer(self, index: int) -> Layer:
        name, heads = f"encoder.layers.{index}", self._config.encoder.num_heads
        own = self._attention(f"{name}.src_src_att", f"{name}.layer_norm", heads)
        return Layer(own, self._feed_forward(f"{name}.feed_forward"))

    def decoder_layer(self, index: int) -> Layer:
        name, heads = f"decoder.layers.{index}", self._config.decoder.num_heads
        own = self._attention(f"{name}.trg_trg_att", f"{name}.x_layer_norm", heads)
        cross = self._attention(f"{name}.src_trg_att", f"{name}.dec_layer_norm", heads)
        return Layer(own, self._feed_forward(f"{name}.feed_forward"), cross)

    def _attention(self, name: str, norm: str, heads: int) -> Attention:
        query, keys, values, output = (self._linear(f"{name}.{part}_layer") for part in ("q", "k", "v", "output"))
        return Attention(query, keys, values, output, self._norm(norm), heads, (len(query.weight) // heads) ** -0.5)

    def _feed_forward(self, name: str) -> FeedForward:
        expand, contract = (self._linear(f"{name}.pwff_layer.{place}") for place in (0, 3))
        return FeedForward(expand, contract, self._norm(f"{name}.layer_norm"), _PLAIN[self._config.encoder.activation])

    def _linear(self, name: str) -> Linear:
        return Linear(self._weights.take(f"{name}.weight"), self._weights.take(f"{name}.bias"))

    def _norm(self, name: str) -> Norm:
        return Norm(self._weights.take(f"{name}.weight"), self._weights.take(f"{name}.bias"), _NORM_EPSILON)
