"""The layers of `pipeline.models.transformer`, whose docstring lists the letters in shapes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeAlias, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.models.long_attention import LongAttention, LongWeights, Near
from pipeline.models.masking import ablate
from pipeline.models.transformer_config import Activation, RelativeBias, StackConfig, TransformerConfig

_ACTIVATIONS: Mapping[Activation, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "gelu": F.gelu,
    "gelu_sigmoid": lambda x: x * torch.sigmoid(1.702 * x),
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu,
}


class Keys(NamedTuple):
    """Keys and values of one attention.

    Of the source, ``keys`` is [N, A, E, S], transposed for the product, and ``values`` [N, A, S, E]. Of the target's
    past both are [R, A, P, E], so that those of a new token can be appended.
    """

    keys: Tensor
    values: Tensor


class Cell(NamedTuple):
    """Memory of an SSRU: ``state`` [R, D]."""

    state: Tensor


Memory: TypeAlias = Keys | Cell
"""Values that a decoder layer passes to the next step."""


class Rotation(NamedTuple):
    """Cosines and signed sines of the angles by which the dimensions of heads turn, each [tokens, E]."""

    cosines: Tensor
    sines: Tensor

    def turn(self, x: Tensor) -> Tensor:
        """Turn [..., tokens, E], the first half of whose dimensions pairs with the second."""
        first, second = x.chunk(2, dim=-1)
        return x * self.cosines + torch.cat([second, first], dim=-1) * self.sines


class Override(NamedTuple):
    """Cross-attention that replaces the model's own: ``weights`` [N, L x A, Q, S] where ``on`` [N, L x A, Q, 1]."""

    weights: Tensor
    on: Tensor


class RmsNorm(nn.Module):
    """Scale to a root mean square of one."""

    def __init__(self, size: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.epsilon) * self.weight


class FeedForward(nn.Module):
    """Two or more projections with activations between them."""

    def __init__(self, config: TransformerConfig, stack: StackConfig) -> None:
        super().__init__()
        inner = stack.feed_forward
        self.expand = nn.Linear(config.size, inner, config.bias)
        self.gate = nn.Linear(config.size, inner, config.bias) if config.gated else None
        self.between = nn.ModuleList(nn.Linear(inner, inner) for _ in range(stack.feed_forward_depth - 2))
        self.contract = nn.Linear(inner, config.size, config.bias)
        self.activation = _ACTIVATIONS[config.activation]

    def forward(self, x: Tensor) -> Tensor:
        inner = self.activation(self.expand(x))
        inner = inner if self.gate is None else inner * self.gate(x)
        for layer in self.between:
            inner = self.activation(layer(inner))
        return cast(Tensor, self.contract(inner))


class Blocks(NamedTuple):
    """``members`` [N, G, S], 1 for tokens of a block, and ``bias`` [N, A, S, G] of the attention to blocks."""

    members: Tensor
    bias: Tensor


