"""The graphs and spaces of `pipeline.models.recurrent`, for every adapter that reads a recurrent model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

import torch
from torch import Tensor, nn

from exported_models.contract.arrays import Floats
from exported_models.contract.graphs import MEMORY_PREFIX, NEXT_PREFIX, SOURCE_PREFIX, TensorSpec
from exported_models.contract.manifest import CONTEXT_SPACE, DECODER_SPACE, ENCODER_SPACE, SpaceSpec
from pipeline.models.recurrent import Memory, Override, RecurrentConfig, RecurrentModel, Source
from pipeline.models.spaces import (
    ATTENTIONAL_SPACE,
    SOURCE_EMBEDDING_SPACE,
    TARGET_EMBEDDING_SPACE,
    embedding_spaces,
    layer_spaces,
    name_layers,
    name_lower_layers,
)
from pipeline.reference.stepwise import StepResult

_CELL_NAMES = {"lstm": "LSTM", "gru": "GRU"}

MAX_SOURCE_TOKENS = 512
"""Longest source of models that have no limit of their own: it bounds the cost of a mistaken request."""


class RecurrentEncoder(nn.Module):
    """The encoder, with the source tensors and the decoder's initial memory."""

    def __init__(self, model: RecurrentModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, source_ids: Tensor, source_mask: Tensor) -> dict[str, Tensor]:
        states, memory, layers = self.model.encode(source_ids, source_mask)
        found = {"encoder_state": states, **name_layers("encoder", layers), **_name(MEMORY_PREFIX, memory)}
        if self.model.config.attends:
            source = self.model.read_source(states, source_mask)
            found |= {f"{SOURCE_PREFIX}states": source.states, f"{SOURCE_PREFIX}keys": source.keys}
        return found


