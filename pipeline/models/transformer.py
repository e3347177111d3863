"""One Transformer encoder-decoder (Vaswani et al. 2017) for every family, written to be exported and to decode fast.

A family differs from another in `TransformerConfig` and in where its checkpoint keeps the weights; the modules do not
know it. What makes a decoding step quick: query, key and value are one projection, the scale of attention is part of
the query's weights, everything is a plain matrix [rows, size] outside attention, and the rows of a sentence (its beams,
or its target tokens) are the queries of one attention to keys and values that exist once a sentence.

Letters in shapes: N sentences, S source tokens, T target tokens of a row, R rows (a step has N x beams of them, one
token each), Q queries a sentence asks at once (beams or T), P earlier target tokens, L decoder layers, A heads, E size
of a head, D size of the model, V target vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Activation = Literal["relu", "gelu", "gelu_sigmoid", "gelu_tanh", "silu"]

_ACTIVATIONS: Mapping[Activation, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "gelu": F.gelu,
    "gelu_sigmoid": lambda x: x * torch.sigmoid(1.702 * x),
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu,
}
_MASKED = -1e9
"""Added to the scores of what must not be seen; finite, so that a row of nothing but padding stays a number."""


@dataclass(frozen=True, slots=True)
class StackConfig:
    """The sizes of an encoder or a decoder; heads x ``head_size`` need not be the size of the model.

    ``feed_forward`` is the inner size of the feed-forward layers, ``feed_forward_depth`` how many projections one has.
    """

    layers: int
    heads: int
    head_size: int
    feed_forward: int
    feed_forward_depth: int = 2


@dataclass(frozen=True, slots=True)
class RelativeBias:
    """Attention bias by distance (Raffel et al. 2020): a weight per head for each of ``buckets`` ranges of distances.

    Distances of ``longest`` and more share the last bucket.
    """

    buckets: int
    longest: int


@dataclass(frozen=True, slots=True)
class TransformerConfig:
    """What tells one family from another.

    Attributes:
        size: D.
        norm_first: norm before each sublayer rather than after the residual sum.
        embedding_norm, final_norm: a norm after the embeddings; one after the last layer.
        rms_norm: norms without mean and bias (Zhang and Sennrich 2019).
        gated: the feed-forward layer multiplies its activation with a second projection (Shazeer 2020).
        bias: whether projections have biases.
        embedding_scale: factor of the token embeddings; ``output_scale`` that of what the output projection reads.
        positions: rows of the table of absolute positions, or 0 for none.
        relative_bias: bias of self-attention by distance, or None.
        output_transform: activation of a projection and a norm between the last layer and the output projection, or
            None for a model without them.
        tied: the output projection is the table of target embeddings.
        recurrent: the decoder reads its past through an SSRU instead of self-attention; ``recurrent_projection`` says
            that its output is projected.
    """

    source_vocabulary: int
    target_vocabulary: int
    size: int
    encoder: StackConfig
    decoder: StackConfig
    activation: Activation
    norm_first: bool
    norm_epsilon: float = 1e-5
    rms_norm: bool = False
    embedding_norm: bool = False
    final_norm: bool = False
    gated: bool = False
    bias: bool = True
    embedding_scale: float = 1.0
    output_scale: float = 1.0
    positions: int = 0
    relative_bias: RelativeBias | None = None
    output_transform: Activation | None = None
    tied: bool = False
    recurrent: bool = False
    recurrent_projection: bool = False


class Keys(NamedTuple):
    """What queries look up.

    Of the source: ``keys`` [N, A, E, S], transposed for the product, and ``values`` [N, A, S, E]. Of the target's past:
    both [R, A, P, E], as a new token is appended to them.
    """

    keys: Tensor
    values: Tensor


class Cell(NamedTuple):
    """What an SSRU knows of the target's past: ``state`` [R, D]."""

    state: Tensor


Memory: TypeAlias = Keys | Cell
"""What a decoder layer hands to the next step."""


class Override(NamedTuple):
    """Cross-attention that replaces the model's own: ``weights`` [N, L x A, Q, S] where ``on`` [N, L x A, Q, 1]."""

    weights: Tensor
    on: Tensor


class Encoded(NamedTuple):
    """``states`` [N, S, D], and ``attention`` [N, A, S, S] of every layer."""

    states: Tensor
    attention: tuple[Tensor, ...]


