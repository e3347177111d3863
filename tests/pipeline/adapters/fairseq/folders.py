"""Folders as fairseq's training writes them, with the weights of models that transformers took over from fairseq.

fairseq itself cannot be installed beside Beamscope. FSMT, M2M100 and mBART are its Transformers in the library, with
its names of weights: after each sublayer a norm, before each a norm, and learned positions with normed embeddings.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForSeq2SeqLM

from tests.pipeline.adapters.huggingface.tiny_checkpoints import save_tiny_checkpoint

SPECIAL = 4
"""Tokens of every dictionary that are not written."""
FAMILIES: Mapping[str, Mapping[str, Any]] = {
    "fsmt": {},
    "m2m100": {"encoder_normalize_before": True, "decoder_normalize_before": True},
    "mbart": {
        "encoder_normalize_before": True,
        "decoder_normalize_before": True,
        "encoder_learned_pos": True,
        "decoder_learned_pos": True,
    },
}
"""Options by the family that has them in the library."""


def save_folder(family: str, folder: Path, **changes: Any) -> Any:
    """Write a model folder; return the library's model with the same weights.

    Args:
        changes: to the options; None takes one away.
    """
    save_tiny_checkpoint(family, folder / "library")
    library: Any = AutoModelForSeq2SeqLM
    model = library.from_pretrained(str(folder / "library"), attn_implementation="eager").eval()
    if hasattr(model, "final_logits_bias"):
        model.final_logits_bias.zero_()  # fairseq has none
    options = {**make_options(model.config, family), **changes}
    save_checkpoint(folder / "checkpoint_best.pt", take_weights(model), options)
    for language, side in (("en", model.get_encoder()), ("de", model.get_decoder())):
        lines = (f"{language}{number} {9 - number % 9}" for number in range(side.embed_tokens.num_embeddings - SPECIAL))
        (folder / f"dict.{language}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return model


def save_checkpoint(path: Path, weights: Mapping[str, Tensor], options: Mapping[str, Any]) -> None:
    """Write the file of a checkpoint."""
    content = {
        "args": Namespace(**{name: value for name, value in options.items() if value is not None}),
        "model": dict(weights),
        "optimizer_history": [{"criterion_name": "LabelSmoothedCrossEntropyCriterion", "num_updates": 5}],
        "extra_state": {"epoch": 1},
    }
    torch.save(content, path)


def make_options(config: Any, family: str) -> dict[str, Any]:
    """The options that training would have had."""
    activation = config.activation_function
    return {
        "arch": "transformer",
        "task": "translation",
        "source_lang": "en",
        "target_lang": "de",
        "encoder_layers": config.encoder_layers,
        "decoder_layers": config.decoder_layers,
        "encoder_attention_heads": config.encoder_attention_heads,
        "decoder_attention_heads": config.decoder_attention_heads,
        "activation_fn": {"gelu_new": "gelu_accurate"}.get(activation, activation),
        "no_scale_embedding": not config.scale_embedding,
        "share_decoder_input_output_embed": config.tie_word_embeddings,
        "max_source_positions": config.max_position_embeddings,
        "max_target_positions": config.max_position_embeddings,
        **FAMILIES[family],
    }


def take_weights(model: Any) -> dict[str, Tensor]:
    """The model's weights by fairseq's names."""
    found = {name.removeprefix("model."): tensor.clone() for name, tensor in model.state_dict().items()}
    learned = model.config.model_type == "mbart"
    left_out = ("lm_head", "shared", "final_logits_bias", *(() if learned else ("embed_positions",)))
    weights = {name: tensor for name, tensor in found.items() if not any(part in name for part in left_out)}
    for side, stack in (("encoder", model.get_encoder()), ("decoder", model.get_decoder())):
        weights[f"{side}.embed_tokens.weight"] = stack.embed_tokens.weight.detach().clone()
        weights[f"{side}.version"] = torch.tensor([3.0])
        weights |= {} if learned else {f"{side}.embed_positions._float_tensor": torch.zeros(1)}
    if not model.config.tie_word_embeddings and "decoder.output_projection.weight" not in weights:
        weights["decoder.output_projection.weight"] = model.get_output_embeddings().weight.detach().clone()
    return weights
