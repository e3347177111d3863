"""OpenNMT-py's modules in small: the same names of weights and the same arithmetic, written to be trained."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

PAD = 1


@dataclass(frozen=True, slots=True)
class Shape:
    """Options of a checkpoint; ``rnn`` is LSTM, GRU, or empty for a Transformer."""

    source_tokens: int
    target_tokens: int
    rnn: str = "LSTM"
    size: int = 32
    layers: int = 2
    bidirectional: bool = True
    attention: str = "general"
    fed: bool = True
    bridge: bool = False
    activation: str = "relu"
    norm: str = "standard"
    biased: bool = True


class _Part(nn.Module):
    """A module whose parts are given by assignment, under the names that OpenNMT-py has for them."""

    def __getattr__(self, name: str) -> Any:
        return super().__getattr__(name)


def _embeddings(tokens: int, size: int) -> _Part:
    holder = _Part()
    holder.make_embedding = _Part()
    holder.make_embedding.emb_luts = nn.ModuleList([nn.Embedding(tokens, size, PAD)])
    return holder


def _look_up(side: nn.Module, ids: Tensor) -> Tensor:
    parameters = dict(side.named_parameters())
    return F.embedding(ids, parameters["embeddings.make_embedding.emb_luts.0.weight"])


class Recurrent(_Part):
    """``onmt.models.NMTModel`` with RNN encoder and decoder."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        size, kind = shape.size, getattr(nn, shape.rnn)
        units = size // 2 if shape.bidirectional else size
        self.encoder, self.decoder = _Part(), _Part()
        self.encoder.embeddings = _embeddings(shape.source_tokens, size)
        self.encoder.rnn = kind(
            size,
            units,
            shape.layers,
            batch_first=True,
            bidirectional=shape.bidirectional,
        )
        if shape.bridge:
            total = units * shape.layers
            self.encoder.bridge = nn.ModuleList(nn.Linear(total, total) for _ in range(1 + (shape.rnn == "LSTM")))
        self.decoder.embeddings = _embeddings(shape.target_tokens, size)
        if shape.fed:
            cells = getattr(nn, f"{shape.rnn}Cell")
            self.decoder.rnn = _Part()
            self.decoder.rnn.layers = nn.ModuleList(
                cells(size if index else 2 * size, size) for index in range(shape.layers)
            )
        else:
            self.decoder.rnn = kind(size, size, shape.layers, batch_first=True)
        self.decoder.attn = self._make_attention()
        self.generator = nn.Linear(size, shape.target_tokens)

    def forward(self, source: Tensor, previous: Tensor) -> Tensor:
        """Log-probabilities [sentences, target, tokens]; sources are padded with `PAD`."""
        lengths = (source != PAD).sum(1)
        packed = nn.utils.rnn.pack_padded_sequence(
            _look_up(self.encoder, source), lengths, batch_first=True, enforce_sorted=False
        )
        outputs, final = self.encoder.rnn(packed)
        states, _ = nn.utils.rnn.pad_packed_sequence(outputs, batch_first=True)
        hidden = tuple(self._begin(part, index) for index, part in enumerate(_as_tuple(final)))
        predictors = self._decode(_look_up(self.decoder, previous), hidden, states, source == PAD)
        return torch.log_softmax(self.generator(predictors), dim=-1)

    def _make_attention(self) -> _Part:
        size, attention = self.shape.size, _Part()
        if self.shape.attention == "none":
            return attention
        if self.shape.attention == "general":
            attention.linear_in = nn.Linear(size, size, bias=False)
        elif self.shape.attention == "mlp":
            attention.linear_context = nn.Linear(size, size, bias=False)
            attention.linear_query = nn.Linear(size, size)
            attention.v = nn.Linear(size, 1, bias=False)
        attention.linear_out = nn.Linear(2 * size, size, bias=self.shape.attention == "mlp")
        return attention

    def _begin(self, final: Tensor, index: int) -> Tensor:
        if self.shape.bridge:
            shape = final.transpose(0, 1).shape
            bridge = self.encoder.bridge[index]
            flat = final.transpose(0, 1).reshape(-1, bridge.in_features)
            final = torch.relu(bridge(flat)).reshape(shape).transpose(0, 1)
        return torch.cat([final[0::2], final[1::2]], 2) if self.shape.bidirectional else final

    def _decode(self, x: Tensor, hidden: tuple[Tensor, ...], states: Tensor, padding: Tensor) -> Tensor:
        if not self.shape.fed:
            outputs, _ = self.decoder.rnn(x, hidden if len(hidden) > 1 else hidden[0])
            return self._attend(outputs, states, padding)
        feed, layers = torch.zeros_like(x[:, 0]), [list(part.unbind(0)) for part in hidden]
        predictors = []
        for token in x.unbind(1):
            output = torch.cat([token, feed], 1)
            for index, cell in enumerate(self.decoder.rnn.layers):
                now = tuple(part[index] for part in layers)
                for part, new in zip(layers, _as_tuple(cell(output, now if len(now) > 1 else now[0])), strict=True):
                    part[index] = new
                output = layers[0][index]
            feed = self._attend(output[:, None], states, padding)[:, 0]
            predictors.append(feed)
        return torch.stack(predictors, 1)

    def _attend(self, queries: Tensor, states: Tensor, padding: Tensor) -> Tensor:
        kind, attention = self.shape.attention, self.decoder.attn
        if kind == "none":
            return queries
        if kind == "mlp":
            sums = attention.linear_query(queries)[:, :, None] + attention.linear_context(states)[:, None]
            scores = attention.v(torch.tanh(sums)).squeeze(-1)
        else:
            scores = (attention.linear_in(queries) if kind == "general" else queries) @ states.transpose(1, 2)
        weights = torch.softmax(scores.masked_fill(padding[:, None], -torch.inf), -1)
        mixed = attention.linear_out(torch.cat([weights @ states, queries], -1))
        return cast(Tensor, mixed if kind == "mlp" else torch.tanh(mixed))


