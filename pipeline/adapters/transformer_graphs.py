"""The graphs and spaces of `pipeline.models.transformer`, for every adapter that reads a Transformer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict, TypeVar

import torch
from torch import Tensor, nn

from exported_models.contract.graphs import MEMORY_PREFIX, NEXT_PREFIX, SOURCE_PREFIX, TensorSpec
from exported_models.contract.manifest import CONTEXT_SPACE, DECODER_SPACE, ENCODER_SPACE, HeadGrid, SpaceSpec
from pipeline.graphs.modules import GROWING
from pipeline.models.spaces import (
    SOURCE_EMBEDDING_SPACE,
    TARGET_EMBEDDING_SPACE,
    embedding_spaces,
    layer_spaces,
    name_layers,
)
from pipeline.models.transformer import Transformer
from pipeline.models.transformer_config import TransformerConfig
from pipeline.models.transformer_layers import Cell, Keys, Memory, Override

_KINDS: Mapping[type[Memory], tuple[str, ...]] = {Keys: ("key", "value"), Cell: ("cell",)}
"""Names of a layer's tensors in graphs, in the order of its fields."""

_Layer = TypeVar("_Layer", Keys, Cell)


class TransformerEncoder(nn.Module):
    """The encoder, with the source tensors and the decoder's empty memory."""

    def __init__(self, model: Transformer) -> None:
        super().__init__()
        self.model = model

    def forward(self, source_ids: Tensor, source_mask: Tensor, head_mask: Tensor | None = None) -> dict[str, Tensor]:
        encoded = self.model.encode(source_ids, source_mask, head_mask)
        states = encoded.states
        return {
            "encoder_state": states,
            **name_layers("encoder", encoded.layers),
            **_name(SOURCE_PREFIX, self.model.read_source(states)),
            **_name(MEMORY_PREFIX, self.model.empty_past(states)),
        }


class TransformerStep(nn.Module):
    """One decoder step."""

    def __init__(self, model: Transformer) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        config, mask = self.model.config, inputs["source_mask"]
        memory: tuple[Memory, ...] = (
            _collect(MEMORY_PREFIX, inputs, config, Cell)
            if config.recurrent
            else _collect(MEMORY_PREFIX, inputs, config, Keys)
        )
        decoded = self.model.step(
            inputs["previous_ids"],
            inputs["position"],
            memory,
            _collect(SOURCE_PREFIX, inputs, config, Keys),
            mask,
            _by_sentence(inputs["attention_override"], inputs["override_on"], mask),
            inputs.get("decoder_head_mask"),
        )
        return {
            "logits": decoded.logits,
            "decoder_state": decoded.state,
            "context": decoded.context,
            **name_layers("decoder", decoded.layers),
            "cross_attention": _by_row(decoded.cross_attention, config),
            **_name(NEXT_PREFIX, decoded.memory),
        }


class TransformerForced(nn.Module):
    """The decoder over a whole target in one pass."""

    def __init__(self, model: Transformer) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        config, previous_ids = self.model.config, inputs["previous_ids"]
        source = _collect(SOURCE_PREFIX, inputs, config, Keys)
        head_mask = inputs.get("decoder_head_mask")
        decoded = self.model.force(previous_ids, source, inputs["source_mask"], None, head_mask)
        sentences, length = previous_ids.shape
        attention = _by_row(decoded.cross_attention, config)
        return {
            "logits": decoded.logits.view(sentences, length, -1),
            "decoder_state": decoded.state.view(sentences, length, -1),
            "context": decoded.context.view(sentences, length, -1),
            **name_layers("decoder", [layer.view(sentences, length, -1) for layer in decoded.layers]),
            "cross_attention": attention.view(sentences, length, *attention.shape[1:]),
        }


class TransformerSelfAttention(nn.Module):
    """Self-attention of encoder and decoder, of every layer and head; none for a recurrent decoder."""

    def __init__(self, model: Transformer) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        encoded = self.model.encode(inputs["source_ids"], inputs["source_mask"], inputs.get("head_mask"))
        return {
            "encoder_attention": torch.stack(encoded.attention, dim=1),
            "decoder_attention": self._attend_to_target(inputs, encoded.states),
        }

    def _attend_to_target(self, inputs: Mapping[str, Tensor], states: Tensor) -> Tensor:
        mask, previous_ids, config = inputs["source_mask"], inputs["previous_ids"], self.model.config
        if config.recurrent:
            sentences, length = previous_ids.shape
            return states.new_zeros(sentences, 0, config.decoder.heads, length, length)
        override = _by_sentence(inputs["attention_override"].flatten(0, 1), inputs["override_on"].flatten(0, 1), mask)
        source, head_mask = self.model.read_source(states), inputs.get("decoder_head_mask")
        decoded = self.model.force(previous_ids, source, mask, override, head_mask)
        return torch.stack(decoded.attention, dim=1)


class TransformerEmbeddings(nn.Module):
    """The tables of word embeddings of both sides, unscaled as in the checkpoint."""

    def __init__(self, model: Transformer) -> None:
        super().__init__()
        self.source, self.target = model.source_embedding.tokens, model.target_embedding.tokens

    def forward(self, source_ids: Tensor, target_ids: Tensor) -> dict[str, Tensor]:
        return {SOURCE_EMBEDDING_SPACE: self.source(source_ids), TARGET_EMBEDDING_SPACE: self.target(target_ids)}


