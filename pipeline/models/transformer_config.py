"""Sizes and variants of Transformers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Activation = Literal["relu", "gelu", "gelu_sigmoid", "gelu_tanh", "silu"]


@dataclass(frozen=True, slots=True)
class StackConfig:
    """Sizes of an encoder or a decoder.

    Attributes:
        head_size: size of a head; times the heads it may differ from the size of the model.
        feed_forward: inner size of the feed-forward layers.
        feed_forward_depth: number of projections of a feed-forward layer, at least 2.
        key_heads: number of heads of keys and values, each read by as many queries as there are to one (Ainslie et al.
            2023); 0 if every head has its own.
        radii: largest distance of a token that self-attention reads, of every layer, or 0 for any distance; empty if
            all layers read everything.
    """

    layers: int
    heads: int
    head_size: int
    feed_forward: int
    feed_forward_depth: int = 2
    key_heads: int = 0
    radii: tuple[int, ...] = ()

    @property
    def stored_heads(self) -> int:
        """Number of heads of keys and values."""
        return self.key_heads or self.heads


@dataclass(frozen=True, slots=True)
class RelativeBias:
    """Attention bias by distance (Raffel et al. 2020): a weight per head for each of ``buckets`` ranges of distances.

    Distances of ``longest`` and more share the last bucket. Layers share one table of weights unless ``by_layer``, as
    in UMT5 (Chung et al. 2023).
    """

    buckets: int
    longest: int
    by_layer: bool = False


@dataclass(frozen=True, slots=True)
class Reach:
    """The tokens near to a token.

    Attributes:
        size: tokens of a block, or the largest distance.
        kind: whether near tokens are those within the distance or those of the same block. The first of ``staggered``
            blocks is half a block.
    """

    size: int
    kind: Literal["distance", "block", "staggered"]


@dataclass(frozen=True, slots=True)
class LongSource:
    """Self-attention of the encoder to near tokens and to global ones, which attend to all tokens.

    Attributes:
        reaches: the near tokens, of every layer.
        learned: number of learned global tokens, which precede those of the source (Phang et al. 2022); 0 if the first
            token of the source is global, with projections of its own (Beltagy et al. 2020).
    """

    reaches: tuple[Reach, ...]
    learned: int = 0


@dataclass(frozen=True, slots=True)
class TransformerConfig:
    """Sizes and variants of a model.

    Attributes:
        size: D, the size of the decoder's states.
        source_size: size of the encoder's states where it is another.
        norm_first: whether norms stand before each sublayer, not after the residual sum.
        norm_change: whether a further norm stands after each sublayer, before the residual sum.
        embedding_norm, final_norm: a norm after the embeddings; one after the last layer.
        rms_norm: norms without mean and bias (Zhang and Sennrich 2019).
        gated: the feed-forward layer multiplies its activation with a second projection (Shazeer 2020).
        bias: whether projections have biases.
        attention_bias: whether those of attention have, where others do.
        embedding_scale: factor of the token embeddings.
        source_embedding_scale: factor of the source's where it is another.
        output_scale: factor of the output projection's input.
        attention_cap, output_cap: c where attention's scores, or the logits, x are ``c * tanh(x / c)`` (Gemma Team
            2024); 0 for none.
        positions: rows of the table of absolute positions, or 0 for none.
        source_positions: rows of the source's table where it has another number.
        norm_before_positions: whether the target's norm of embeddings stands before positions are added, not after.
        relative_bias: bias of self-attention by distance, or None.
        rotary_base: base of the frequencies by which positions turn queries and keys of self-attention (Su et al.
            2021); 0 for none.
        source_block: number of source tokens of a block whose sum the encoder attends to besides tokens (Guo et al.
            2022); 0 for none.
        long_source: another self-attention of the encoder, for sources of thousands of tokens; None for the usual one.
        output_transform: activation of BERT's transform, a projection and a norm before the output projection; None
            for a model without it.
        tied: whether the output projection is the table of target embeddings.
        recurrent: whether the decoder reads its past through an SSRU instead of self-attention.
        recurrent_projection: whether the output of the SSRU is projected.
    """

    source_vocabulary: int
    target_vocabulary: int
    size: int
    encoder: StackConfig
    decoder: StackConfig
    activation: Activation
    norm_first: bool
    source_size: int | None = None
    norm_change: bool = False
    norm_epsilon: float = 1e-5
    rms_norm: bool = False
    embedding_norm: bool = False
    final_norm: bool = False
    gated: bool = False
    bias: bool = True
    attention_bias: bool = True
    embedding_scale: float = 1.0
    source_embedding_scale: float | None = None
    output_scale: float = 1.0
    attention_cap: float = 0.0
    output_cap: float = 0.0
    positions: int = 0
    source_positions: int | None = None
    norm_before_positions: bool = False
    relative_bias: RelativeBias | None = None
    rotary_base: float = 0.0
    source_block: int = 0
    long_source: LongSource | None = None
    output_transform: Activation | None = None
    tied: bool = False
    recurrent: bool = False
    recurrent_projection: bool = False

    @property
    def has_attention_bias(self) -> bool:
        """Whether the projections of attention have biases."""
        return self.bias and self.attention_bias

    @property
    def of_encoder(self) -> TransformerConfig:
        """The configuration that the encoder's modules are made from, whose D and scale are those of the source."""
        size = self.size if self.source_size is None else self.source_size
        scale = self.embedding_scale if self.source_embedding_scale is None else self.source_embedding_scale
        return replace(self, size=size, embedding_scale=scale)

    @property
    def longest_source(self) -> int:
        """Rows of the source's table of positions, or 0 for none."""
        return self.positions if self.source_positions is None else self.source_positions

    @property
    def source_windows(self) -> tuple[int, ...]:
        """Tokens of each kind of window or block that the encoder reads a source in; empty if it has none."""
        reaches = self.long_source.reaches if self.long_source else ()
        sizes = {*(reach.size for reach in reaches), *self.encoder.radii, self.source_block}
        return tuple(sorted(sizes - {0}))