class BlockSums(nn.Module):
    """Sums of the tokens of blocks, which self-attention reads by the same projection as tokens."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.norm = make_norm(config)

    def forward(self, x: Tensor, blocks: Blocks) -> Tensor:
        """Normalized sums [N x G, D] of the tokens [N x S, D] of every block."""
        sentences, size = blocks.members.shape[0], x.shape[-1]
        sums = blocks.members @ x.view(sentences, -1, size)
        return cast(Tensor, self.norm(sums.flatten(0, 1)))


class SelfAttention(nn.Module):
    """Attention of a sequence to itself and to its past; ``project`` computes query, key and value together."""

    def __init__(self, config: TransformerConfig, stack: StackConfig, *, reads_blocks: bool = False) -> None:
        super().__init__()
        self.heads, self.head_size, self.cap = stack.heads, stack.head_size, config.attention_cap
        self.parts = [stack.heads, stack.stored_heads, stack.stored_heads]
        bias = config.has_attention_bias
        self.project = nn.Linear(config.size, sum(self.parts) * stack.head_size, bias)
        self.output = nn.Linear(stack.heads * stack.head_size, config.size, bias)
        self.blocks = BlockSums(config) if reads_blocks else None

    def forward(
        self,
        x: Tensor,
        rows: int,
        bias: Tensor | None,
        kept: Tensor | None,
        rotation: Rotation | None,
        blocks: Blocks | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Attend within each row.

        Args:
            x: [rows x tokens, D].
            bias: added to the scores, broadcast to [rows, A, tokens, tokens].
            kept: [1 or rows, A, 1, 1], 0 for a head that is ablated and 1 for the others; None keeps all.
            rotation: of queries and keys by their positions.
            blocks: blocks of tokens to attend to besides. The attention that is returned is that to tokens.
        """
        query, keys, values = self._project(x, rows, rotation)
        scores = cap(_multiply(query, keys.transpose(-1, -2)), self.cap)
        scores = scores if bias is None else scores + bias
        if blocks is not None and self.blocks is not None:
            _, block_keys, block_values = self._project(self.blocks(x, blocks), rows, None)
            scores = torch.cat([scores, query @ block_keys.transpose(-1, -2) + blocks.bias], dim=-1)
            values = torch.cat([values, block_values], dim=2)
        attention = ablate(torch.softmax(scores, dim=-1), kept)
        mixed = _multiply(attention, values).transpose(1, 2).reshape(-1, self.heads * self.head_size)
        return self.output(mixed), attention if blocks is None else attention[..., : keys.shape[2]]

    def _project(self, x: Tensor, rows: int, rotation: Rotation | None) -> tuple[Tensor, Tensor, Tensor]:
        """Query, keys and values, each [rows, its heads, tokens, E]."""
        return self._divide(self.project(x).view(rows, -1, sum(self.parts), self.head_size).transpose(1, 2), rotation)

    def _divide(self, projected: Tensor, rotation: Rotation | None) -> tuple[Tensor, Tensor, Tensor]:
        if rotation is None:
            query, keys, values = torch.split(projected, self.parts, dim=1)
            return query, keys, values
        turning, values = torch.split(projected, [self.parts[0] + self.parts[1], self.parts[2]], dim=1)
        query, keys = torch.split(rotation.turn(turning), self.parts[:2], dim=1)
        return query, keys, values

    def step(
        self, x: Tensor, past: Memory, bias: Tensor | None, kept: Tensor | None, rotation: Rotation | None
    ) -> tuple[Tensor, Tensor, Keys]:
        """Attend from one new token a row [R, D] to itself and to the past. A single token needs no transposition."""
        past = cast(Keys, past)
        query, key, value = self._divide(self.project(x).view(-1, sum(self.parts), 1, self.head_size), rotation)
        memory = Keys(torch.cat([past.keys, key], dim=2), torch.cat([past.values, value], dim=2))
        scores = cap(_multiply(query, memory.keys.transpose(-1, -2)), self.cap)
        attention = ablate(torch.softmax(scores if bias is None else scores + bias, dim=-1), kept)
        mixed = _multiply(attention, memory.values).view(-1, self.heads * self.head_size)
        return self.output(mixed), attention, memory


