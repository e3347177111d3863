"""A Transformer in plain torch, one sentence at a time and anew for every prefix: a parity reference.

Adapters that read weights themselves fill it by the names of their checkpoints, apart from the mapping to
`pipeline.models.transformer`. Nothing here is shared with that module.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from exported_models.contract.arrays import Floats
from pipeline.models.spaces import name_lower_layers
from pipeline.reference.stepwise import StepResult


class Linear(NamedTuple):
    """A projection: ``weight`` [outputs, inputs], and ``bias`` [outputs] if there is one."""

    weight: Tensor
    bias: Tensor | None

    def __call__(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)


class Norm(NamedTuple):
    """A norm of layers, or of the root mean square where there is no bias."""

    weight: Tensor
    bias: Tensor | None
    epsilon: float

    def __call__(self, x: Tensor) -> Tensor:
        if self.bias is None:
            return F.rms_norm(x, self.weight.shape, self.weight, self.epsilon)
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.epsilon)


@dataclass(frozen=True, slots=True)
class Distances:
    """Bias of scores by the distance of tokens (Raffel et al. 2020): ``table`` [buckets, heads]."""

    table: Tensor
    longest: int
    both_sides: bool

    def __call__(self, length: int) -> Tensor:
        """The bias [heads, queries, keys] of a sequence of ``length`` tokens."""
        buckets = [[self._find_bucket(key - query) for key in range(length)] for query in range(length)]
        return self.table[torch.tensor(buckets)].permute(2, 0, 1)

    def _find_bucket(self, distance: int) -> int:
        count, first = len(self.table), 0
        if self.both_sides:
            count //= 2
            first = count if distance > 0 else 0
        distance = abs(distance) if self.both_sides else -min(distance, 0)
        exact = count // 2
        if distance < exact:
            return first + distance
        far = torch.log(torch.tensor(distance / exact)) / math.log(self.longest / exact) * (count - exact)
        return first + min(exact + int(far), count - 1)


@dataclass(frozen=True, slots=True)
class Attention:
    """An attention with its norm; ``scale`` is that of the scores."""

    query: Linear
    keys: Linear
    values: Linear
    output: Linear
    norm: Norm
    heads: int
    scale: float
    distances: Distances | None = None

    def read_itself(self, x: Tensor) -> Tensor:
        """The output of every token, which attends to all."""
        return self(x, x)[0]

    def read_past(self, x: Tensor) -> Tensor:
        """The output of every token, which attends to itself and those before."""
        return self(x, x, hides_later=True)[0]

    def __call__(self, x: Tensor, read: Tensor, *, hides_later: bool = False) -> tuple[Tensor, Tensor]:
        """Output [queries, size] and attention [heads, queries, keys]."""
        query, key, value = (
            part(states).view(len(states), self.heads, -1).transpose(0, 1)
            for part, states in ((self.query, x), (self.keys, read), (self.values, read))
        )
        scores = query @ key.transpose(1, 2) * self.scale
        scores = scores if self.distances is None else scores + self.distances(len(x))
        later = torch.ones(len(x), len(read), dtype=torch.bool).triu(1)
        attention = torch.softmax(scores.masked_fill(later, -torch.inf) if hides_later else scores, dim=-1)
        return self.output((attention @ value).transpose(0, 1).flatten(1)), attention


@dataclass(frozen=True, slots=True)
class FeedForward:
    """A feed-forward layer with its norm; ``gate`` is multiplied with the activation."""

    expand: Linear
    contract: Linear
    norm: Norm
    activation: Callable[[Tensor], Tensor]
    gate: Linear | None = None

    def __call__(self, x: Tensor) -> Tensor:
        inner = self.activation(self.expand(x))
        return self.contract(inner if self.gate is None else inner * self.gate(x))


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer of an encoder, or with ``cross`` of a decoder."""

    own: Attention
    feed_forward: FeedForward
    cross: Attention | None = None


@dataclass(frozen=True, slots=True)
class Stack:
    """An encoder or a decoder.

    Attributes:
        embedding: [vocabulary, size].
        scale: factor of the embeddings.
        positions: [positions, size], or None.
        norm_first: whether norms stand before each sublayer, not after the residual sum.
    """

    embedding: Tensor
    scale: float
    positions: Tensor | None
    layers: tuple[Layer, ...]
    norm_first: bool
    embedding_norm: Norm | None = None
    norm: Norm | None = None

    def embed(self, ids: Sequence[int]) -> Tensor:
        x = self.embedding[list(ids)] * self.scale
        x = x if self.positions is None else x + self.positions[: len(ids)]
        return x if self.embedding_norm is None else self.embedding_norm(x)

    def add(self, x: Tensor, norm: Norm, change: Callable[[Tensor], Tensor]) -> Tensor:
        """Add the change of a sublayer."""
        return x + change(norm(x)) if self.norm_first else norm(x + change(x))

    def finish(self, x: Tensor) -> Tensor:
        return x if self.norm is None else self.norm(x)


@dataclass(slots=True)
class PlainTransformer:
    """A whole model; ``context_layer`` is the decoder layer whose context is given."""

    encoder: Stack
    decoder: Stack
    output: Linear
    output_scale: float = 1.0
    context_layer: int = -1


class PlainRun:
    """One source, alone and without padding, with the prefixes so far."""

    def __init__(self, model: PlainTransformer, source_ids: Sequence[int]) -> None:
        self._model = model
        stack = model.encoder
        x, layers = stack.embed(source_ids), []
        for layer in stack.layers:
            x = stack.add(x, layer.own.norm, layer.own.read_itself)
            x = stack.add(x, layer.feed_forward.norm, layer.feed_forward)
            layers.append(_floats(x))
        self._outputs = stack.finish(x)
        self.encoder_states = _floats(self._outputs)
        self.more_states = name_lower_layers("encoder", layers)
        self._prefixes: list[tuple[int, ...]] = [()]

    def step(self, tokens: Sequence[int], parents: Sequence[int]) -> StepResult:
        self._prefixes = [(*self._prefixes[parent], token) for parent, token in zip(parents, tokens, strict=True)]
        rows = [self._decode(prefix) for prefix in self._prefixes]
        state, context, attention, layers = (torch.stack(kind) for kind in zip(*rows, strict=True))
        logits = self._model.output(state)
        more_states = name_lower_layers("decoder", [_floats(layer) for layer in layers.unbind(1)])
        return StepResult(_floats(logits), _floats(state), _floats(context), _floats(attention), more_states)

    def _decode(self, prefix: Sequence[int]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Outputs at the last token of a prefix.

        State and context [size], attention [layers, heads, source], output of every layer [layers, size].
        """
        stack = self._model.decoder
        x, attentions, contexts, layers = stack.embed(prefix), [], [], []
        for layer in stack.layers:
            x = stack.add(x, layer.own.norm, layer.own.read_past)
            cross = cast(Attention, layer.cross)
            context, attention = cross(cross.norm(x) if stack.norm_first else x, self._outputs)
            x = x + context if stack.norm_first else cross.norm(x + context)
            x = stack.add(x, layer.feed_forward.norm, layer.feed_forward)
            attentions.append(attention[:, -1])
            contexts.append(context[-1])
            layers.append(x[-1])
        state = stack.finish(x)[-1] * self._model.output_scale
        return state, contexts[self._model.context_layer], torch.stack(attentions), torch.stack(layers)


def _floats(values: Tensor) -> Floats:
    return cast(Floats, values.numpy())
