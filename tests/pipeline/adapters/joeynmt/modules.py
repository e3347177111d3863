"""A Transformer with the parts and names of JoeyNMT 2, and folders as its training writes them.

The real JoeyNMT cannot be installed beside Beamscope (it wants an older protobuf). Its own model, filled with these
weights, gives the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
import yaml
from torch import Tensor, nn

SPECIAL = ("<unk>", "<pad>", "<s>", "</s>")
WORDS = tuple("abcdefghijklmnop")
SOURCE_TOKENS = (*SPECIAL, *WORDS)
TARGET_TOKENS = (*SPECIAL, *(word.upper() for word in WORDS[:12]))
SIZE = 24
SETTINGS: Mapping[str, Any] = {"layer_norm": "pre", "activation": "relu", "tied_softmax": False, "scale": True}


class Attention(nn.Module):
    """Attention whose queries come last, as in JoeyNMT."""

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.heads = heads
        for name in ("k", "v", "q", "output"):
            self.add_module(f"{name}_layer", nn.Linear(SIZE, SIZE))

    def forward(self, read: Tensor, x: Tensor, mask: Tensor | None = None) -> Tensor:
        parts = {name: self.get_submodule(f"{name}_layer") for name in ("k", "v", "q", "output")}
        key, value, query = (
            parts[name](states).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for name, states in (("k", read), ("v", read), ("q", x))
        )
        mixed = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        return cast(Tensor, parts["output"](mixed.transpose(1, 2).flatten(2)))


class FeedForward(nn.Module):
    """The feed-forward layer with its norm."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__()
        activation = {"relu": nn.ReLU, "gelu": nn.GELU, "swish": nn.SiLU}[settings["activation"]]
        self.layer_norm = nn.LayerNorm(SIZE, eps=1e-6)
        self.pwff_layer = nn.Sequential(nn.Linear(SIZE, 20), activation(), nn.Dropout(0), nn.Linear(20, SIZE))


class Layer(nn.Module):
    """A layer of the encoder or the decoder."""

    def __init__(self, settings: Mapping[str, Any], names: Mapping[str, str], heads: int) -> None:
        super().__init__()
        self.first, self.names = settings["layer_norm"] == "pre", names
        for attention, norm in names.items():
            self.add_module(attention, Attention(heads))
            self.add_module(norm, nn.LayerNorm(SIZE, eps=1e-6))
        self.feed_forward = FeedForward(settings)

    def forward(self, x: Tensor, memory: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        for attention, norm in self.names.items():
            block, layer_norm = self.get_submodule(attention), self.get_submodule(norm)
            query = layer_norm(x) if self.first else x
            reads_source = attention == "src_trg_att"
            x = x + (block(memory, query) if reads_source else block(query, query, mask))
            x = x if self.first else layer_norm(x)
        norm_last = self.feed_forward.layer_norm
        x = x + self.feed_forward.pwff_layer(norm_last(x) if self.first else x)
        return x if self.first else cast(Tensor, norm_last(x))


class Stack(nn.Module):
    """An encoder or a decoder."""

    def __init__(self, settings: Mapping[str, Any], layers: int, names: Mapping[str, str], heads: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(settings, names, heads) for _ in range(layers))
        self.pe = nn.Module()
        self.pe.register_buffer("pe", _make_positions(50))
        self.layer_norm = nn.LayerNorm(SIZE, eps=1e-6) if settings["layer_norm"] == "pre" else None

    def forward(self, x: Tensor, memory: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        x = x + cast(Tensor, self.pe.pe)[:, : x.shape[1]]
        for layer in self.layers:
            x = layer(x, memory, mask)
        return x if self.layer_norm is None else cast(Tensor, self.layer_norm(x))


class Joey(nn.Module):
    """The whole model; the logits of every target token."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__()
        self.scale = math.sqrt(SIZE) if settings["scale"] else 1.0
        self.src_embed = nn.ModuleDict({"lut": nn.Embedding(len(SOURCE_TOKENS), SIZE)})
        self.trg_embed = nn.ModuleDict({"lut": nn.Embedding(len(TARGET_TOKENS), SIZE)})
        self.encoder = Stack(settings, 2, {"src_src_att": "layer_norm"}, 4)
        self.decoder = Stack(settings, 3, {"trg_trg_att": "x_layer_norm", "src_trg_att": "dec_layer_norm"}, 3)
        self.decoder.output_layer = output = nn.Linear(SIZE, len(TARGET_TOKENS), bias=False)
        if settings["tied_softmax"]:
            output.weight = self.trg_embed["lut"].weight  # type: ignore[assignment]

    def forward(self, source: Tensor, previous: Tensor) -> Tensor:
        memory = self.encoder(self.src_embed["lut"](source) * self.scale)
        mask = torch.ones(previous.shape[1], previous.shape[1], dtype=torch.bool).tril()
        state = self.decoder(self.trg_embed["lut"](previous) * self.scale, memory, mask)
        return cast(Tensor, self.get_submodule("decoder.output_layer")(state))


def _make_positions(count: int) -> Tensor:
    rates = torch.exp(torch.arange(0, SIZE, 2).float() * -(math.log(10000.0) / SIZE))
    angles = torch.arange(count).float()[:, None] * rates
    return torch.stack([torch.sin(angles), torch.cos(angles)], dim=-1).flatten(1)[None]


def make_model(**changes: Any) -> Joey:
    """A model with random weights."""
    torch.manual_seed(5)
    model = Joey({**SETTINGS, **changes}).eval().requires_grad_(requires_grad=False)
    for name, weight in model.named_parameters():
        weight.normal_(std=0.4 if weight.dim() > 1 else 0.1)
        if "norm" in name and name.endswith("weight"):
            weight.add_(1)
    return model


def make_config(**changes: Any) -> dict[str, Any]:
    """``config.yaml`` of `make_model`."""
    settings = {**SETTINGS, **changes}
    stack = {"type": "transformer", "hidden_size": SIZE, "ff_size": 20, "embeddings": {"embedding_dim": SIZE}}
    stack["embeddings"] = {"embedding_dim": SIZE, "scale": settings["scale"]}
    stack |= {name: settings[name] for name in ("layer_norm", "activation")}
    return {
        "name": "tiny",
        "data": {"src": {"lang": "en", "level": "word"}, "trg": {"lang": "ne", "level": "word"}},
        "testing": {"beam_size": 3, "beam_alpha": 1.0, "max_output_length": 12},
        "model": {
            "encoder": {**stack, "num_layers": 2, "num_heads": 4},
            "decoder": {**stack, "num_layers": 3, "num_heads": 3},
            "tied_softmax": settings["tied_softmax"],
        },
    }


def save_folder(folder: Path, model: nn.Module, config: Mapping[str, Any]) -> Path:
    """Write a model folder."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(
        {"model_state": model.state_dict(), "stats_state": {"steps": 5}, "scaler_state": None}, folder / "5.ckpt"
    )
    (folder / "best.ckpt").symlink_to("5.ckpt")
    (folder / "config.yaml").write_text(yaml.safe_dump(dict(config)), encoding="utf-8")
    # JoeyNMT writes special tokens too; a vocabulary that was made by hand may lack them.
    (folder / "src_vocab.txt").write_text("\n".join(SOURCE_TOKENS) + "\n", encoding="utf-8")
    (folder / "trg_vocab.txt").write_text("\n".join(TARGET_TOKENS[len(SPECIAL) :]) + "\n", encoding="utf-8")
    return folder