class Decoded(NamedTuple):
    """What a decoder computes for its queries.

    ``logits`` [R, V]; ``state`` [R, D], what the output projection reads; ``context`` [R, D], the context layer's
    cross-attention before the residual; ``cross_attention`` [N, L x A, Q, S]; ``attention`` [rows, A, T, P + T] of
    every layer to the target, none from an SSRU; ``memory`` what every layer keeps of the target, the past included.
    """

    logits: Tensor
    state: Tensor
    context: Tensor
    cross_attention: Tensor
    attention: tuple[Tensor, ...]
    memory: tuple[Memory, ...]


class RmsNorm(nn.Module):
    """Scale to a root mean square of one."""

    def __init__(self, size: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.epsilon) * self.weight


class FeedForward(nn.Module):
    """Two projections, or more, with an activation between each and the next."""

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


class SelfAttention(nn.Module):
    """Attention of a sequence to itself and to its past; ``project`` makes query, key and value at once."""

    def __init__(self, config: TransformerConfig, stack: StackConfig) -> None:
        super().__init__()
        self.heads, self.head_size = stack.heads, stack.head_size
        self.project = nn.Linear(config.size, 3 * stack.heads * stack.head_size, config.bias)
        self.output = nn.Linear(stack.heads * stack.head_size, config.size, config.bias)

    def forward(self, x: Tensor, rows: int, bias: Tensor | None, kept: Tensor | None) -> tuple[Tensor, Tensor]:
        """Attend within rows of many tokens.

        Args:
            x: [rows x tokens, D].
            bias: added to the scores, broadcast to [rows, A, tokens, tokens].
            kept: [1, A, 1, 1], 0 for a head that is ablated and 1 for the others; None keeps all.
        """
        split = self.project(x).view(rows, -1, 3, self.heads, self.head_size).permute(2, 0, 3, 1, 4)
        query, keys, values = split.unbind(0)
        scores = query @ keys.transpose(-1, -2)
        attention = _ablate(torch.softmax(scores if bias is None else scores + bias, dim=-1), kept)
        mixed = (attention @ values).transpose(1, 2).reshape(-1, self.heads * self.head_size)
        return self.output(mixed), attention

    def step(self, x: Tensor, past: Memory, bias: Tensor | None, kept: Tensor | None) -> tuple[Tensor, Tensor, Keys]:
        """Attend from one new token a row [R, D] to itself and the past; a single token needs no transposition."""
        past = cast(Keys, past)
        query, key, value = self.project(x).view(-1, 3 * self.heads, 1, self.head_size).chunk(3, dim=1)
        memory = Keys(torch.cat([past.keys, key], dim=2), torch.cat([past.values, value], dim=2))
        scores = query @ memory.keys.transpose(-1, -2)
        attention = _ablate(torch.softmax(scores if bias is None else scores + bias, dim=-1), kept)
        mixed = (attention @ memory.values).view(-1, self.heads * self.head_size)
        return self.output(mixed), attention, memory


class Ssru(nn.Module):
    """The simpler simple recurrent unit (Kim et al. 2019), which reads the past in place of self-attention.

    ``c[t] = f[t] * c[t-1] + (1 - f[t]) * W x[t]`` with ``f[t] = sigmoid(W_f x[t] + b_f)``, and ``relu(c[t])`` is what
    it gives; ``project`` makes the gate and the candidate at once.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.project = nn.Linear(config.size, 2 * config.size)
        self.output = nn.Linear(config.size, config.size) if config.recurrent_projection else None

    def step(
        self,
        x: Tensor,
        past: Memory,
        bias: Tensor | None,  # noqa: ARG002 (of self-attention, as the next)
        kept: Tensor | None,  # noqa: ARG002
    ) -> tuple[Tensor, Tensor, Cell]:
        """Read one new token a row [R, D]; the attention it returns, as self-attention does, has no heads."""
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
        self.attention = SelfAttention(config, config.encoder)
        self.attention_norm = _make_norm(config)
        self.feed_forward = FeedForward(config, config.encoder)
        self.feed_forward_norm = _make_norm(config)

    def forward(self, x: Tensor, rows: int, bias: Tensor, kept: Tensor | None) -> tuple[Tensor, Tensor]:
        change, attention = self.attention(_before(self, self.attention_norm, x), rows, bias, kept)
        x = _after(self, self.attention_norm, x + change)
        change = self.feed_forward(_before(self, self.feed_forward_norm, x))
        return _after(self, self.feed_forward_norm, x + change), attention


class DecoderLayer(nn.Module):
    """Self-attention or an SSRU, cross-attention and feed-forward."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.norm_first = config.norm_first
        self.attention = Ssru(config) if config.recurrent else SelfAttention(config, config.decoder)
        self.attention_norm = _make_norm(config)
        self.cross_attention = CrossAttention(config)
        self.cross_attention_norm = _make_norm(config)
        self.feed_forward = FeedForward(config, config.decoder)
        self.feed_forward_norm = _make_norm(config)

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
        """One token a row; return states, context, cross-attention, self-attention and memory."""
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
        """All tokens of every row; return states, context, cross-attention and self-attention."""
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
    """Token embeddings, scaled, with absolute positions where there are any."""

    def __init__(self, config: TransformerConfig, vocabulary: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, config.size)
        self.positions = nn.Embedding(config.positions, config.size) if config.positions else None
        self.norm = _make_norm(config) if config.embedding_norm else None
        self.scale = config.embedding_scale

    def forward(self, ids: Tensor, positions: Tensor) -> Tensor:
        """``ids`` [rows, tokens] at ``positions`` [tokens], or [rows] at [1], with D as one more axis."""
        x = self.tokens(ids) * self.scale if self.scale != 1.0 else self.tokens(ids)
        x = x if self.positions is None else x + self.positions(positions)
        return x if self.norm is None else cast(Tensor, self.norm(x))


