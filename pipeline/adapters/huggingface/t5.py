"""T5 (Raffel et al. 2020) with its versions 1.0 and 1.1, Flan-T5, ByT5, mT5, UMT5 and LongT5.

UMT5 has a bias in every layer; LongT5's encoder attends to a window, and may attend to blocks of tokens.
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
)
from pipeline.models.transformer_config import RelativeBias, StackConfig, TransformerConfig

_SCALED_BY = {"longt5": "scale_decoder_outputs", "t5": "scale_decoder_outputs", "umt5": "tie_word_embeddings"}
"""Setting that scales the output projection's input, by family; mT5 never scales it."""


def configure(model: PreTrainedModel) -> TransformerConfig:
    """The configuration of the exported module."""
    config = model.config
    scaled = getattr(config, _SCALED_BY.get(config.model_type, ""), False)
    return TransformerConfig(
        source_vocabulary=config.vocab_size,
        target_vocabulary=config.vocab_size,
        size=config.d_model,
        encoder=StackConfig(config.num_layers, config.num_heads, config.d_kv, config.d_ff, radii=_find_radii(config)),
        decoder=StackConfig(config.num_decoder_layers, config.num_heads, config.d_kv, config.d_ff),
        activation=find_activation(config.dense_act_fn, config),
        norm_first=True,
        norm_epsilon=config.layer_norm_epsilon,
        rms_norm=True,
        final_norm=True,
        gated=config.is_gated_act,
        bias=False,
        output_scale=config.d_model**-0.5 if scaled else 1.0,
        relative_bias=RelativeBias(
            config.relative_attention_num_buckets,
            config.relative_attention_max_distance,
            by_layer=config.model_type == "umt5",
        ),
        source_block=_find_block(config),
        tied=is_tied(model),
    )


def _find_radii(config: PretrainedConfig) -> tuple[int, ...]:
    return (config.local_radius,) * config.num_layers if config.model_type == "longt5" else ()


def _find_block(config: PretrainedConfig) -> int:
    is_blocked = getattr(config, "encoder_attention_type", None) == "transient-global"
    return config.global_block_size if is_blocked else 0


def convert(model: PreTrainedModel) -> dict[str, Tensor]:
    """The weights of the exported module."""
    parts = find_parts(model)
    weights = make_output(parts.output.weight)
    weights |= _convert_stack("source_embedding", "encoder", parts.encoder)
    weights |= _convert_stack("target_embedding", "decoder", parts.decoder)
    return weights


def find_contexts(model: PreTrainedModel) -> list[nn.Module]:
    """The decoder's cross-attentions."""
    return [block.layer[1].EncDecAttention for block in find_parts(model).decoder.block]


def _convert_stack(embedding: str, stack: str, module: Any) -> dict[str, Tensor]:
    weights = {
        f"{embedding}.tokens.weight": module.embed_tokens.weight,
        **copy_linear(f"{stack}_norm", module.final_layer_norm),
    }
    for index, block in enumerate(module.block):
        weights |= _convert_block(f"{stack}.{index}", block.layer)
        own = _find_own(block.layer)
        if hasattr(own, "global_relative_attention_bias"):
            weights["source_blocks.distance.weight"] = own.global_relative_attention_bias.weight
        if own.has_relative_attention_bias:
            weights[f"{stack}_bias.{index}.weight"] = own.relative_attention_bias.weight
    return weights


def _convert_block(target: str, layers: Any) -> dict[str, Tensor]:
    own, dense = _find_own(layers), layers[-1].DenseReluDense
    weights = {
        **join_self_attention(f"{target}.attention.project", own.q, own.k, own.v),
        **copy_linear(f"{target}.attention.output", own.o),
        **copy_linear(f"{target}.attention_norm", layers[0].layer_norm),
        **copy_linear(f"{target}.feed_forward.contract", dense.wo),
        **copy_linear(f"{target}.feed_forward_norm", layers[-1].layer_norm),
    }
    if hasattr(own, "global_input_layer_norm"):
        weights |= copy_linear(f"{target}.attention.blocks.norm", own.global_input_layer_norm)
    if hasattr(dense, "wi_0"):
        weights |= copy_linear(f"{target}.feed_forward.expand", dense.wi_0)
        weights |= copy_linear(f"{target}.feed_forward.gate", dense.wi_1)
    else:
        weights |= copy_linear(f"{target}.feed_forward.expand", dense.wi)
    return weights | (_convert_cross_attention(target, layers[1]) if len(layers) > 2 else {})


def _find_own(layers: Any) -> Any:
    """Self-attention of a block; LongT5 names it after its kind."""
    return next(part for name, part in layers[0].named_children() if name.endswith("SelfAttention"))


def _convert_cross_attention(target: str, layer: Any) -> dict[str, Tensor]:
    cross = layer.EncDecAttention
    return {
        **copy_cross_attention(target, cross.q, cross.k, cross.v, cross.o),
        **copy_linear(f"{target}.cross_attention_norm", layer.layer_norm),
    }
