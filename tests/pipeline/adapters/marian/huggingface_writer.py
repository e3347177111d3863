"""A Hugging Face Marian written as a native one.

The two run the same layers, but native Marian begins a target with a zero embedding where the library reads the row of
its start token, has other rates of sinusoids, and norms with a smaller epsilon. `compute_as_native` sets the library's
own model to these three; everything else is the library's computation of the checkpoint's weights.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sentencepiece import SentencePieceTrainer
from torch import nn

from tests.pipeline.adapters.marian.tiny_models import pack_npz

_NORM_EPSILON = 1e-9
_LETTERS = [chr(code) for code in range(0x4E00, 0x9000)]


@torch.no_grad()
def compute_as_native(model: Any) -> None:
    """Let a library's model start from zeros, with native Marian's positions and epsilon."""
    decoder = model.get_decoder()
    table = decoder.embed_tokens.weight.detach().clone()
    table[model.config.decoder_start_token_id] = 0.0
    decoder.embed_tokens = nn.Embedding(len(table), table.shape[1], _weight=table)
    for stack in (model.get_encoder(), decoder):
        positions = stack.embed_positions.weight
        positions.copy_(torch.from_numpy(_sinusoids(*positions.shape)))
    for module in model.modules():
        if isinstance(module, nn.LayerNorm):
            module.eps = _NORM_EPSILON


def _sinusoids(count: int, size: int) -> NDArray[np.float32]:
    """As Marian's ``SinusoidalPositionEmbeddings``: rates of ``10000 ** (-i / (size / 2 - 1))``."""
    half = size // 2
    angles = np.arange(count)[:, None] * 10000.0 ** (-np.arange(half) / (half - 1))
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)


def write_native(model: Any, folder: Path) -> Path:
    """Write ``model.npz`` and a vocabulary of as many tokens; its tokens have the ids of the model's."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: value.detach().numpy() for name, value in _list_weights(model)}
    (folder / "model.npz").write_bytes(pack_npz(tensors, _describe(model.config)))
    (folder / "vocab.spm").write_bytes(_make_vocabulary(model.config.vocab_size))
    return folder / "model.npz"


def _describe(config: Any) -> dict[str, Any]:
    return {
        "type": "transformer",
        "version": "v1.12.43",
        "dim-emb": config.d_model,
        "enc-depth": config.encoder_layers,
        "dec-depth": config.decoder_layers,
        "transformer-heads": config.encoder_attention_heads,
        "transformer-ffn-activation": {"silu": "swish"}.get(config.activation_function, config.activation_function),
        "transformer-preprocess": "",
        "transformer-postprocess": "dan",
        "tied-embeddings-all": True,
    }


def _list_weights(model: Any) -> Sequence[tuple[str, torch.Tensor]]:
    """Every weight under Marian's name, matrices as [inputs, outputs]."""
    weights = [("Wemb", model.model.shared.weight), ("decoder_ff_logit_out_b", model.final_logits_bias)]
    for stack, layers in (("encoder", model.get_encoder().layers), ("decoder", model.get_decoder().layers)):
        for number, layer in enumerate(layers, start=1):
            name = f"{stack}_l{number}"
            weights += _list_attention(f"{name}_self", layer.self_attn, layer.self_attn_layer_norm)
            if stack == "decoder":
                weights += _list_attention(f"{name}_context", layer.encoder_attn, layer.encoder_attn_layer_norm)
            weights += _list_linear(f"{name}_ffn", "1", layer.fc1)
            weights += _list_linear(f"{name}_ffn", "2", layer.fc2)
            weights += _list_norm(f"{name}_ffn_ffn", layer.final_layer_norm)
    return weights


def _list_attention(name: str, attention: Any, norm: Any) -> list[tuple[str, torch.Tensor]]:
    weights = _list_norm(f"{name}_Wo", norm)
    for kind, module in zip(
        "qkvo", (attention.q_proj, attention.k_proj, attention.v_proj, attention.out_proj), strict=True
    ):
        weights += _list_linear(name, kind, module)
    return weights


def _list_linear(name: str, kind: str, module: Any) -> list[tuple[str, torch.Tensor]]:
    return [(f"{name}_W{kind}", module.weight.T), (f"{name}_b{kind}", module.bias[None])]


def _list_norm(name: str, module: Any) -> list[tuple[str, torch.Tensor]]:
    return [(f"{name}_ln_scale", module.weight[None]), (f"{name}_ln_bias", module.bias[None])]


def _make_vocabulary(size: int) -> bytes:
    """A SentencePiece model of so many characters: what is compared is ids, not text."""
    content = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter(["".join(_LETTERS[start : start + 50]) for start in range(0, size, 50)]),
        model_writer=content,
        model_type="char",
        vocab_size=size,
        character_coverage=1.0,
        eos_id=0,
        unk_id=1,
        bos_id=-1,
        minloglevel=2,
    )
    return content.getvalue()