class OutputTransform(nn.Module):
    """What BERT has before its output projection (Devlin et al. 2019): a projection, an activation and a norm."""

    def __init__(self, config: TransformerConfig, activation: Activation) -> None:
        super().__init__()
        self.dense = nn.Linear(config.size, config.size)
        self.norm = _make_norm(config)
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
        # From `longest` tokens behind the query to as many after it: farther ones share the bucket of the ends.
        reach = torch.arange(-bias.longest, bias.longest + 1)
        self.register_buffer("buckets", _bucket(reach, bias, both_sides=both_sides), persistent=False)

    def forward(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Bias [1, A, queries, keys] between positions."""
        distance = (keys[None, :] - queries[:, None]).clamp(-self.longest, self.longest) + self.longest
        return self.weight[self.buckets[distance]].permute(2, 0, 1).unsqueeze(0)


class Transformer(nn.Module):
    """The whole model; its parts are methods, so that each can be exported as a graph of its own."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.context_layer = config.decoder.layers - 1
        relative = config.relative_bias
        self.source_embedding = Embedding(config, config.source_vocabulary)
        self.encoder = nn.ModuleList(EncoderLayer(config) for _ in range(config.encoder.layers))
        self.encoder_norm = _make_norm(config) if config.final_norm else None
        self.encoder_bias = DistanceBias(relative, config.encoder.heads, both_sides=True) if relative else None
        self.target_embedding = Embedding(config, config.target_vocabulary)
        self.decoder = nn.ModuleList(DecoderLayer(config) for _ in range(config.decoder.layers))
        self.decoder_norm = _make_norm(config) if config.final_norm else None
        self.decoder_bias = DistanceBias(relative, config.decoder.heads, both_sides=False) if relative else None
        transform = config.output_transform
        self.output_transform = OutputTransform(config, transform) if transform else None
        self.output = nn.Linear(config.size, config.target_vocabulary)
        if config.tied:
            self.output.weight = self.target_embedding.tokens.weight

    def encode(self, source_ids: Tensor, source_mask: Tensor, head_mask: Tensor | None = None) -> Encoded:
        """Read a ragged batch: [N, S] ids padded on the right and the mask, true on tokens.

        Args:
            head_mask: [encoder layers, A], 0 for heads of self-attention that are ablated and 1 for the others.
        """
        sentences, length = source_ids.shape
        positions = torch.arange(length, device=source_ids.device)
        bias = _padding_bias(source_mask)
        if self.encoder_bias is not None:
            bias = bias + self.encoder_bias(positions, positions)
        x = self.source_embedding(source_ids, positions).flatten(0, 1)
        attentions = []
        for layer, kept in zip(self.encoder, _split_mask(head_mask, self.config.encoder), strict=True):
            x, attention = layer(x, sentences, bias, kept)
            attentions.append(attention)
        x = x if self.encoder_norm is None else self.encoder_norm(x)
        return Encoded(x.view(sentences, length, -1), tuple(attentions))

    def read_source(self, states: Tensor) -> tuple[Keys, ...]:
        """Every decoder layer's keys and values of encoder states [N, S, D]."""
        flat = states.flatten(0, 1)
        return tuple(self._decoder_layer(i).cross_attention.read_source(flat, states.shape[0]) for i in self._layers)

    def empty_past(self, states: Tensor) -> tuple[Memory, ...]:
        """What every layer remembers before the first step, for encoder states [N, S, D]."""
        rows, decoder = states.shape[0], self.config.decoder
        if self.config.recurrent:
            return tuple(Cell(states.new_zeros(rows, self.config.size)) for _ in self._layers)
        past = states.new_zeros(rows, decoder.heads, 0, decoder.head_size)
        return tuple(Keys(past.clone(), past.clone()) for _ in self._layers)

    def step(
        self,
        previous_ids: Tensor,
        position: Tensor,
        memory: Sequence[Memory],
        source: Sequence[Keys],
        source_mask: Tensor,
        override: Override | None,
        head_mask: Tensor | None = None,
    ) -> Decoded:
        """One target token further for all rows.

        Args:
            previous_ids: [R], the rows of a sentence standing together.
            position: [1], the same for all rows.
            memory: of every layer, as `empty_past` and then the step before give it.
            head_mask: [L, A], of the decoder's self-attention, as that of `encode`.
        """
        x = self.target_embedding(previous_ids, position)
        bias, source_bias = self._step_bias(memory[0], position), _padding_bias(source_mask)
        given, kept = self._by_layer(override), _split_mask(head_mask, self.config.decoder)
        cross, own, memories, context = [], [], [], x
        for index in self._layers:
            x, found, attention, self_attention, remembered = self._decoder_layer(index).step(
                x, memory[index], bias, kept[index], source[index], source_bias, given[index]
            )
            context = found if index == self.context_layer else context
            cross.append(attention)
            own.append(self_attention)
            memories.append(remembered)
        return self._finish(x, context, cross, own, memories)

    def force(
        self,
        previous_ids: Tensor,
        source: Sequence[Keys],
        source_mask: Tensor,
        override: Override | None,
        head_mask: Tensor | None = None,
    ) -> Decoded:
        """All target tokens at once: ``previous_ids`` [N, T] begins with the start token, row t predicts token t.

        A recurrent decoder must go step by step.
        """
        sentences, length = previous_ids.shape
        positions = torch.arange(length, device=previous_ids.device)
        bias = torch.triu(torch.full((length, length), _MASKED), diagonal=1)[None, None]
        if self.decoder_bias is not None:
            bias = bias + self.decoder_bias(positions, positions)
        source_bias, given = _padding_bias(source_mask), self._by_layer(override)
        kept = _split_mask(head_mask, self.config.decoder)
        x = self.target_embedding(previous_ids, positions).flatten(0, 1)
        cross, own, context = [], [], x
        for index in self._layers:
            x, found, attention, self_attention = self._decoder_layer(index)(
                x, sentences, bias, kept[index], source[index], source_bias, given[index]
            )
            context = found if index == self.context_layer else context
            cross.append(attention)
            own.append(self_attention)
        return self._finish(x, context, cross, own, ())

    @property
    def _layers(self) -> range:
        return range(self.config.decoder.layers)

    def _decoder_layer(self, index: int) -> DecoderLayer:
        return cast(DecoderLayer, self.decoder[index])

    def _step_bias(self, memory: Memory, position: Tensor) -> Tensor | None:
        if self.decoder_bias is None:
            return None
        past = cast(Keys, memory).keys.shape[2]
        return cast(Tensor, self.decoder_bias(position, torch.arange(past + 1, device=position.device)))

    def _by_layer(self, override: Override | None) -> list[Override | None]:
        if override is None:
            return [None] * self.config.decoder.layers
        heads = self.config.decoder.heads
        pairs = zip(torch.split(override.weights, heads, 1), torch.split(override.on, heads, 1), strict=True)
        return [Override(*pair) for pair in pairs]

    def _finish(
        self, x: Tensor, context: Tensor, cross: Sequence[Tensor], own: Sequence[Tensor], memory: Sequence[Memory]
    ) -> Decoded:
        state = x if self.decoder_norm is None else self.decoder_norm(x)
        state = state if self.config.output_scale == 1.0 else state * self.config.output_scale
        state = state if self.output_transform is None else self.output_transform(state)
        return Decoded(self.output(state), state, context, torch.cat(list(cross), dim=1), tuple(own), tuple(memory))


def _make_norm(config: TransformerConfig) -> nn.Module:
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


def _split_mask(head_mask: Tensor | None, stack: StackConfig) -> Sequence[Tensor | None]:
    """A mask [layers, A] of heads as [1, A, 1, 1] of every layer."""
    return [None] * stack.layers if head_mask is None else torch.split(head_mask.view(-1, stack.heads, 1, 1), 1)


def _padding_bias(mask: Tensor) -> Tensor:
    """Zero on tokens and `_MASKED` on padding, [N, 1, 1, S]."""
    return (mask.to(torch.float32) - 1.0)[:, None, None, :] * -_MASKED


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
