"""JoeyNMT's LSTM and GRU encoder-decoders as `pipeline.models.recurrent`."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from pipeline.adapters.joeynmt.checkpoint import SOURCE_EMBEDDING, TARGET_EMBEDDING, Checkpoint
from pipeline.adapters.joeynmt.settings import Embeddings, RecurrentSettings
from pipeline.adapters.named_weights import Weights
from pipeline.adapters.shared_settings import require_equal
from pipeline.errors import CheckpointError
from pipeline.models.recurrent import Attention, RecurrentConfig, RecurrentModel, Start
from pipeline.reference.stacks import list_parameters, name_layer

_STARTS: Mapping[str, Start] = {"bridge": "one_bridge", "last": "one_copy", "zero": "zero"}
_ATTENTION: Mapping[str, Attention] = {"bahdanau": "mlp", "luong": "general"}


def read_tables(checkpoint: Checkpoint, own: RecurrentSettings) -> tuple[Tensor, Tensor]:
    """The tables [vocabulary, size] of word embeddings as the model reads them, source first."""
    # A tied table is the encoder's.
    scaled = (own.encoder, own.encoder if own.tied_embeddings else own.decoder)
    source, target = (checkpoint.weights.take(name) for name in (SOURCE_EMBEDDING, TARGET_EMBEDDING))
    return _scale(source, scaled[0].embeddings), _scale(target, scaled[1].embeddings)


def _scale(table: Tensor, settings: Embeddings) -> Tensor:
    return table * math.sqrt(table.shape[1]) if settings.scale else table


def build_recurrent_model(checkpoint: Checkpoint, own: RecurrentSettings) -> RecurrentModel:
    """The model with its weights.

    Raises:
        CheckpointError: weights are missing, or do not fit the settings.
    """
    weights, config = checkpoint.weights, _configure(checkpoint, own)
    source, target = read_tables(checkpoint, own)
    output = weights.take("decoder.output_layer.weight")
    converted = {"source_embedding.weight": source, "target_embedding.weight": target}
    converted |= {"output.weight": output, "output.bias": torch.zeros(len(output))}
    for kind, index, backward in list_parameters(config.encoder_layers, bidirectional=True):
        place = f"encoder.{index}.{'back' if backward else 'ahead'}.{name_layer(kind, 0)}"
        converted[place] = weights.take(f"encoder.rnn.{name_layer(kind, index, backward=backward)}")
    for kind, index, _ in list_parameters(config.decoder_layers, bidirectional=False):
        converted[f"decoder.{index}.{kind}"] = weights.take(f"decoder.rnn.{name_layer(kind, index)}")
    if config.start == "one_bridge":
        converted |= weights.take_layer("decoder.bridge_layer", "start.bridge")
    converted |= _convert_attention(config, weights)
    weights.finish()
    model = RecurrentModel(config)
    weights.fill(model, converted)
    return model


def _configure(checkpoint: Checkpoint, own: RecurrentSettings) -> RecurrentConfig:
    weights = checkpoint.weights
    source, target = weights.take(SOURCE_EMBEDDING), weights.take(TARGET_EMBEDDING)
    units, encoder_units = (weights.take(f"{side}.rnn.weight_hh_l0").shape[1] for side in ("decoder", "encoder"))
    if own.decoder.init_hidden == "last" and units not in (encoder_units, 2 * encoder_units):
        raise CheckpointError(
            f"{checkpoint.path} has init_hidden 'last', but a decoder of {units} units for encoder states of "
            f"{2 * encoder_units}, which do not fit."
        )
    return RecurrentConfig(
        source_vocabulary=source.shape[0],
        target_vocabulary=target.shape[0],
        source_embedding=source.shape[1],
        target_embedding=target.shape[1],
        encoder_units=encoder_units,
        decoder_units=units,
        cell=require_equal(checkpoint.path, "rnn_type", own.encoder.rnn_type, own.decoder.rnn_type),
        bidirectional=True,
        start=_STARTS[own.decoder.init_hidden],
        attention=_ATTENTION[own.decoder.attention],
        input_feeding=own.decoder.input_feeding,
        encoder_layers=own.encoder.num_layers,
        decoder_layers=own.decoder.num_layers,
        activation=own.decoder.activation,
        attentional_bias=True,
    )


def _convert_attention(config: RecurrentConfig, weights: Weights) -> dict[str, Tensor]:
    attentional = weights.take("decoder.att_vector_layer.weight")
    converted = {
        # JoeyNMT's layer reads the state before the context.
        "attentional.weight": attentional.roll(config.encoder_size, dims=1),
        "attentional.bias": weights.take("decoder.att_vector_layer.bias"),
        **weights.take_layer("decoder.attention.key_layer", "key_projection"),
    }
    if config.attention == "mlp":
        converted |= weights.take_layer("decoder.attention.query_layer", "query_projection")
        converted["query_projection.bias"] = torch.zeros(config.decoder_units)
        converted |= weights.take_layer("decoder.attention.energy_layer", "energy")
    return converted
