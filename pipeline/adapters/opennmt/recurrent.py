"""OpenNMT-py's LSTM and GRU encoder-decoders as `pipeline.models.recurrent`."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from pipeline.adapters.named_weights import Weights
from pipeline.adapters.opennmt.checkpoint import Checkpoint
from pipeline.adapters.opennmt.names import TARGET_EMBEDDING
from pipeline.adapters.opennmt.options import RecurrentOptions
from pipeline.errors import CheckpointError
from pipeline.models.recurrent import Attention, Cell, RecurrentConfig, RecurrentModel, Start, hold_cell
from pipeline.reference.stacks import list_parameters, name_layer

CELLS: Mapping[str, Cell] = {"LSTM": "lstm", "GRU": "gru"}


def build_recurrent_model(checkpoint: Checkpoint, options: RecurrentOptions, embedding: Tensor) -> RecurrentModel:
    """The model with its weights.

    Args:
        embedding: the source's, in the order of the exported model's vocabulary.

    Raises:
        CheckpointError: weights are missing, or do not fit the options.
    """
    if options.enc_layers != options.dec_layers:
        raise CheckpointError(
            f"{checkpoint.path} has {options.enc_layers} encoder and {options.dec_layers} decoder layers; recurrent "
            "models can be exported that have as many of both."
        )
    weights = checkpoint.weights
    config = _configure(options, weights, embedding)
    converted = {"source_embedding.weight": embedding, "target_embedding.weight": weights.take(TARGET_EMBEDDING)}
    converted |= _convert_encoder(config, weights)
    converted |= _convert_decoder(config, weights)
    converted |= _convert_attention(config, weights)
    converted |= weights.take_layer("generator", "output")
    weights.finish()
    model = RecurrentModel(config)
    weights.fill(model, converted)
    return model


def _configure(options: RecurrentOptions, weights: Weights, embedding: Tensor) -> RecurrentConfig:
    start: Start = "bridged" if options.bridge else "copied"
    attention: Attention = options.global_attention
    target = weights.take(TARGET_EMBEDDING)
    return RecurrentConfig(
        source_vocabulary=embedding.shape[0],
        target_vocabulary=target.shape[0],
        source_embedding=embedding.shape[1],
        target_embedding=target.shape[1],
        encoder_units=weights.take(f"encoder.rnn.{name_layer('weight_hh', 0)}").shape[1],
        decoder_units=weights.take("generator.weight").shape[1],
        cell=CELLS[options.rnn_type],
        bidirectional=options.encoder_type == "brnn",
        start=start,
        attention=attention,
        input_feeding=options.input_feed,
        encoder_layers=options.enc_layers,
        decoder_layers=options.dec_layers,
        activation="none" if attention == "mlp" else "tanh",
        attentional_bias=attention == "mlp",
    )


def _convert_encoder(config: RecurrentConfig, weights: Weights) -> dict[str, Tensor]:
    converted = {}
    for kind, index, backward in list_parameters(config.encoder_layers, bidirectional=config.bidirectional):
        tensor = weights.take(f"encoder.rnn.{name_layer(kind, index, backward=backward)}")
        held = hold_cell(tensor) if config.has_cell and kind == "weight_ih" else tensor
        converted[f"encoder.{index}.{'back' if backward else 'ahead'}.{name_layer(kind, 0)}"] = held
    if config.start == "bridged":
        converted |= weights.take_layer("encoder.bridge.0", "start.hidden_bridge")
        converted |= weights.take_layer("encoder.bridge.1", "start.cell_bridge") if config.has_cell else {}
    return converted


def _convert_decoder(config: RecurrentConfig, weights: Weights) -> dict[str, Tensor]:
    converted = {}
    for kind, index, _ in list_parameters(config.decoder_layers, bidirectional=False):
        name = f"layers.{index}.{kind}" if config.input_feeding else name_layer(kind, index)
        converted[f"decoder.{index}.{kind}"] = weights.take(f"decoder.rnn.{name}")
    return converted


def _convert_attention(config: RecurrentConfig, weights: Weights) -> dict[str, Tensor]:
    if not config.attends:
        return {}
    converted = weights.take_layer("decoder.attn.linear_out", "attentional")
    if config.attention == "general":
        # OpenNMT projects the query at every step. Projecting the states once a sentence gives the same products.
        converted["key_projection.weight"] = weights.take("decoder.attn.linear_in.weight").T
    elif config.attention == "mlp":
        converted |= weights.take_layer("decoder.attn.linear_context", "key_projection")
        converted |= weights.take_layer("decoder.attn.linear_query", "query_projection")
        converted |= weights.take_layer("decoder.attn.v", "energy")
    return converted
