"""Layers of Transformers by the names that checkpoints give their weights, for adapters that read weights themselves.

Each becomes a layer of `pipeline.models.transformer`, and one of the plain Transformer that is the parity reference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.adapters.named_weights import Weights
from pipeline.reference.transformer import Attention, FeedForward, Layer, Linear, Norm


@dataclass(frozen=True, slots=True)
class AttentionNames:
    """Names of an attention's projections and of its norm, below that of the layer."""

    query: str
    keys: str
    values: str
    output: str
    norm: str


@dataclass(frozen=True, slots=True)
class LayerNames:
    """Names of the parts of a layer, below that of the layer; ``cross`` in a decoder."""

    own: AttentionNames
    expand: str
    contract: str
    norm: str
    cross: AttentionNames | None = None


def convert_layer(source: str, target: str, names: LayerNames, weights: Weights, head_size: int) -> dict[str, Tensor]:
    """The layer ``source`` as ``target`` of the exported module; the scale of scores is in the query's weights."""
    own, scale = names.own, head_size**-0.5
    parts = [
        _scale(weights.take_layer(f"{source}.{name}", "part"), factor)
        for name, factor in ((own.query, scale), (own.keys, 1.0), (own.values, 1.0))
    ]
    project = {kind: torch.cat([part[f"part.{kind}"] for part in parts]) for kind in ("weight", "bias")}
    converted = {
        **{f"{target}.attention.project.{kind}": tensor for kind, tensor in project.items()},
        **weights.take_layer(f"{source}.{own.output}", f"{target}.attention.output"),
        **weights.take_layer(f"{source}.{own.norm}", f"{target}.attention_norm"),
        **weights.take_layer(f"{source}.{names.expand}", f"{target}.feed_forward.expand"),
        **weights.take_layer(f"{source}.{names.contract}", f"{target}.feed_forward.contract"),
        **weights.take_layer(f"{source}.{names.norm}", f"{target}.feed_forward_norm"),
    }
    return converted if names.cross is None else converted | _convert_cross(source, target, names.cross, weights, scale)


def _convert_cross(
    source: str, target: str, names: AttentionNames, weights: Weights, scale: float
) -> dict[str, Tensor]:
    own = f"{target}.cross_attention"
    return {
        **_scale(weights.take_layer(f"{source}.{names.query}", f"{own}.query"), scale),
        **weights.take_layer(f"{source}.{names.keys}", f"{own}.keys"),
        **weights.take_layer(f"{source}.{names.values}", f"{own}.values"),
        **weights.take_layer(f"{source}.{names.output}", f"{own}.output"),
        **weights.take_layer(f"{source}.{names.norm}", f"{own}_norm"),
    }


def _scale(layer: Mapping[str, Tensor], factor: float) -> dict[str, Tensor]:
    return {name: tensor * factor for name, tensor in layer.items()}


@dataclass(frozen=True, slots=True)
class PlainLayers:
    """Makes plain layers of weights.

    Attributes:
        epsilon: of all norms.
    """

    weights: Weights
    activation: Callable[[Tensor], Tensor]
    epsilon: float

    def layer(self, name: str, names: LayerNames, heads: int) -> Layer:
        """The layer of that name."""
        expand, contract = (self.linear(f"{name}.{part}") for part in (names.expand, names.contract))
        return Layer(
            self._attention(name, names.own, heads),
            FeedForward(expand, contract, self.norm(f"{name}.{names.norm}"), self.activation),
            None if names.cross is None else self._attention(name, names.cross, heads),
        )

    def linear(self, name: str) -> Linear:
        return Linear(self.weights.take(f"{name}.weight"), self.weights.take(f"{name}.bias"))

    def norm(self, name: str) -> Norm:
        return Norm(self.weights.take(f"{name}.weight"), self.weights.take(f"{name}.bias"), self.epsilon)

    def _attention(self, name: str, names: AttentionNames, heads: int) -> Attention:
        query, keys, values, output = (
            self.linear(f"{name}.{part}") for part in (names.query, names.keys, names.values, names.output)
        )
        scale = (len(query.weight) // heads) ** -0.5
        return Attention(query, keys, values, output, self.norm(f"{name}.{names.norm}"), heads, scale)
