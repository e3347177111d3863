"""The layers of `pipeline.models.transformer`, whose docstring lists the letters in shapes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeAlias, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

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


MASKED = -1e9
"""Added to the scores of masked keys. Finite, so that the softmax over a row of padding alone is a number."""


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
        self.heads, self.head_size = stack.heads, stack.head_size
        self.project = nn.Linear(config.size, 3 * stack.heads * stack.head_size, config.bias)
        self.output = nn.Linear(stack.heads * stack.head_size, config.size, config.bias)
        self.blocks = BlockSums(config) if reads_blocks else None

    def forward(
        self, x: Tensor, rows: int, bias: Tensor | None, kept: Tensor | None, blocks: Blocks | None = None
    ) -> tuple[Tensor, Tensor]:
        """Attend within each row.

        Args:
            x: [rows x tokens, D].
            bias: added to the scores, broadcast to [rows, A, tokens, tokens].
            kept: [1, A, 1, 1], 0 for a head that is ablated and 1 for the others; None keeps all.
            blocks: blocks of tokens to attend to besides. The attention that is returned is that to tokens.
        """
        query, keys, values = self._project(x, rows)
        scores = query @ keys.transpose(-1, -2)
        scores = scores if bias is None else scores + bias
        if blocks is not None and self.blocks is not None:
            _, block_keys, block_values = self._project(self.blocks(x, blocks), rows)
            scores = torch.cat([scores, query @ block_keys.transpose(-1, -2) + blocks.bias], dim=-1)
            values = torch.cat([values, block_values], dim=2)
        attention = _ablate(torch.softmax(scores, dim=-1), kept)
        mixed = (attention @ values).transpose(1, 2).reshape(-1, self.heads * self.head_size)
        return self.output(mixed), attention if blocks is None else attention[..., : keys.shape[2]]

    def _project(self, x: Tensor, rows: int) -> tuple[Tensor, Tensor, Tensor]:
        """Query, keys and values, each [rows, A, tokens, E]."""
        projected = self.project(x).view(rows, -1, 3 * self.heads, self.head_size).transpose(1, 2)
        query, keys, values = projected.chunk(3, dim=1)
        return query, keys, values

    def step(self, x: Tensor, past: Memory, bias: Tensor | None, kept: Tensor | None) -> tuple[Tensor, Tensor, Keys]:
        """Attend from one new token a row [R, D] to itself and to the past. A single token needs no transposition."""
        past = cast(Keys, past)
        query, key, value = self.project(x).view(-1, 3 * self.heads, 1, self.head_size).chunk(3, dim=1)
        memory = Keys(torch.cat([past.keys, key], dim=2), torch.cat([past.values, value], dim=2))
        scores = query @ memory.keys.transpose(-1, -2)
        attention = _ablate(torch.softmax(scores if bias is None else scores + bias, dim=-1), kept)
        mixed = (attention @ memory.values).view(-1, self.heads * self.head_size)
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
        self.heads, self.head_size = config.decoder.heads, config.decoder.head_size
        inner = self.heads * self.head_size
        self.query = nn.Linear(config.size, inner, config.bias)
        self.keys = nn.Linear(config.size, inner, config.bias)
        self.values = nn.Linear(config.size, inner, config.bias)
        self.output = nn.Linear(inner, config.size, config.bias)

    def read_source(self, states: Tensor, sentences: int) -> Keys:
        """Keys and values of encoder states [N x S, D]."""
        shape = (sentences, -1, self.heads, self.head_size)
        return Keys(
            self.keys(states).view(shape).permute(0, 2, 3, 1),
            self.values(states).view(shape).permute(0, 2, 1, 3),
        )

    def forward(self, x: Tensor, source: Keys, bias: Tensor, override: Override | None) -> tuple[Tensor, Tensor]:
        """Attend from [N x Q, D]; return [N x Q, D] and the attention [N, A, Q, S]."""
        sentences = source.keys.shape[0]
        query = self.query(x).view(sentences, -1, self.heads, self.head_size).transpose(1, 2)
        attention = torch.softmax(query @ source.keys + bias, dim=-1)
        if override is not None:
            attention = torch.where(override.on, override.weights, attention)
        mixed = (attention @ source.values).transpose(1, 2).reshape(-1, self.heads * self.head_size)
        return self.output(mixed), attention


class EncoderLayer(nn.Module):
    """Self-attention and feed-forward."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.norm_first = config.norm_first
        reads_blocks = config.window is not None and config.window.block > 0
        self.attention = SelfAttention(config, config.encoder, reads_blocks=reads_blocks)
        self.attention_norm = make_norm(config)
        self.feed_forward = FeedForward(config, config.encoder)
        self.feed_forward_norm = make_norm(config)

    def forward(
        self, x: Tensor, rows: int, bias: Tensor, kept: Tensor | None, blocks: Blocks | None = None
    ) -> tuple[Tensor, Tensor]:
        change, attention = self.attention(_before(self, self.attention_norm, x), rows, bias, kept, blocks)
        x = _after(self, self.attention_norm, x + change)
        change = self.feed_forward(_before(self, self.feed_forward_norm, x))
        return _after(self, self.feed_forward_norm, x + change), attention


