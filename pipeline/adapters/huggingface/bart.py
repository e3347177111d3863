"""BART and the families with the same modules, which differ by a row of `VARIANTS`.

Scale and norm of embeddings, a norm after the last layer, and biases are read from the checkpoint's modules. The
encoders of LED and PEGASUS-X attend to near tokens and to global ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
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
from pipeline.errors import CheckpointError
from pipeline.models.transformer_config import LongSource, Reach, StackConfig, TransformerConfig


@dataclass(frozen=True, slots=True)
class Variant:
    """A family's own way of building BART.

    Attributes:
        norm_first: whether norms stand before each sublayer.
        first_position: first row of the table of positions that is a position.
        after_padding: whether the rows of positions begin after the id of padding.
        norm_before_positions: whether the decoder's norm of embeddings stands before positions are added.
    """

    norm_first: bool = False
    first_position: int = 0
    after_padding: bool = False
    norm_before_positions: bool = False


VARIANTS: Mapping[str, Variant] = {
    "bart": Variant(first_position=2),
    "blenderbot": Variant(norm_first=True),
    "blenderbot-small": Variant(norm_before_positions=True),
    "fsmt": Variant(after_padding=True),
    "led": Variant(),
    "m2m_100": Variant(norm_first=True, after_padding=True),
    "marian": Variant(),
    "mbart": Variant(norm_first=True, first_position=2),
    "mvp": Variant(first_position=2),
    "pegasus": Variant(norm_first=True),
    "pegasus_x": Variant(norm_first=True),
    "plbart": Variant(first_position=2),
}
"""By the ``model_type`` of a configuration."""


def configure(model: PreTrainedModel) -> TransformerConfig:
    """The configuration of the exported module.

    Raises:
        CheckpointError: attention reads prompts, which are no tokens of a source.
    """
    config, variant = model.config, VARIANTS[model.config.model_type]
    if getattr(config, "use_prompt", False):
        raise CheckpointError(
            f"The checkpoint {model.name_or_path} has use_prompt=true: its attention reads learned prompts besides the "
            "tokens, which no graph of Beamscope has a place for; take the checkpoint without prompts."
        )
    encoder, decoder, _ = find_parts(model)
    return TransformerConfig(
        source_vocabulary=encoder.embed_tokens.num_embeddings,
        target_vocabulary=decoder.embed_tokens.num_embeddings,
        size=config.d_model,
        encoder=_stack(config, "encoder"),
        decoder=_stack(config, "decoder"),
        activation=find_activation(config.activation_function, config),
        norm_first=variant.norm_first,
        embedding_norm=hasattr(encoder, "layernorm_embedding"),
        final_norm=hasattr(encoder, "layer_norm"),
        attention_bias=decoder.layers[0].encoder_attn.out_proj.bias is not None,
        embedding_scale=math.sqrt(config.d_model) if getattr(config, "scale_embedding", False) else 1.0,
        positions=len(_positions(decoder, model)),
        source_positions=len(_positions(encoder, model)),
        norm_before_positions=variant.norm_before_positions,
        long_source=_find_long_source(config),
        tied=is_tied(model),
    )


def mark_first(ids: Tensor) -> dict[str, Tensor]:
    """The input of LED's encoder that makes the first token of sources [N, S] global, as its authors advise."""
    return {"global_attention_mask": (torch.arange(ids.shape[1]) == 0).long().expand(ids.shape)}


def _find_long_source(config: PretrainedConfig) -> LongSource | None:
    if config.model_type == "led":
        given, layers = config.attention_window, config.encoder_layers
        windows = [given] * layers if isinstance(given, int) else given
        return LongSource(tuple(Reach(window // 2, "distance") for window in windows))
    if config.model_type == "pegasus_x":
        whole = Reach(config.block_size, "block")
        other = replace(whole, kind="staggered") if config.stagger_local_blocks else whole
        pairs = [whole, other] * config.encoder_layers
        return LongSource(tuple(pairs[: config.encoder_layers]), config.num_global_tokens)
    return None


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
    if hasattr(module, "embed_global"):
        weights["source_globals.weight"] = module.embed_global.weight
    for index, layer in enumerate(module.layers):
        weights |= _convert_layer(f"{stack}.{index}", layer)
    return weights


def _convert_layer(target: str, layer: Any) -> dict[str, Tensor]:
    weights = {
        **_convert_self_attention(f"{target}.attention", layer.self_attn),
        **copy_linear(f"{target}.attention_norm", layer.self_attn_layer_norm),
        **copy_linear(f"{target}.feed_forward.expand", layer.fc1),
        **copy_linear(f"{target}.feed_forward.contract", layer.fc2),
        **copy_linear(f"{target}.feed_forward_norm", layer.final_layer_norm),
    }
    if hasattr(layer, "global_self_attn_layer_norm"):
        weights |= copy_linear(f"{target}.global_norm", layer.global_self_attn_layer_norm)
    return weights | (_convert_cross_attention(target, layer) if hasattr(layer, "encoder_attn") else {})


def _convert_self_attention(target: str, own: Any) -> dict[str, Tensor]:
    if hasattr(own, "longformer_self_attn"):
        near, scale = own.longformer_self_attn, own.longformer_self_attn.head_dim**-0.5
        return {
            **join_self_attention(f"{target}.project", near.query, near.key, near.value, scale),
            **join_self_attention(
                f"{target}.project_globally", near.query_global, near.key_global, near.value_global, scale
            ),
            **copy_linear(f"{target}.output", own.output),
        }
    return {
        **join_self_attention(f"{target}.project", own.q_proj, own.k_proj, own.v_proj, own.scaling),
        **copy_linear(f"{target}.output", own.out_proj),
    }


def _convert_cross_attention(target: str, layer: Any) -> dict[str, Tensor]:
    cross = layer.encoder_attn
    return {
        **copy_cross_attention(target, cross.q_proj, cross.k_proj, cross.v_proj, cross.out_proj, cross.scaling),
        **copy_linear(f"{target}.cross_attention_norm", layer.encoder_attn_layer_norm),
    }


def _positions(module: Any, model: PreTrainedModel) -> Tensor:
    """The table of positions from the first token's row on. PEGASUS-X has none and computes its rows."""
    variant, table = VARIANTS[model.config.model_type], module.embed_positions
    if model.config.model_type == "pegasus_x":
        return cast(Tensor, table(torch.empty(1, model.config.max_position_embeddings, model.config.d_model))[0])
    weight = table.weights if hasattr(table, "weights") else table.weight
    if variant.after_padding:
        first = table.padding_idx + 1
        return cast(Tensor, weight[first : first + model.config.max_position_embeddings])
    return cast(Tensor, weight[variant.first_position :])