class RecurrentStep(nn.Module):
    """One decoder step."""

    def __init__(self, model: RecurrentModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        config = self.model.config
        source, override = None, None
        if config.attends:
            source = Source(inputs[f"{SOURCE_PREFIX}states"], inputs[f"{SOURCE_PREFIX}keys"], inputs["source_mask"])
            override = Override(inputs["attention_override"][:, 0, 0], inputs["override_on"][:, 0, 0])
        stepped = self.model.step(inputs["previous_ids"], _collect(inputs, config), source, override)
        found = {
            "logits": stepped.logits,
            "decoder_state": stepped.state,
            ATTENTIONAL_SPACE: stepped.predictor,
            **name_layers("decoder", stepped.memory.hidden),
            **_name(NEXT_PREFIX, stepped.memory),
        }
        if stepped.context is not None and stepped.attention is not None:
            found |= {"context": stepped.context, "cross_attention": stepped.attention[:, None, None]}
        return found


class RecurrentEmbeddings(nn.Module):
    """The tables of word embeddings of both sides."""

    def __init__(self, model: RecurrentModel) -> None:
        super().__init__()
        self.source, self.target = model.source_embedding, model.target_embedding

    def forward(self, source_ids: Tensor, target_ids: Tensor) -> dict[str, Tensor]:
        return {SOURCE_EMBEDDING_SPACE: self.source(source_ids), TARGET_EMBEDDING_SPACE: self.target(target_ids)}


class RecurrentRun:
    """One source, alone and without padding, run by the torch model: the reference for ragged batches."""

    def __init__(self, model: RecurrentModel, source_ids: Sequence[int]) -> None:
        self._model = model
        mask = torch.ones(1, len(source_ids), dtype=torch.bool)
        encoded = model.encode(torch.tensor([list(source_ids)]), mask)
        self._memory = encoded.memory
        self._source = model.read_source(encoded.states, mask) if model.config.attends else None
        self.encoder_states = _floats(encoded.states[0])
        self.more_states = name_lower_layers("encoder", [_floats(layer[0]) for layer in encoded.layers])

    def step(self, tokens: Sequence[int], parents: Sequence[int]) -> StepResult:
        order = torch.tensor(list(parents))
        hidden, cell, feed = self._memory
        memory = Memory(
            tuple(layer[order] for layer in hidden),
            tuple(layer[order] for layer in cell),
            None if feed is None else feed[order],
        )
        stepped = self._model.step(torch.tensor(list(tokens)), memory, self._source, None)
        self._memory = stepped.memory
        return StepResult(
            logits=_floats(stepped.logits),
            decoder_state=_floats(stepped.state),
            context=None if stepped.context is None else _floats(stepped.context),
            attention=None if stepped.attention is None else _floats(stepped.attention[:, None, None]),
            more_states={
                **name_lower_layers("decoder", [_floats(layer) for layer in stepped.memory.hidden]),
                **({} if stepped.context is None else {ATTENTIONAL_SPACE: _floats(stepped.predictor)}),
            },
        )


class RecurrentFields(TypedDict):
    """The fields of `LoadedCheckpoint` that follow from a model."""

    encoder: nn.Module
    decoder_step: nn.Module
    embeddings: nn.Module
    source_tensors: tuple[TensorSpec, ...]
    memory_tensors: tuple[TensorSpec, ...]
    spaces: tuple[SpaceSpec, ...]
    cross_attention_layers: int
    cross_attention_heads: int
    source_vocabulary: int
    target_vocabulary: int


def describe_recurrent(model: RecurrentModel) -> RecurrentFields:
    """Graphs, spaces and sizes of a model. Adapters add tokenizers, generation settings and a reference."""
    config = model.config
    return {
        "encoder": RecurrentEncoder(model),
        "decoder_step": RecurrentStep(model),
        "embeddings": RecurrentEmbeddings(model),
        "source_tensors": source_tensors(config),
        "memory_tensors": memory_tensors(config),
        "spaces": recurrent_spaces(config),
        "cross_attention_layers": int(config.attends),
        "cross_attention_heads": int(config.attends),
        "source_vocabulary": config.source_vocabulary,
        "target_vocabulary": config.target_vocabulary,
    }


def read_embeddings(model: RecurrentModel) -> tuple[Floats, Floats]:
    """The tables [vocabulary, size] of word embeddings, source and target."""
    return _floats(model.source_embedding.weight.detach()), _floats(model.target_embedding.weight.detach())


def source_tensors(config: RecurrentConfig) -> tuple[TensorSpec, ...]:
    """The tensors that attention reads; none without attention."""
    if not config.attends:
        return ()
    width = config.encoder_size
    keys = width if config.attention == "dot" else config.decoder_units
    return (
        TensorSpec(f"{SOURCE_PREFIX}states", "float32", ("sentences", "source", width), "encoder states"),
        TensorSpec(
            f"{SOURCE_PREFIX}keys", "float32", ("sentences", "source", keys), "encoder states as attention keys"
        ),
    )


def memory_tensors(config: RecurrentConfig) -> tuple[TensorSpec, ...]:
    """The state of every decoder layer and, with input feeding, the vector fed to the next step."""
    shape, layer_name = ("sentences", config.decoder_units), f"decoder {_CELL_NAMES[config.cell]} layer"
    kinds = ("hidden", "cell") if config.has_cell else ("hidden",)
    layers = [
        TensorSpec(f"{MEMORY_PREFIX}{kind}.{index}", "float32", shape, f"{kind} state of {layer_name} {index + 1}")
        for kind in kinds
        for index in range(config.decoder_layers)
    ]
    feed = TensorSpec(f"{MEMORY_PREFIX}feed", "float32", shape, "what predicted the token before (input feeding)")
    return (*layers, feed) if config.input_feeding else tuple(layers)


def recurrent_spaces(config: RecurrentConfig) -> tuple[SpaceSpec, ...]:
    """Encoder and decoder states, and with attention contexts; on demand attentional vectors and lower layers."""
    cell = _CELL_NAMES[config.cell]
    read = f"both directions of the encoder {cell}" if config.bidirectional else f"hidden state of the encoder {cell}"
    attention = _attention_spaces(config) if config.attends else ()
    return (
        SpaceSpec(
            name=ENCODER_SPACE,
            owner="source",
            output="encoder_state",
            size=config.encoder_size,
            meaning=f"{read} at a source token",
            stage="encoder",
        ),
        SpaceSpec(
            name=DECODER_SPACE,
            owner="target",
            output="decoder_state",
            size=config.decoder_units,
            meaning=f"hidden state of the decoder {cell} that predicts a target token",
            stage="decoder",
        ),
        *attention,
        *layer_spaces("encoder", config.encoder_layers, config.encoder_size),
        *layer_spaces("decoder", config.decoder_layers, config.decoder_units),
        *embedding_spaces(config.source_embedding, config.target_embedding),
    )


def _attention_spaces(config: RecurrentConfig) -> tuple[SpaceSpec, ...]:
    return (
        SpaceSpec(
            name=CONTEXT_SPACE,
            owner="target",
            output="context",
            size=config.encoder_size,
            meaning="attention-weighted sum of the encoder states for a target token",
            stage="attention",
        ),
        SpaceSpec(
            name=ATTENTIONAL_SPACE,
            owner="target",
            output=ATTENTIONAL_SPACE,
            size=config.decoder_units,
            meaning="attentional vector (Luong et al. 2015, equation 5): what the output projection reads",
            kind="on_demand",
            stage="prediction",
        ),
    )


def _name(prefix: str, memory: Memory) -> dict[str, Tensor]:
    kinds = (("hidden", memory.hidden), ("cell", memory.cell))
    named = {f"{prefix}{kind}.{index}": layer for kind, layers in kinds for index, layer in enumerate(layers)}
    return named if memory.feed is None else {**named, f"{prefix}feed": memory.feed}


def _collect(inputs: Mapping[str, Tensor], config: RecurrentConfig) -> Memory:
    layers = range(config.decoder_layers)
    return Memory(
        tuple(inputs[f"{MEMORY_PREFIX}hidden.{index}"] for index in layers),
        tuple(inputs[f"{MEMORY_PREFIX}cell.{index}"] for index in layers) if config.has_cell else (),
        inputs[f"{MEMORY_PREFIX}feed"] if config.input_feeding else None,
    )


def _floats(values: Tensor) -> Floats:
    array: Floats = values.to(torch.float32).numpy()
    return array
