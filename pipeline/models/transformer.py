"""One Transformer encoder-decoder (Vaswani et al. 2017) for every family, written to be exported and to decode fast.

Families differ in `TransformerConfig` and in the names of weights in their checkpoints; the modules do not depend on
the family. Four choices make a decoding step fast. Query, key and value are one projection. The scale of attention is
part of the query's weights. Everything outside attention is a matrix [rows, size]. The rows of a sentence (its beams or
its target tokens) are the queries of one attention, whose keys and values exist once a sentence.

Letters in shapes: N sentences, S source tokens, T target tokens of a row, R rows (a step has N x beams of them, one
token each), Q queries a sentence asks at once (beams or T), P earlier target tokens, L decoder layers, A heads, E size
of a head, D size of the states of a stack, V target vocabulary.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from pipeline.models.long_attention import LongWeights, Near, find_near
from pipeline.models.masking import MASKED, hide_far, hide_padding
from pipeline.models.source_blocks import SourceBlocks
from pipeline.models.transformer_config import LongSource, RelativeBias, StackConfig, TransformerConfig
from pipeline.models.transformer_layers import (
    Cell,
    DecoderLayer,
    DistanceBias,
    Embedding,
    EncoderLayer,
    Keys,
    Memory,
    OutputTransform,
    Override,
    Rotary,
    Rotation,
    cap,
    make_norm,
)


class Encoded(NamedTuple):
    """``states`` [N, S, D], and of every layer the output ``layers`` [N, S, D] and its attention."""

    states: Tensor
    weights: tuple[Tensor | LongWeights, ...]
    layers: tuple[Tensor, ...]

    @property
    def attention(self) -> list[Tensor]:
        """Attention between source tokens, [N, A, S, S] of every layer. Rows sum to 1 less that to other tokens."""
        length = self.states.shape[1]
        return [
            given.spread()[..., -length:, -length:] if isinstance(given, LongWeights) else given
            for given in self.weights
        ]


class Decoded(NamedTuple):
    """Outputs of the decoder for its queries.

    ``logits`` [R, V]; ``state`` [R, D], the input of the output projection; ``context`` [R, D], the output of the
    context layer's cross-attention before the residual sum; ``cross_attention`` [N, L x A, Q, S]; ``attention``
    [rows, A, T, P + T], every layer's self-attention, with no heads for an SSRU; ``memory``, every layer's memory of
    the target so far; ``layers`` [R, D], the output of every layer.
    """

    logits: Tensor
    state: Tensor
    context: Tensor
    cross_attention: Tensor
    attention: tuple[Tensor, ...]
    memory: tuple[Memory, ...]
    layers: tuple[Tensor, ...]


class Transformer(nn.Module):
    """The model. Its parts are methods, since each is exported as a graph of its own."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.context_layer = config.decoder.layers - 1
        relative, of_encoder = config.relative_bias, config.of_encoder
        self.source_embedding = Embedding(of_encoder, config.source_vocabulary, config.longest_source)
        learned = config.long_source.learned if config.long_source else 0
        self.source_globals = nn.Embedding(learned, of_encoder.size) if learned else None
        self.encoder = nn.ModuleList(EncoderLayer(of_encoder) for _ in range(config.encoder.layers))
        self.encoder_norm = make_norm(of_encoder) if config.final_norm else None
        self.encoder_bias = _make_biases(relative, config.encoder, both_sides=True)
        self.encoder_rotary = Rotary(config.rotary_base, config.encoder.head_size) if config.rotary_base else None
        self.source_blocks = _make_source_blocks(config)
        self.target_embedding = Embedding(
            config, config.target_vocabulary, config.positions, norm_before_positions=config.norm_before_positions
        )
        self.decoder = nn.ModuleList(DecoderLayer(config) for _ in range(config.decoder.layers))
        self.decoder_norm = make_norm(config) if config.final_norm else None
        self.decoder_bias = _make_biases(relative, config.decoder, both_sides=False)
        self.decoder_rotary = Rotary(config.rotary_base, config.decoder.head_size) if config.rotary_base else None
        transform = config.output_transform
        self.output_transform = OutputTransform(config, transform) if transform else None
        self.output = nn.Linear(config.size, config.target_vocabulary)
        if config.tied:
            self.output.weight = self.target_embedding.tokens.weight

    @classmethod
    def bare(cls, config: TransformerConfig) -> Transformer:
        """A model whose weights have shapes and no values; `adopt` gives it values."""
        with torch.device("meta"):
            return cls(config)

    def adopt(self, weights: Mapping[str, Tensor]) -> None:
        """Make these tensors the model's weights. They are not copied unless their values lie apart in memory.

        Raises:
            RuntimeError: a weight is missing, is not one of the model's, or has another shape.
        """
        self.load_state_dict({name: weight.contiguous() for name, weight in weights.items()}, assign=True)
        if self.config.tied:
            self.output.weight = self.target_embedding.tokens.weight
        self.eval().requires_grad_(requires_grad=False)

    def encode(self, source_ids: Tensor, source_mask: Tensor, head_mask: Tensor | None = None) -> Encoded:
        """Read a ragged batch: [N, S] ids padded on the right and the mask, true on tokens.

        Args:
            head_mask: [encoder layers, A], 0 for heads of self-attention that are ablated and 1 for the others.
        """
        sentences, positions = source_ids.shape[0], torch.arange(source_ids.shape[1], device=source_ids.device)
        blocks = None if self.source_blocks is None else self.source_blocks(source_mask)
        rotation = _rotate(self.encoder_rotary, positions)
        x = self._add_globals(self.source_embedding(source_ids, positions)).flatten(0, 1)
        weights, layers = [], []
        masks = _split_mask(head_mask, self.config.encoder)
        for layer, bias, kept in zip(self.encoder, self._read_places(source_mask, positions), masks, strict=True):
            x, attention = layer(x, sentences, bias, kept, rotation, blocks)
            weights.append(attention)
            layers.append(self._drop_globals(x, sentences))
        x = x if self.encoder_norm is None else self.encoder_norm(x)
        return Encoded(self._drop_globals(x, sentences), tuple(weights), tuple(layers))

    def read_source(self, states: Tensor) -> tuple[Keys, ...]:
        """Every decoder layer's keys and values of encoder states [N, S, D]."""
        flat = states.flatten(0, 1)
        return tuple(self._decoder_layer(i).cross_attention.read_source(flat, states.shape[0]) for i in self._layers)

    def empty_past(self, states: Tensor) -> tuple[Memory, ...]:
        """Every layer's memory before the first step, for encoder states [N, S, D]."""
        rows, decoder = states.shape[0], self.config.decoder
        if self.config.recurrent:
            return tuple(Cell(states.new_zeros(rows, self.config.size)) for _ in self._layers)
        past = states.new_zeros(rows, decoder.stored_heads, 0, decoder.head_size)
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
        """Decode one target token for all rows.

        Args:
            previous_ids: [R], the rows of a sentence adjacent.
            position: [1], the same for all rows.
            memory: every layer's, from `empty_past` at the first step and from the step before at others.
            head_mask: [R, L, A], for the decoder's self-attention, otherwise as that of `encode`.
        """
        x = self.target_embedding(previous_ids, position)
        biases, source_bias = self._step_biases(memory[0], position), hide_padding(source_mask)
        rotation = _rotate(self.decoder_rotary, position)
        given, kept = self._by_layer(override), _split_mask(head_mask, self.config.decoder)
        cross, own, memories, layers, context = [], [], [], [], x
        for index in self._layers:
            x, found, attention, self_attention, remembered = self._decoder_layer(index).step(
                x, memory[index], biases[index], kept[index], rotation, source[index], source_bias, given[index]
            )
            context = found if index == self.context_layer else context
            cross.append(attention)
            own.append(self_attention)
            memories.append(remembered)
            layers.append(x)
        return self._finish(layers, context, cross, own, memories)

    def force(
        self,
        previous_ids: Tensor,
        source: Sequence[Keys],
        source_mask: Tensor,
        override: Override | None,
        head_mask: Tensor | None = None,
    ) -> Decoded:
        """All target tokens at once: ``previous_ids`` [N, T] begins with the start token, row t predicts token t.

        A recurrent decoder must run step by step.
        """
        sentences, length = previous_ids.shape
        positions = torch.arange(length, device=previous_ids.device)
        future = torch.triu(torch.full((length, length), MASKED), diagonal=1)[None, None]
        biases = _find_biases(future, self.decoder_bias, self.config.decoder, positions, positions)
        rotation = _rotate(self.decoder_rotary, positions)
        source_bias, given = hide_padding(source_mask), self._by_layer(override)
        kept = _split_mask(head_mask, self.config.decoder)
        x = self.target_embedding(previous_ids, positions).flatten(0, 1)
        cross, own, layers, context = [], [], [], x
        for index in self._layers:
            x, found, attention, self_attention = self._decoder_layer(index)(
                x, sentences, biases[index], kept[index], rotation, source[index], source_bias, given[index]
            )
            context = found if index == self.context_layer else context
            cross.append(attention)
            own.append(self_attention)
            layers.append(x)
        return self._finish(layers, context, cross, own, ())

    def _read_places(self, source_mask: Tensor, positions: Tensor) -> Sequence[Tensor | Near | None]:
        """The places that every encoder layer attends to: added to its scores, or blocks of near ones."""
        config = self.config
        if config.long_source is not None:
            return _find_all_near(source_mask, config.long_source)
        return _find_biases(hide_padding(source_mask), self.encoder_bias, config.encoder, positions, positions)

    def _add_globals(self, x: Tensor) -> Tensor:
        """Learned global tokens, if the model has any, before those of sources [N, S, D]."""
        if self.source_globals is None:
            return x
        return torch.cat([self.source_globals.weight.expand(x.shape[0], -1, -1), x], dim=1)

    def _drop_globals(self, x: Tensor, sentences: int) -> Tensor:
        """The tokens of sources, [N, S, D], of all tokens of an encoder layer, [N x tokens, D]."""
        every = x.view(sentences, -1, x.shape[-1])
        return every if self.source_globals is None else every[:, self.source_globals.num_embeddings :]

    @property
    def _layers(self) -> range:
        return range(self.config.decoder.layers)

    def _decoder_layer(self, index: int) -> DecoderLayer:
        return cast(DecoderLayer, self.decoder[index])

    def _step_biases(self, memory: Memory, position: Tensor) -> Sequence[Tensor | None]:
        """The bias of every layer for one new token; None where distances have none."""
        if not self.decoder_bias and not self.config.decoder.radii:
            return [None] * self.config.decoder.layers
        past = cast(Keys, memory).keys.shape[2]
        keys = torch.arange(past + 1, device=position.device)
        return _find_biases(None, self.decoder_bias, self.config.decoder, position, keys)

    def _by_layer(self, override: Override | None) -> list[Override | None]:
        if override is None:
            return [None] * self.config.decoder.layers
        heads = self.config.decoder.heads
        pairs = zip(torch.split(override.weights, heads, 1), torch.split(override.on, heads, 1), strict=True)
        return [Override(*pair) for pair in pairs]

    def _finish(
        self,
        layers: Sequence[Tensor],
        context: Tensor,
        cross: Sequence[Tensor],
        own: Sequence[Tensor],
        memory: Sequence[Memory],
    ) -> Decoded:
        state = layers[-1] if self.decoder_norm is None else self.decoder_norm(layers[-1])
        state = state if self.config.output_scale == 1.0 else state * self.config.output_scale
        state = state if self.output_transform is None else self.output_transform(state)
        cross_attention = torch.cat(list(cross), dim=1)
        logits = cap(self.output(state), self.config.output_cap)
        return Decoded(logits, state, context, cross_attention, tuple(own), tuple(memory), tuple(layers))


