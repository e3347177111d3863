"""T5Gemma (Zhang et al. 2025): Gemma 2's layers as encoder and decoder.

Positions turn queries and keys, heads share keys and values, scores and logits are capped, every second layer reads a
window, and a norm stands on both sides of every sublayer. The library's norms multiply by 1 + weight.
"""

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

_SHARED = ("attn_logit_softcapping", "hidden_activation", "rms_norm_eps", "rope_parameters")
_NORMS = {
    "pre_self_attn_layernorm": "attention_norm",
    "post_self_attn_layernorm": "attention_change_norm",
    "pre_cross_attn_layernorm": "cross_attention_norm",
    "post_cross_attn_layernorm": "cross_attention_change_norm",
    "pre_feedforward_layernorm": "feed_forward_norm",
    "post_feedforward_layernorm": "feed_forward_change_norm",
}
"""Name of the exported module's norm by the library's."""


def configure(model: PreTrainedModel) -> TransformerConfig:
    """The configuration of the exported module.

    Raises:
        CheckpointError: encoder and decoder differ in a setting of one Transformer, or a setting has no graph.
    """
    encoder, decoder = model.config.encoder, model.config.decoder
    _check(model, encoder, decoder)
    parts = find_parts(model)
    return TransformerConfig(
        source_vocabulary=parts.encoder.embed_tokens.num_embeddings,
        target_vocabulary=decoder.vocab_size,
        size=decoder.hidden_size,
        source_size=encoder.hidden_size,
        # The library's bidirectional window reads the window's size on both sides; its causal one counts the token.
        encoder=_configure_stack(encoder, beside=0),
        decoder=_configure_stack(decoder, beside=1),
        activation=find_activation(decoder.hidden_activation, model.config),
        norm_first=True,
        norm_change=True,
        norm_epsilon=decoder.rms_norm_eps,
        rms_norm=True,
        final_norm=True,
        gated=True,
        bias=False,
        embedding_scale=decoder.hidden_size**0.5,
        source_embedding_scale=encoder.hidden_size**0.5,
        attention_cap=decoder.attn_logit_softcapping or 0.0,
        output_cap=decoder.final_logit_softcapping or 0.0,
        rotary_base=decoder.rope_parameters["rope_theta"],
        tied=is_tied(model),
    )


def convert(model: PreTrainedModel) -> dict[str, Tensor]:
    """The weights of the exported module."""
    parts = find_parts(model)
    weights = make_output(parts.output.weight)
    weights |= _convert_stack("source_embedding", "encoder", parts.encoder)
    weights |= _convert_stack("target_embedding", "decoder", parts.decoder)
    return weights


def find_contexts(model: PreTrainedModel) -> list[nn.Module]:
    """The decoder's cross-attentions."""
    return [layer.cross_attn for layer in find_parts(model).decoder.layers]


def _check(model: PreTrainedModel, encoder: PretrainedConfig, decoder: PretrainedConfig) -> None:
    require_equal(model, *_SHARED)
    kind = decoder.rope_parameters["rope_type"]
    if kind != "default":
        raise CheckpointError(
            f"The checkpoint {model.name_or_path} has rotary positions of the type {kind!r}; a T5Gemma can be exported "
            "with those of the type 'default'."
        )
    if encoder.attention_bias or decoder.attention_bias:
        raise CheckpointError(
            f"The checkpoint {model.name_or_path} has biases in its attention; a T5Gemma can be exported without them."
        )


def _configure_stack(config: PretrainedConfig, beside: int) -> StackConfig:
    radius = config.sliding_window - beside if config.sliding_window else 0
    return StackConfig(
        config.num_hidden_layers,
        config.num_attention_heads,
        config.head_dim,
        config.intermediate_size,
        key_heads=config.num_key_value_heads,
        radii=tuple(radius if kind == "sliding_attention" else 0 for kind in config.layer_types),
    )


def _convert_stack(embedding: str, stack: str, module: Any) -> dict[str, Tensor]:
    weights = {
        f"{embedding}.tokens.weight": module.embed_tokens.weight,
        f"{stack}_norm.weight": 1.0 + module.norm.weight,
    }
    for index, layer in enumerate(module.layers):
        weights |= _convert_layer(f"{stack}.{index}", layer)
    return weights


def _convert_layer(target: str, layer: Any) -> dict[str, Tensor]:
    own = layer.self_attn
    weights = {
        **join_self_attention(f"{target}.attention.project", own.q_proj, own.k_proj, own.v_proj, own.scaling),
        **copy_linear(f"{target}.attention.output", own.o_proj),
        **copy_linear(f"{target}.feed_forward.expand", layer.mlp.gate_proj),
        **copy_linear(f"{target}.feed_forward.gate", layer.mlp.up_proj),
        **copy_linear(f"{target}.feed_forward.contract", layer.mlp.down_proj),
    }
    for theirs, name in _NORMS.items():
        if hasattr(layer, theirs):
            weights[f"{target}.{name}.weight"] = 1.0 + getattr(layer, theirs).weight
    if hasattr(layer, "cross_attn"):
        cross = layer.cross_attn
        weights |= copy_cross_attention(target, cross.q_proj, cross.k_proj, cross.v_proj, cross.o_proj, cross.scaling)
    return weights
