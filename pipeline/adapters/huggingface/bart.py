"""BART and the families with the same modules: mBART, Pegasus, Marian, M2M100 (NLLB).

They differ in the place of norms, in the kind of positions, and in scale and norm of embeddings.
"""

from __future__ import annotations

import math
from typing import Any, cast

from torch import Tensor, nn
from transformers import PretrainedConfig, PreTrainedModel

from pipeline.adapters.huggingface.weights import (
    copy_linear,
    find_activation,
    find_parts,
    is_tied,
    join_linear,
    make_output,
)
from pipeline.models.transformer_config import StackConfig, TransformerConfig

_NORM_FIRST = frozenset({"mbart", "pegasus", "m2m_100"})
_LEARNED_OFFSET = 2
"""First row of BART's and mBART's tables of learned positions that is a position."""


def configure(model: PreTrainedModel) -> TransformerConfig:
    """The configuration of the exported module."""
    config = model.config
    encoder, decoder, _ = find_parts(model)
    return TransformerConfig(
        source_vocabulary=encoder.embed_tokens.num_embeddings,
        target_vocabulary=decoder.embed_tokens.num_embeddings,
        size=config.d_model,
        encoder=_stack(config, "encoder"),
        decoder=_stack(config, "decoder"),
        activation=find_activation(config.activation_function, config),
        norm_first=config.model_type in _NORM_FIRST,
        embedding_norm=hasattr(encoder, "layernorm_embedding"),
        final_norm=hasattr(encoder, "layer_norm"),
        embedding_scale=math.sqrt(config.d_model) if config.scale_embedding else 1.0,
        positions=len(_positions(encoder, model)),
        tied=is_tied(model),
    )


def convert(model: PreTrainedModel) -> dict[str, Tensor]:
    """The weights of the exported module."""
    parts = find_parts(model)
    weights = make_output(parts.output.weight, getattr(model, "final_logits_bias", None))
    weights |= _convert_stack("source_embedding", "encoder", parts.encoder, model)
    weights |= _convert_stack("target_embedding", "decoder", parts.decoder, model)
    return weights


def find_contexts(model: PreTrainedModel) -> list[nn.Module]:
    """The decoder's cross-attentions."""
    return [layer.encoder_attn for layer in find_parts(model).decoder.layers]


def _stack(config: PretrainedConfig, name: str) -> StackConfig:
    heads = getattr(config, f"{name}_attention_heads")
    return StackConfig(
        layers=getattr(config, f"{name}_layers"),
        heads=heads,
        head_size=config.d_model // heads,
        feed_forward=getattr(config, f"{name}_ffn_dim"),
    )


def _convert_stack(embedding: str, stack: str, module: Any, model: PreTrainedModel) -> dict[str, Tensor]:
    weights = {
        f"{embedding}.tokens.weight": module.embed_tokens.weight,
        f"{embedding}.positions.weight": _positions(module, model),
    }
    if hasattr(module, "layernorm_embedding"):
        weights |= copy_linear(f"{embedding}.norm", module.layernorm_embedding)
    if hasattr(module, "layer_norm"):
        weights |= copy_linear(f"{stack}_norm", module.layer_norm)
    for index, layer in enumerate(module.layers):
        weights |= _convert_layer(f"{stack}.{index}", layer)
    return weights


def _convert_layer(target: str, layer: Any) -> dict[str, Tensor]:
    own = layer.self_attn
    weights = {
        **join_linear(
            f"{target}.attention.project",
            copy_linear("query", own.q_proj, own.scaling),
            copy_linear("keys", own.k_proj),
            copy_linear("values", own.v_proj),
        ),
        **copy_linear(f"{target}.attention.output", own.out_proj),
        **copy_linear(f"{target}.attention_norm", layer.self_attn_layer_norm),
        **copy_linear(f"{target}.feed_forward.expand", layer.fc1),
        **copy_linear(f"{target}.feed_forward.contract", layer.fc2),
        **copy_linear(f"{target}.feed_forward_norm", layer.final_layer_norm),
    }
    return weights | (_convert_cross_attention(target, layer) if hasattr(layer, "encoder_attn") else {})


def _convert_cross_attention(target: str, layer: Any) -> dict[str, Tensor]:
    cross = layer.encoder_attn
    return {
        **copy_linear(f"{target}.cross_attention.query", cross.q_proj, cross.scaling),
        **copy_linear(f"{target}.cross_attention.keys", cross.k_proj),
        **copy_linear(f"{target}.cross_attention.values", cross.v_proj),
        **copy_linear(f"{target}.cross_attention.output", cross.out_proj),
        **copy_linear(f"{target}.cross_attention_norm", layer.encoder_attn_layer_norm),
    }


def _positions(module: Any, model: PreTrainedModel) -> Tensor:
    """The table of positions from the first token's row on."""
    kind, table = model.config.model_type, module.embed_positions
    if kind in ("bart", "mbart"):
        return cast(Tensor, table.weight[_LEARNED_OFFSET:])
    if kind == "m2m_100":
        first = table.padding_idx + 1
        return cast(Tensor, table.weights[first : first + model.config.max_position_embeddings])
    return cast(Tensor, table.weight)