class TransformerFields(TypedDict):
    """The fields of `LoadedCheckpoint` that depend on the Transformer alone."""

    encoder: TransformerEncoder
    decoder_step: TransformerStep
    teacher_forced: TransformerForced | None
    self_attention: TransformerSelfAttention
    embeddings: TransformerEmbeddings
    source_tensors: tuple[TensorSpec, ...]
    memory_tensors: tuple[TensorSpec, ...]
    spaces: tuple[SpaceSpec, ...]
    cross_attention_layers: int
    cross_attention_heads: int
    encoder_self_attention: HeadGrid
    decoder_self_attention: HeadGrid | None
    source_vocabulary: int
    target_vocabulary: int
    source_windows: tuple[int, ...]


def describe_transformer(model: Transformer) -> TransformerFields:
    """Graphs, spaces and sizes of a Transformer. Adapters add tokenizers, generation settings and a reference."""
    config = model.config
    encoder, decoder = config.encoder, config.decoder
    return {
        "encoder": TransformerEncoder(model),
        "decoder_step": TransformerStep(model),
        "teacher_forced": None if config.recurrent else TransformerForced(model),
        "self_attention": TransformerSelfAttention(model),
        "embeddings": TransformerEmbeddings(model),
        "source_tensors": source_tensors(config),
        "memory_tensors": memory_tensors(config),
        "spaces": transformer_spaces(config),
        "cross_attention_layers": decoder.layers,
        "cross_attention_heads": decoder.heads,
        "encoder_self_attention": HeadGrid(layers=encoder.layers, heads=encoder.heads),
        "decoder_self_attention": None if config.recurrent else HeadGrid(layers=decoder.layers, heads=decoder.heads),
        "source_vocabulary": config.source_vocabulary,
        "target_vocabulary": config.target_vocabulary,
        "source_windows": config.source_windows,
    }


def source_tensors(config: TransformerConfig) -> tuple[TensorSpec, ...]:
    """The cross-attention's keys and values of every layer."""
    heads, size = config.decoder.stored_heads, config.decoder.head_size
    return _specs(
        SOURCE_PREFIX,
        config,
        ("sentences", heads, size, "source"),
        ("sentences", heads, "source", size),
        "of the encoder states for cross-attention",
    )


def memory_tensors(config: TransformerConfig) -> tuple[TensorSpec, ...]:
    """The self-attention's keys and values of every layer, or the states of its recurrent unit."""
    if config.recurrent:
        return tuple(
            TensorSpec(f"{MEMORY_PREFIX}cell.{layer}", "float32", ("sentences", config.size), "cell state of the SSRU")
            for layer in range(config.decoder.layers)
        )
    shape = ("sentences", config.decoder.stored_heads, GROWING, config.decoder.head_size)
    return _specs(MEMORY_PREFIX, config, shape, shape, "of the target tokens before")


def transformer_spaces(config: TransformerConfig, context_layer: int | None = None) -> tuple[SpaceSpec, ...]:
    """Encoder, decoder and context states; on demand those of lower layers.

    Args:
        context_layer: decoder layer whose context is a space, counted from 0; None for the last.
    """
    layer = config.decoder.layers - 1 if context_layer is None else context_layer
    source_size = config.of_encoder.size
    return (
        SpaceSpec(
            name=ENCODER_SPACE,
            owner="source",
            output="encoder_state",
            size=source_size,
            meaning="last output of the encoder at a source token",
            stage="encoder",
        ),
        SpaceSpec(
            name=DECODER_SPACE,
            owner="target",
            output="decoder_state",
            size=config.size,
            meaning="what the output projection reads to predict a target token",
            stage="decoder",
        ),
        SpaceSpec(
            name=CONTEXT_SPACE,
            owner="target",
            output="context",
            size=config.size,
            meaning=f"cross-attention output of decoder layer {layer}, counted from 0, for a target token",
            layer=layer,
            stage="attention",
        ),
        *layer_spaces("encoder", config.encoder.layers, source_size),
        *layer_spaces("decoder", config.decoder.layers, config.size),
        *embedding_spaces(source_size, config.size),
    )


def _specs(
    prefix: str, config: TransformerConfig, keys: tuple[str | int, ...], values: tuple[str | int, ...], meaning: str
) -> tuple[TensorSpec, ...]:
    return tuple(
        TensorSpec(f"{prefix}{kind}.{layer}", "float32", shape, f"{kind}s {meaning}")
        for layer in range(config.decoder.layers)
        for kind, shape in (("key", keys), ("value", values))
    )


def _name(prefix: str, layers: Sequence[Memory]) -> dict[str, Tensor]:
    return {
        f"{prefix}{kind}.{index}": tensor
        for index, layer in enumerate(layers)
        for kind, tensor in zip(_KINDS[type(layer)], layer, strict=True)
    }


def _collect(
    prefix: str, inputs: Mapping[str, Tensor], config: TransformerConfig, layer: type[_Layer]
) -> tuple[_Layer, ...]:
    indexes = range(config.decoder.layers)
    return tuple(layer(*(inputs[f"{prefix}{kind}.{index}"] for kind in _KINDS[layer])) for index in indexes)


def _by_sentence(weights: Tensor, on: Tensor, mask: Tensor) -> Override:
    """Arrange override rows [R, L, A, S] and [R, L, A] as queries of their sentences, with zeros on padding."""
    sentences, length = mask.shape
    heads = weights.shape[1] * weights.shape[2]
    queries = weights.view(sentences, -1, heads, length).transpose(1, 2)
    switches = on.view(sentences, -1, heads, 1).transpose(1, 2)
    return Override(queries * mask[:, None, None, :].to(queries.dtype), switches)


def _by_row(attention: Tensor, config: TransformerConfig) -> Tensor:
    """[N, L x A, Q, S] -> [R, L, A, S]."""
    return attention.transpose(1, 2).reshape(-1, config.decoder.layers, config.decoder.heads, attention.shape[-1])