class Transformer(_Part):
    """``onmt.models.NMTModel`` with Transformer encoder and decoder."""

    HEADS = 4
    POSITIONS = 64

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.encoder, self.decoder = _Part(), _Part()
        for side, tokens in ((self.encoder, shape.source_tokens), (self.decoder, shape.target_tokens)):
            side.embeddings = _embeddings(tokens, shape.size)
            side.embeddings.make_embedding.pe = _Part()
            side.embeddings.make_embedding.pe.register_buffer("pe", self._make_positions())
            side.layer_norm = self._make_norm()
        self.encoder.transformer = nn.ModuleList(self._make_layer("layer_norm") for _ in range(shape.layers))
        layers = [self._make_layer("layer_norm_1") for _ in range(shape.layers)]
        for layer in layers:
            layer.context_attn, layer.layer_norm_2 = self._make_heads(), self._make_norm()
        self.decoder.transformer_layers = nn.ModuleList(layers)
        self.generator = nn.Linear(shape.size, shape.target_tokens)

    def forward(self, source: Tensor, previous: Tensor) -> Tensor:
        """Log-probabilities [sentences, target, tokens]; sources are padded with `PAD`."""
        hidden = (source == PAD)[:, None, None]
        x = self._embed(self.encoder, source)
        for layer in self.encoder.transformer:
            normed = layer.layer_norm(x)
            x = self._feed(layer.feed_forward, x + self._attend(layer.self_attn, normed, normed, hidden))
        states = self.encoder.layer_norm(x)
        x = self._embed(self.decoder, previous)
        later = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)
        for layer in self.decoder.transformer_layers:
            normed = layer.layer_norm_1(x)
            x = x + self._attend(layer.self_attn, normed, normed, later)
            x = x + self._attend(layer.context_attn, layer.layer_norm_2(x), states, hidden)
            x = self._feed(layer.feed_forward, x)
        return torch.log_softmax(self.generator(self.decoder.layer_norm(x)), dim=-1)

    def _make_positions(self) -> Tensor:
        position = torch.arange(self.POSITIONS).unsqueeze(1)
        steps = torch.exp(torch.arange(0, self.shape.size, 2) * -(math.log(10000.0) / self.shape.size))
        table = torch.zeros(self.POSITIONS, 1, self.shape.size)
        table[:, 0, 0::2], table[:, 0, 1::2] = torch.sin(position * steps), torch.cos(position * steps)
        return table

    def _make_norm(self) -> nn.Module:
        kind = nn.RMSNorm if self.shape.norm == "rms" else nn.LayerNorm
        return kind(self.shape.size, eps=1e-6)

    def _make_heads(self) -> _Part:
        size, heads = self.shape.size, _Part()
        for name in ("linear_keys", "linear_values", "linear_query", "final_linear"):
            setattr(heads, name, nn.Linear(size, size, bias=self.shape.biased))
        return heads

    def _make_layer(self, norm: str) -> _Part:
        size, layer, inner = self.shape.size, _Part(), _Part()
        layer.self_attn, layer.feed_forward = self._make_heads(), inner
        setattr(layer, norm, self._make_norm())
        inner.w_1, inner.w_2 = (nn.Linear(*pair, bias=self.shape.biased) for pair in ((size, 48), (48, size)))
        inner.layer_norm = self._make_norm()
        if self.shape.activation in ("silu", "gated-gelu"):
            inner.w_3 = nn.Linear(size, 48, bias=self.shape.biased)
        return layer

    def _embed(self, side: nn.Module, ids: Tensor) -> Tensor:
        pe = dict(side.named_buffers())["embeddings.make_embedding.pe.pe"]
        return _look_up(side, ids) * math.sqrt(self.shape.size) + pe[: ids.shape[1], 0]

    def _attend(self, heads: _Part, queries: Tensor, keys: Tensor, hidden: Tensor) -> Tensor:
        split = [
            getattr(heads, f"linear_{name}")(x).unflatten(-1, (self.HEADS, -1)).transpose(1, 2)
            for name, x in (("query", queries), ("keys", keys), ("values", keys))
        ]
        return cast(
            Tensor,
            heads.final_linear(
                F.scaled_dot_product_attention(split[0], split[1], split[2], ~hidden).transpose(1, 2).flatten(2)
            ),
        )

    def _feed(self, layer: _Part, x: Tensor) -> Tensor:
        normed, kind = layer.layer_norm(x), self.shape.activation
        inner = {"relu": F.relu, "silu": F.silu}.get(kind, F.gelu)(layer.w_1(normed))
        return cast(Tensor, x + layer.w_2(inner * layer.w_3(normed) if hasattr(layer, "w_3") else inner))


def _as_tuple(value: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return value if isinstance(value, tuple) else (value,)
