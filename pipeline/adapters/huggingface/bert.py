"""The library's ``EncoderDecoderModel`` (Rothe et al. 2020): a BERT or RoBERTa that reads and one that writes."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from transformers import PretrainedConfig, PreTrainedModel

from pipeline.adapters.huggingface.weights import (
    copy_cross_attention,
    copy_linear,
    find_activation,
    find_parts,
    is_tied,
    join_self_attention,
    make_output,
    require_equal,
)
from pipeline.errors import CheckpointError
from pipeline.models.transformer_config import StackConfig, TransformerConfig

_KINDS = ("bert", "camembert", "roberta", "xlm-roberta")


def configure(model: PreTrainedModel) -> TransformerConfig:
    """The configuration of the exported module.

    Raises:
        CheckpointError: encoder or decoder is neither BERT nor RoBERTa, or they differ in a setting of one Transformer.
    """
    encoder, decoder = model.config.encoder, model.config.decoder
    _check_kinds(model)
    require_equal(model, "hidden_size", "hidden_act", "layer_norm_eps", "vocab_size")
    parts = find_parts(model)
    return TransformerConfig(
        source_vocabulary=encoder.vocab_size,
        target_vocabulary=decoder.vocab_size,
        size=encoder.hidden_size,
        encoder=_stack(encoder),
        decoder=_stack(decoder),
        activation=find_activation(encoder.hidden_act, model.config),
        norm_first=False,
        norm_epsilon=encoder.layer_norm_eps,
        embedding_norm=True,
        positions=min(len(_positions(parts.encoder)), len(_positions(parts.decoder.base_model))),
        output_transform="gelu" if _is_roberta(decoder) else find_activation(decoder.hidden_act, model.config),
        tied=is_tied(model),
    )


def convert(model: PreTrainedModel) -> dict[str, Tensor]:
    """The weights of the exported module."""
    parts, positions = find_parts(model), configure(model).positions
    weights = make_output(parts.output.weight, parts.output.bias)
    if _is_roberta(model.config.decoder):
        dense, norm = parts.decoder.lm_head.dense, parts.decoder.lm_head.layer_norm
    else:
        transform = parts.decoder.cls.predictions.transform
        dense, norm = transform.dense, transform.LayerNorm
    weights |= copy_linear("output_transform.dense", dense) | copy_linear("output_transform.norm", norm)
    weights |= _convert_stack("source_embedding", "encoder", parts.encoder, positions)
    weights |= _convert_stack("target_embedding", "decoder", parts.decoder.base_model, positions)
    return weights


def find_contexts(model: PreTrainedModel) -> list[nn.Module]:
    """The output projections of the decoder's cross-attentions."""
    return [layer.crossattention.output.dense for layer in find_parts(model).decoder.base_model.encoder.layer]


def _check_kinds(model: PreTrainedModel) -> None:
    for side in ("encoder", "decoder"):
        kind = getattr(model.config, side).model_type
        if kind not in _KINDS:
            raise CheckpointError(
                f"The {side} in {model.name_or_path} is a {kind!r} model; two models as one can be exported where both "
                f"are of {', '.join(_KINDS)}."
            )


def _is_roberta(config: PretrainedConfig) -> bool:
    return config.model_type != "bert"


def _stack(config: PretrainedConfig) -> StackConfig:
    heads = config.num_attention_heads
    return StackConfig(config.num_hidden_layers, heads, config.hidden_size // heads, config.intermediate_size)


def _positions(module: Any) -> Tensor:
    """The table of positions from the first token's row on, with the embedding of the first token type added."""
    embeddings = module.embeddings
    first = embeddings.padding_idx + 1 if _is_roberta(module.config) else 0
    table: Tensor = embeddings.position_embeddings.weight[first:] + embeddings.token_type_embeddings.weight[0]
    return table


def _convert_stack(embedding: str, stack: str, module: Any, positions: int) -> dict[str, Tensor]:
    weights = {
        f"{embedding}.tokens.weight": module.embeddings.word_embeddings.weight,
        f"{embedding}.positions.weight": _positions(module)[:positions],
        **copy_linear(f"{embedding}.norm", module.embeddings.LayerNorm),
    }
    for index, layer in enumerate(module.encoder.layer):
        weights |= _convert_layer(f"{stack}.{index}", layer)
    return weights


def _convert_layer(target: str, layer: Any) -> dict[str, Tensor]:
    own = layer.attention.self
    weights = {
        **join_self_attention(f"{target}.attention.project", own.query, own.key, own.value, own.scaling),
        **copy_linear(f"{target}.attention.output", layer.attention.output.dense),
        **copy_linear(f"{target}.attention_norm", layer.attention.output.LayerNorm),
        **copy_linear(f"{target}.feed_forward.expand", layer.intermediate.dense),
        **copy_linear(f"{target}.feed_forward.contract", layer.output.dense),
        **copy_linear(f"{target}.feed_forward_norm", layer.output.LayerNorm),
    }
    return weights | (_convert_cross_attention(target, layer.crossattention) if layer.add_cross_attention else {})


def _convert_cross_attention(target: str, attention: Any) -> dict[str, Tensor]:
    cross, output = attention.self, attention.output
    return {
        **copy_cross_attention(target, cross.query, cross.key, cross.value, output.dense, cross.scaling),
        **copy_linear(f"{target}.cross_attention_norm", output.LayerNorm),
    }
