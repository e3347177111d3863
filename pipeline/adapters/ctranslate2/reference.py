"""A CTranslate2 model as `pipeline.reference.transformer` computes it: the parity reference."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline.adapters.ctranslate2.architecture import EMBEDDINGS, OUTPUT, Architecture, Side
from pipeline.adapters.ctranslate2.mapping import NEVER, sinusoids
from pipeline.adapters.ctranslate2.weights import Weights
from pipeline.reference.transformer import (
    Attention,
    Distances,
    FeedForward,
    Layer,
    Linear,
    Norm,
    PlainTransformer,
    Stack,
)


def make_reference(weights: Weights, architecture: Architecture, source_embedding: Tensor) -> PlainTransformer:
    """The model by CTranslate2's own names.

    Args:
        source_embedding: the source's table, in the order of the exported model's vocabulary.
    """
    parts = _Parts(weights, architecture)
    output = parts.linear(OUTPUT)
    target = weights.take(f"{EMBEDDINGS['decoder']}/weight")
    if architecture.starts_from_zero:
        bias = torch.zeros(len(output.weight)) if output.bias is None else output.bias
        output = Linear(_pad(output.weight), torch.cat([bias, torch.tensor([NEVER])]))
        target = _pad(target)
    return PlainTransformer(
        parts.stack("encoder", source_embedding),
        parts.stack("decoder", target),
        output,
        architecture.output_scale,
        architecture.layers["decoder"] - 1,
    )


def _pad(table: Tensor) -> Tensor:
    return F.pad(table, (0, 0, 0, 1))


class _Parts:
    """The parts of a model by name."""

    def __init__(self, weights: Weights, architecture: Architecture) -> None:
        self._weights = weights
        self._own = architecture

    def stack(self, side: Side, embedding: Tensor) -> Stack:
        own = self._own
        encodings = f"{side}/position_encodings/encodings"
        positions = None if own.distances else sinusoids(own.size)
        return Stack(
            embedding=embedding,
            scale=own.scale,
            positions=self._weights.take(encodings) if encodings in self._weights else positions,
            layers=tuple(self._layer(side, f"{side}/layer_{index}") for index in range(own.layers[side])),
            norm_first=own.norm_first,
            embedding_norm=self._norm(f"{side}/layernorm_embedding") if own.embedding_norm else None,
            norm=self._norm(f"{side}/layer_norm") if own.final_norm else None,
        )

    def linear(self, name: str) -> Linear:
        bias = f"{name}/bias"
        return Linear(self._weights.take(f"{name}/weight"), self._weights.take(bias) if bias in self._weights else None)

    def _layer(self, side: Side, name: str) -> Layer:
        own = self._own_attention(side, f"{name}/self_attention")
        cross = self._cross_attention(f"{name}/attention") if side == "decoder" else None
        return Layer(own, self._feed_forward(f"{name}/ffn"), cross)

    def _own_attention(self, side: Side, name: str) -> Attention:
        query, keys, values = _split(self.linear(f"{name}/linear_0"), 3)
        output, norm = self.linear(f"{name}/linear_1"), self._norm(f"{name}/layer_norm")
        table, distances = f"{name}/relative_attention_bias", None
        if self._own.distances is not None:
            distances = Distances(self._weights.take(table), self._own.distances.longest, side == "encoder")
        heads = self._own.heads[side]
        return Attention(query, keys, values, output, norm, heads, self._scale(name), distances)

    def _cross_attention(self, name: str) -> Attention:
        keys, values = _split(self.linear(f"{name}/linear_1"), 2)
        output, norm = self.linear(f"{name}/linear_2"), self._norm(f"{name}/layer_norm")
        query, heads = self.linear(f"{name}/linear_0"), self._own.heads["decoder"]
        return Attention(query, keys, values, output, norm, heads, self._scale(name))

    def _feed_forward(self, name: str) -> FeedForward:
        gate = self.linear(f"{name}/linear_0_noact") if self._own.gated else None
        expand, contract = self.linear(f"{name}/linear_0"), self.linear(f"{name}/linear_1")
        return FeedForward(expand, contract, self._norm(f"{name}/layer_norm"), self._activate, gate)

    def _activate(self, x: Tensor) -> Tensor:
        match self._own.activation:
            case "relu":
                return F.relu(x)
            case "silu":
                return F.silu(x)
            case "gelu_tanh":
                return F.gelu(x, approximate="tanh")
            case "gelu_sigmoid":
                return x * torch.sigmoid(1.702 * x)
            case _:
                return F.gelu(x)

    def _scale(self, name: str) -> float:
        return self._weights.number(f"{name}/queries_scale", float(self._own.head_size**-0.5))

    def _norm(self, name: str) -> Norm:
        beta = f"{name}/beta"
        bias = self._weights.take(beta) if beta in self._weights else None
        return Norm(self._weights.take(f"{name}/gamma"), bias, self._own.norm_epsilon)


def _split(joined: Linear, count: int) -> list[Linear]:
    """Projections that are stored as one."""
    biases = [None] * count if joined.bias is None else joined.bias.chunk(count)
    return [Linear(weight, bias) for weight, bias in zip(joined.weight.chunk(count), biases, strict=True)]
