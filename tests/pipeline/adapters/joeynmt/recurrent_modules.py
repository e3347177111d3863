"""A recurrent model with the parts and names of JoeyNMT 2, and its settings as training writes them.

As for its Transformers, JoeyNMT's own model, filled with these weights, gives the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from tests.pipeline.adapters.joeynmt.modules import SOURCE_TOKENS, TARGET_TOKENS

EMBEDDING, ENCODER_UNITS, ENCODER_LAYERS, DECODER_LAYERS = 10, 7, 2, 3
SETTINGS: Mapping[str, Any] = {
    "rnn_type": "gru",
    "units": 12,
    "attention": "bahdanau",
    "init_hidden": "bridge",
    "input_feeding": True,
    "activation": "tanh",
    "scale": False,
}
_ACTIVATIONS = {"tanh": nn.Tanh(), "relu": nn.ReLU(), "gelu": nn.GELU(), "swish": nn.SiLU()}


class Encoder(nn.Module):
    """Both directions over one source; its states and the last ones of the top layer."""

    def __init__(self, stack: type[nn.RNNBase]) -> None:
        super().__init__()
        self.rnn = stack(EMBEDDING, ENCODER_UNITS, ENCODER_LAYERS, batch_first=True, bidirectional=True)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        states, last = self.rnn(x)
        hidden = last[0] if isinstance(last, tuple) else last
        return states, torch.cat([hidden[-2], hidden[-1]], dim=-1)


class Attention(nn.Module):
    """Attention with an energy of a sum (Bahdanau) or of a product (Luong)."""

    def __init__(self, units: int, kind: str) -> None:
        super().__init__()
        self.key_layer = nn.Linear(2 * ENCODER_UNITS, units, bias=False)
        if kind == "bahdanau":
            self.query_layer = nn.Linear(units, units, bias=False)
            self.energy_layer = nn.Linear(units, 1, bias=False)
        self.kind = kind

    def forward(self, query: Tensor, states: Tensor) -> Tensor:
        keys = self.key_layer(states)
        if self.kind == "luong":
            return torch.softmax(query @ keys.mT, dim=-1)
        energy = self.energy_layer(torch.tanh(self.query_layer(query) + keys))
        return torch.softmax(energy.mT, dim=-1)


class Decoder(nn.Module):
    """The decoder over one target."""

    def __init__(self, stack: type[nn.RNNBase], settings: Mapping[str, Any]) -> None:
        super().__init__()
        self.units, self.settings = settings["units"], settings
        read = EMBEDDING + (self.units if settings["input_feeding"] else 0)
        self.rnn = stack(read, self.units, DECODER_LAYERS, batch_first=True)  # type: ignore[arg-type]
        self.att_vector_layer = nn.Linear(self.units + 2 * ENCODER_UNITS, self.units)
        self.output_layer = nn.Linear(self.units, len(TARGET_TOKENS), bias=False)
        self.attention = Attention(self.units, settings["attention"])
        if settings["init_hidden"] == "bridge":
            self.bridge_layer = nn.Linear(2 * ENCODER_UNITS, self.units)

    def forward(self, x: Tensor, states: Tensor, last: Tensor) -> Tensor:
        activate = _ACTIVATIONS[self.settings["activation"]]
        first = torch.zeros(1, self.units)
        if self.settings["init_hidden"] != "zero":
            bridged = self.settings["init_hidden"] == "bridge"
            first = activate(self.bridge_layer(last)) if bridged else last[:, : self.units]
        hidden: Any = first.repeat(DECODER_LAYERS, 1, 1)
        hidden = (hidden, hidden) if isinstance(self.rnn, nn.LSTM) else hidden
        vector, vectors = torch.zeros(1, 1, self.units), []
        for token in x.unsqueeze(2).unbind(1):
            read = torch.cat([token, vector], dim=-1) if self.settings["input_feeding"] else token
            query, hidden = self.rnn(read, hidden)
            context = self.attention(query, states) @ states
            vector = activate(self.att_vector_layer(torch.cat([query, context], dim=-1)))
            vectors.append(vector)
        return cast(Tensor, self.output_layer(torch.cat(vectors, dim=1)))


class RecurrentJoey(nn.Module):
    """The whole model; the logits of every target token."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__()
        stack = nn.GRU if settings["rnn_type"] == "gru" else nn.LSTM
        self.scale = math.sqrt(EMBEDDING) if settings["scale"] else 1.0
        self.src_embed = nn.ModuleDict({"lut": nn.Embedding(len(SOURCE_TOKENS), EMBEDDING)})
        self.trg_embed = nn.ModuleDict({"lut": nn.Embedding(len(TARGET_TOKENS), EMBEDDING)})
        self.encoder, self.decoder = Encoder(stack), Decoder(stack, settings)

    def forward(self, source: Tensor, previous: Tensor) -> Tensor:
        states, last = self.encoder(self.src_embed["lut"](source) * self.scale)
        return cast(Tensor, self.decoder(self.trg_embed["lut"](previous) * self.scale, states, last))


def make_recurrent_model(**changes: Any) -> RecurrentJoey:
    """A model with random weights."""
    torch.manual_seed(6)
    model = RecurrentJoey({**SETTINGS, **changes}).eval().requires_grad_(requires_grad=False)
    for weight in model.parameters():
        weight.normal_(std=0.6)
    return model


def make_recurrent_config(**changes: Any) -> dict[str, Any]:
    """``config.yaml`` of `make_recurrent_model`."""
    settings = {**SETTINGS, **changes}
    embeddings = {"embedding_dim": EMBEDDING, "scale": settings["scale"]}
    named = ("attention", "init_hidden", "input_feeding", "activation")
    shared = {"type": "recurrent", "rnn_type": settings["rnn_type"], "embeddings": embeddings}
    return {
        "name": "tiny",
        "data": {"src": {"lang": "en", "level": "word"}, "trg": {"lang": "ne", "level": "word"}},
        "testing": {"beam_size": 3, "max_output_length": 12},
        "model": {
            "encoder": {**shared, "hidden_size": ENCODER_UNITS, "num_layers": ENCODER_LAYERS, "bidirectional": True},
            "decoder": {
                **shared,
                "hidden_size": settings["units"],
                "num_layers": DECODER_LAYERS,
                **{name: settings[name] for name in named},
            },
        },
    }