class DecoderLayer(nn.Module):
    """Self-attention or an SSRU, cross-attention and feed-forward."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.norm_first = config.norm_first
        self.attention = Ssru(config) if config.recurrent else SelfAttention(config, config.decoder)
        self.attention_norm = make_norm(config)
        self.cross_attention = CrossAttention(config)
        self.cross_attention_norm = make_norm(config)
        self.feed_forward = FeedForward(config, config.decoder)
        self.feed_forward_norm = make_norm(config)

    def step(
        self,
        x: Tensor,
        past: Memory,
        bias: Tensor | None,
        kept: Tensor | None,
        source: Keys,
        source_bias: Tensor,
        override: Override | None,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Memory]:
        """Decode one token a row; return states, context, cross-attention, self-attention and memory."""
        change, attention, memory = self.attention.step(_before(self, self.attention_norm, x), past, bias, kept)
        x = _after(self, self.attention_norm, x + change)
        x, context, cross_attention = self._read_source(x, source, source_bias, override)
        return x, context, cross_attention, attention, memory

    def forward(
        self,
        x: Tensor,
        rows: int,
        bias: Tensor,
        kept: Tensor | None,
        source: Keys,
        source_bias: Tensor,
        override: Override | None,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Decode all tokens of every row; return states, context, cross-attention and self-attention."""
        change, attention = self.attention(_before(self, self.attention_norm, x), rows, bias, kept)
        x = _after(self, self.attention_norm, x + change)
        x, context, cross_attention = self._read_source(x, source, source_bias, override)
        return x, context, cross_attention, attention

    def _read_source(
        self, x: Tensor, source: Keys, source_bias: Tensor, override: Override | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        query = _before(self, self.cross_attention_norm, x)
        context, attention = self.cross_attention(query, source, source_bias, override)
        x = _after(self, self.cross_attention_norm, x + context)
        change = self.feed_forward(_before(self, self.feed_forward_norm, x))
        return _after(self, self.feed_forward_norm, x + change), context, attention


class Embedding(nn.Module):
    """Scaled token embeddings, with absolute positions and a norm if the model has them."""

    def __init__(self, config: TransformerConfig, vocabulary: int, *, norm_before_positions: bool = False) -> None:
        super().__init__()
        self.norm_before_positions = norm_before_positions
        self.tokens = nn.Embedding(vocabulary, config.size)
        self.positions = nn.Embedding(config.positions, config.size) if config.positions else None
        self.norm = make_norm(config) if config.embedding_norm else None
        self.scale = config.embedding_scale

    def forward(self, ids: Tensor, positions: Tensor) -> Tensor:
        """Embed ``ids`` [rows, tokens] at ``positions`` [tokens], or [rows] at [1]; the result has one more axis, D."""
        x = self.tokens(ids) * self.scale if self.scale != 1.0 else self.tokens(ids)
        x = self._normalize(x) if self.norm_before_positions else x
        x = x if self.positions is None else x + self.positions(positions)
        return x if self.norm_before_positions else self._normalize(x)

    def _normalize(self, x: Tensor) -> Tensor:
        return x if self.norm is None else cast(Tensor, self.norm(x))


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


def make_norm(config: TransformerConfig) -> nn.Module:
    if config.rms_norm:
        return RmsNorm(config.size, config.norm_epsilon)
    return nn.LayerNorm(config.size, config.norm_epsilon)


def _before(layer: EncoderLayer | DecoderLayer, norm: nn.Module, x: Tensor) -> Tensor:
    return cast(Tensor, norm(x)) if layer.norm_first else x


def _after(layer: EncoderLayer | DecoderLayer, norm: nn.Module, x: Tensor) -> Tensor:
    return x if layer.norm_first else cast(Tensor, norm(x))


def _ablate(attention: Tensor, kept: Tensor | None) -> Tensor:
    """Attention [..., A, queries, keys] without that of ablated heads (Michel et al. 2019)."""
    return attention if kept is None else attention * kept


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