def _make_biases(relative: RelativeBias | None, stack: StackConfig, *, both_sides: bool) -> nn.ModuleList:
    """The biases by distance: of every layer, or one for all, or none."""
    count = 0 if relative is None else stack.layers if relative.by_layer else 1
    return nn.ModuleList(
        DistanceBias(cast(RelativeBias, relative), stack.heads, both_sides=both_sides) for _ in range(count)
    )


def _make_source_blocks(config: TransformerConfig) -> SourceBlocks | None:
    relative = config.relative_bias
    if not config.source_block or relative is None:
        return None
    return SourceBlocks(config.source_block, relative, config.encoder.heads)


def _rotate(rotary: nn.Module | None, positions: Tensor) -> Rotation | None:
    return None if rotary is None else cast(Rotation, rotary(positions))


def _find_biases(
    shared: Tensor | None, distances: nn.ModuleList, stack: StackConfig, queries: Tensor, keys: Tensor
) -> Sequence[Tensor | None]:
    """The bias of every layer between positions: ``shared``, the layer's own by distance, `MASKED` beyond its radius.

    Layers with the same distances and radius share one tensor.
    """
    tables = list(distances) if len(distances) == stack.layers else [*distances, None][:1] * stack.layers
    kinds = list(zip(tables, stack.radii or [0] * stack.layers, strict=True))
    found = {
        (table, radius): _add_up(
            shared, table(queries, keys) if table else None, hide_far(queries, keys, radius) if radius else None
        )
        for table, radius in dict.fromkeys(kinds)
    }
    return [found[kind] for kind in kinds]


def _add_up(*terms: Tensor | None) -> Tensor | None:
    given = [term for term in terms if term is not None]
    return functools.reduce(torch.add, given) if given else None


def _split_mask(head_mask: Tensor | None, stack: StackConfig) -> Sequence[Tensor | None]:
    """A mask [rows, layers, A] of heads as [rows, A, 1, 1] of every layer; [layers, A] counts as one row."""
    if head_mask is None:
        return [None] * stack.layers
    return torch.split(head_mask.view(-1, stack.layers * stack.heads, 1, 1), stack.heads, 1)


def _find_all_near(source_mask: Tensor, long_source: LongSource) -> Sequence[Near]:
    """The near tokens of every layer; layers with the same reach share them."""
    learned = long_source.learned
    mask = (
        torch.cat([source_mask.new_ones(source_mask.shape[0], learned), source_mask], dim=1) if learned else source_mask
    )
    near = {reach: find_near(mask, reach, learned or 1) for reach in dict.fromkeys(long_source.reaches)}
    return [near[reach] for reach in long_source.reaches]