class Ssru(nn.Module):
    """The simpler simple recurrent unit (Kim et al. 2019), which reads the past in place of self-attention.

    Its cell is ``c[t] = f[t] * c[t-1] + (1 - f[t]) * W x[t]`` with ``f[t] = sigmoid(W_f x[t] + b_f)``, and its output
    ``relu(c[t])``. ``project`` computes the gate and the candidate together.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.project = nn.Linear(config.size, 2 * config.size)
        self.output = nn.Linear(config.size, config.size) if config.recurrent_projection else None

    def step(
        self,
        x: Tensor,
        past: Memory,
        bias: Tensor | None,  # noqa: ARG002 (the interface of self-attention)
        kept: Tensor | None,  # noqa: ARG002
        rotation: Rotation | None,  # noqa: ARG002
    ) -> tuple[Tensor, Tensor, Cell]:
        """Read one new token a row [R, D]. Returns the same values as self-attention; the attention has no heads."""
        gate, candidate = self.project(x).chunk(2, dim=-1)
        forget = torch.sigmoid(gate)
        state = forget * cast(Cell, past).state + (1.0 - forget) * candidate
        output = F.relu(state)
        output = output if self.output is None else self.output(output)
        return output, x.new_zeros(x.shape[0], 0, 1, 1), Cell(state)


class CrossAttention(nn.Module):
    """Attention to the source."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.heads, self.head_size, self.cap = config.decoder.heads, config.decoder.head_size, config.attention_cap
        self.stored_heads = config.decoder.stored_heads
        inner, stored = self.heads * self.head_size, self.stored_heads * self.head_size
        bias = config.has_attention_bias
        self.query = nn.Linear(config.size, inner, bias)
        self.keys = nn.Linear(config.of_encoder.size, stored, bias)
        self.values = nn.Linear(config.of_encoder.size, stored, bias)
        self.output = nn.Linear(inner, config.size, bias)

    def read_source(self, states: Tensor, sentences: int) -> Keys:
        """Keys and values of encoder states [N x S, D]."""
        shape = (sentences, -1, self.stored_heads, self.head_size)
        return Keys(
            self.keys(states).view(shape).permute(0, 2, 3, 1),
            self.values(states).view(shape).permute(0, 2, 1, 3),
        )

    def forward(self, x: Tensor, source: Keys, bias: Tensor, override: Override | None) -> tuple[Tensor, Tensor]:
        """Attend from [N x Q, D]; return [N x Q, D] and the attention [N, A, Q, S]."""
        sentences = source.keys.shape[0]
        query = self.query(x).view(sentences, -1, self.heads, self.head_size).transpose(1, 2)
        attention = torch.softmax(cap(_multiply(query, source.keys), self.cap) + bias, dim=-1)
        if override is not None:
            attention = torch.where(override.on, override.weights, attention)
        mixed = _multiply(attention, source.values).transpose(1, 2).reshape(-1, self.heads * self.head_size)
        return self.output(mixed), attention


class EncoderLayer(nn.Module):
    """Self-attention and feed-forward. Learned global tokens have a norm of their own before self-attention."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.norm_first = config.norm_first
        self.learned = config.long_source.learned if config.long_source else 0
        self.attention = _make_source_attention(config)
        self.attention_norm = make_norm(config)
        self.global_norm = make_norm(config) if self.learned else None
        self.attention_change_norm = make_norm(config) if config.norm_change else None
        self.feed_forward = FeedForward(config, config.encoder)
        self.feed_forward_norm = make_norm(config)
        self.feed_forward_change_norm = make_norm(config) if config.norm_change else None

    def forward(
        self,
        x: Tensor,
        rows: int,
        bias: Tensor | Near,
        kept: Tensor | None,
        rotation: Rotation | None,
        blocks: Blocks | None = None,
    ) -> tuple[Tensor, Tensor | LongWeights]:
        change, attention = self.attention(self._prepare(x, rows), rows, bias, kept, rotation, blocks)
        x = _after(self, self.attention_norm, x + _normalize(self.attention_change_norm, change))
        return _feed_forward(self, x), attention

    def _prepare(self, x: Tensor, rows: int) -> Tensor:
        """The tokens [rows x tokens, D] as self-attention reads them."""
        if self.global_norm is None:
            return _before(self, self.attention_norm, x)
        given = x.view(rows, -1, x.shape[-1])
        parts = [self.global_norm(given[:, : self.learned]), self.attention_norm(given[:, self.learned :])]
        return torch.cat(parts, dim=1).flatten(0, 1)


def _make_source_attention(config: TransformerConfig) -> SelfAttention | LongAttention:
    """The self-attention of an encoder layer."""
    if config.long_source is not None:
        learned = config.long_source.learned
        return LongAttention(config, learned or 1, learned=learned > 0)
    return SelfAttention(config, config.encoder, reads_blocks=config.source_block > 0)


class DecoderLayer(nn.Module):
    """Self-attention or an SSRU, cross-attention and feed-forward."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.norm_first = config.norm_first
        self.attention = Ssru(config) if config.recurrent else SelfAttention(config, config.decoder)
        self.attention_norm = make_norm(config)
        self.attention_change_norm = make_norm(config) if config.norm_change else None
        self.cross_attention = CrossAttention(config)
        self.cross_attention_norm = make_norm(config)
        self.cross_attention_change_norm = make_norm(config) if config.norm_change else None
        self.feed_forward = FeedForward(config, config.decoder)
        self.feed_forward_norm = make_norm(config)
        self.feed_forward_change_norm = make_norm(config) if config.norm_change else None

    def step(
        self,
        x: Tensor,
        past: Memory,
        bias: Tensor | None,
        kept: Tensor | None,
        rotation: Rotation | None,
        source: Keys,
        source_bias: Tensor,
        override: Override | None,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Memory]:
        """Decode one token a row; return states, context, cross-attention, self-attention and memory."""
        asked = _before(self, self.attention_norm, x)
        change, attention, memory = self.attention.step(asked, past, bias, kept, rotation)
        x = _after(self, self.attention_norm, x + _normalize(self.attention_change_norm, change))
        x, context, cross_attention = self._read_source(x, source, source_bias, override)
        return x, context, cross_attention, attention, memory

    def forward(
        self,
        x: Tensor,
        rows: int,
        bias: Tensor,
        kept: Tensor | None,
        rotation: Rotation | None,
        source: Keys,
        source_bias: Tensor,
        override: Override | None,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Decode all tokens of every row; return states, context, cross-attention and self-attention."""
        change, attention = self.attention(_before(self, self.attention_norm, x), rows, bias, kept, rotation)
        x = _after(self, self.attention_norm, x + _normalize(self.attention_change_norm, change))
        x, context, cross_attention = self._read_source(x, source, source_bias, override)
        return x, context, cross_attention, attention

    def _read_source(
        self, x: Tensor, source: Keys, source_bias: Tensor, override: Override | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        query = _before(self, self.cross_attention_norm, x)
        context, attention = self.cross_attention(query, source, source_bias, override)
        x = _after(self, self.cross_attention_norm, x + _normalize(self.cross_attention_change_norm, context))
        return _feed_forward(self, x), context, attention


class Embedding(nn.Module):
    """Scaled token embeddings, with absolute positions and a norm if the model has them."""

    def __init__(
        self, config: TransformerConfig, vocabulary: int, positions: int, *, norm_before_positions: bool = False
    ) -> None:
        super().__init__()
        self.norm_before_positions = norm_before_positions
        self.tokens = nn.Embedding(vocabulary, config.size)
        self.positions = nn.Embedding(positions, config.size) if positions else None
        self.norm = make_norm(config) if config.embedding_norm else None
        self.scale = config.embedding_scale

    def forward(self, ids: Tensor, positions: Tensor) -> Tensor:
        """Embed ``ids`` [rows, tokens] at ``positions`` [tokens], or [rows] at [1]; the result has one more axis, D."""
        x = self.tokens(ids) * self.scale if self.scale != 1.0 else self.tokens(ids)
        x = _normalize(self.norm, x) if self.norm_before_positions else x
        x = x if self.positions is None else x + self.positions(positions)
        return x if self.norm_before_positions else _normalize(self.norm, x)


class OutputTransform(nn.Module):
    """BERT's transform before the output projection (Devlin et al. 2019): a projection, an activation and a norm."""

    def __init__(self, config: TransformerConfig, activation: Activation) -> None:
        super().__init__()
        self.dense = nn.Linear(config.size, config.size)
        self.norm = make_norm(config)
        self.activation = _ACTIVATIONS[activation]

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.norm(self.activation(self.dense(x))))


class DistanceBias(nn.Module):
    """The bias of self-attention by distance; ``weight`` [buckets, A]."""

    buckets: Tensor

    def __init__(self, bias: RelativeBias, heads: int, *, both_sides: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(bias.buckets, heads))
        self.longest = bias.longest
        # On the CPU also in a model that is built without values, since no checkpoint has these numbers.
        # Distances of more than `longest` tokens are clamped and share the buckets of the ends.
        reach = torch.arange(-bias.longest, bias.longest + 1, device="cpu")
        self.register_buffer("buckets", _bucket(reach, bias, both_sides=both_sides), persistent=False)

    def forward(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Bias [1, A, queries, keys] between positions."""
        return self.weigh(keys[None, :] - queries[:, None]).permute(2, 0, 1).unsqueeze(0)

    def weigh(self, distance: Tensor) -> Tensor:
        """Bias [..., A] of distances, each a key's position minus a query's."""
        return self.weight[self.buckets[distance.clamp(-self.longest, self.longest) + self.longest]]


class Rotary(nn.Module):
    """The turns of positions: the angles of each pair of dimensions grow with a frequency of their own."""

    frequencies: Tensor

    def __init__(self, base: float, head_size: int) -> None:
        super().__init__()
        # On the CPU also in a model that is built without values, since no checkpoint has these numbers.
        exponents = torch.arange(0, head_size, 2, dtype=torch.float32, device="cpu") / head_size
        self.register_buffer("frequencies", 1.0 / base**exponents, persistent=False)

    def forward(self, positions: Tensor) -> Rotation:
        """The rotation of ``positions`` [tokens]."""
        angles = positions.to(torch.float32)[:, None] * self.frequencies
        cosines, sines = angles.cos(), angles.sin()
        return Rotation(torch.cat([cosines, cosines], dim=-1), torch.cat([-sines, sines], dim=-1))


def make_norm(config: TransformerConfig) -> nn.Module:
    if config.rms_norm:
        return RmsNorm(config.size, config.norm_epsilon)
    return nn.LayerNorm(config.size, config.norm_epsilon)


def _before(layer: EncoderLayer | DecoderLayer, norm: nn.Module, x: Tensor) -> Tensor:
    return cast(Tensor, norm(x)) if layer.norm_first else x


def _after(layer: EncoderLayer | DecoderLayer, norm: nn.Module, x: Tensor) -> Tensor:
    return x if layer.norm_first else cast(Tensor, norm(x))


def _normalize(norm: nn.Module | None, x: Tensor) -> Tensor:
    return x if norm is None else cast(Tensor, norm(x))


def _feed_forward(layer: EncoderLayer | DecoderLayer, x: Tensor) -> Tensor:
    change = layer.feed_forward(_before(layer, layer.feed_forward_norm, x))
    return _after(layer, layer.feed_forward_norm, x + _normalize(layer.feed_forward_change_norm, change))


def _multiply(queries: Tensor, given: Tensor) -> Tensor:
    """Products of [N, A, Q, X] with [N, B, X, Y], each of which serves A / B neighboring heads: [N, A, Q, Y]."""
    rows, heads, count, size = queries.shape
    served = given.shape[1]
    if heads == served:
        return queries @ given
    # Sizes in full: an exporter computes a size that is left open from all others, with nodes for each.
    grouped = queries.reshape(rows, served, heads // served * count, size) @ given
    return grouped.view(rows, heads, count, given.shape[3])


def cap(x: Tensor, limit: float) -> Tensor:
    """Bend values smoothly so that none is beyond ``limit``; 0 leaves them as they are."""
    return torch.tanh(x / limit) * limit if limit else x


def _bucket(distance: Tensor, bias: RelativeBias, *, both_sides: bool) -> Tensor:
    """The bucket of each distance (key minus query): exact for near ones, then logarithmic up to ``longest``."""
    buckets, later = bias.buckets, torch.zeros_like(distance)
    if both_sides:
        buckets //= 2
        later = (distance > 0).long() * buckets
        distance = distance.abs()
    else:
        distance = (-distance).clamp(min=0)
    exact = buckets // 2
    ratio = torch.log(distance.clamp(min=1).float() / exact) / math.log(bias.longest / exact)
    far = (exact + (ratio * (buckets - exact)).long()).clamp(max=buckets - 1)
    return later + torch.where(distance < exact, distance, far)
