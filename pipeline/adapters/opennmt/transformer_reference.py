"""OpenNMT-py's Transformers, computed as OpenNMT-py does and anew for every prefix: the parity reference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional as F

from exported_models.contract.arrays import Floats
from pipeline.adapters.named_weights import Weights
from pipeline.adapters.opennmt.names import TARGET_EMBEDDING
from pipeline.adapters.opennmt.options import TransformerOptions
from pipeline.models.spaces import name_lower_layers
from pipeline.reference.stepwise import StepResult


class TransformerParts:
    """The layers of a checkpoint.

    Attributes:
        source_embedding: the source's table, in the order of the exported model's vocabulary.
        context_layer: decoder layer whose context is given.
    """

    def __init__(self, options: TransformerOptions, weights: Weights, embedding: Tensor) -> None:
        self.options = options
        self.weights = weights
        self.source_embedding = embedding
        self.target_embedding = weights.take(TARGET_EMBEDDING)
        self.context_layer = options.dec_layers - 1

    def linear(self, name: str, x: Tensor) -> Tensor:
        bias = f"{name}.bias"
        return F.linear(
            x, self.weights.take(f"{name}.weight"), self.weights.take(bias) if bias in self.weights else None
        )

    def norm(self, name: str, x: Tensor) -> Tensor:
        weight, epsilon = self.weights.take(f"{name}.weight"), self.options.norm_eps
        if self.options.layer_norm == "rms":
            return F.rms_norm(x, weight.shape, weight, epsilon)
        return F.layer_norm(x, weight.shape, weight, self.weights.take(f"{name}.bias"), epsilon)

    def embed(self, side: str, table: Tensor, ids: Sequence[int]) -> Tensor:
        x = table[list(ids)]
        if not self.options.position_encoding:
            return x
        return x * math.sqrt(x.shape[1]) + self.weights.take(f"{side}.embeddings.make_embedding.pe.pe")[: len(ids), 0]

    def attend(self, name: str, queries: Tensor, keys: Tensor, hidden: Tensor | None) -> tuple[Tensor, Tensor]:
        """Output [queries, size] and attention [heads, queries, keys]; ``hidden`` is true on masked keys."""
        heads = self.options.heads
        query, key, value = (
            self.linear(f"{name}.linear_{kind}", x).view(len(x), heads, -1).transpose(0, 1)
            for kind, x in (("query", queries), ("keys", keys), ("values", keys))
        )
        scores = query / math.sqrt(query.shape[-1]) @ key.transpose(1, 2)
        attention = torch.softmax(scores if hidden is None else scores.masked_fill(hidden, -torch.inf), dim=-1)
        return self.linear(f"{name}.final_linear", (attention @ value).transpose(0, 1).flatten(1)), attention

    def feed_forward(self, name: str, x: Tensor) -> Tensor:
        """The feed-forward layer with its norm and the residual sum, as in OpenNMT-py."""
        normed, kind = self.norm(f"{name}.layer_norm", x), self.options.pos_ffn_activation_fn
        activation = {"relu": F.relu, "silu": F.silu}.get(kind, F.gelu)
        inner = activation(self.linear(f"{name}.w_1", normed))
        if kind in ("silu", "gated-gelu"):
            inner = inner * self.linear(f"{name}.w_3", normed)
        return x + self.linear(f"{name}.w_2", inner)


class TransformerRun:
    """One source, alone and without padding, with the prefixes so far."""

    def __init__(self, parts: TransformerParts, source_ids: Sequence[int]) -> None:
        self._parts = parts
        x, layers = parts.embed("encoder", parts.source_embedding, source_ids), []
        for index in range(parts.options.enc_layers):
            name = f"encoder.transformer.{index}"
            normed = parts.norm(f"{name}.layer_norm", x)
            x = parts.feed_forward(
                f"{name}.feed_forward", x + parts.attend(f"{name}.self_attn", normed, normed, None)[0]
            )
            layers.append(_floats(x))
        self._outputs = parts.norm("encoder.layer_norm", x)
        self.encoder_states = _floats(self._outputs)
        self.more_states = name_lower_layers("encoder", layers)
        self._prefixes: list[tuple[int, ...]] = [()]

    def step(self, tokens: Sequence[int], parents: Sequence[int]) -> StepResult:
        pairs = zip(parents, tokens, strict=True)
        self._prefixes = [(*self._prefixes[parent], token) for parent, token in pairs]
        rows = [self._decode(prefix) for prefix in self._prefixes]
        state, context, attention, layers = (torch.stack(kind) for kind in zip(*rows, strict=True))
        logits = self._parts.linear("generator", state)
        more_states = name_lower_layers("decoder", [_floats(layer) for layer in layers.unbind(1)])
        return StepResult(_floats(logits), _floats(state), _floats(context), _floats(attention), more_states)

    def _decode(self, prefix: Sequence[int]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Outputs at the last token of a prefix.

        State and context [size], attention [layers, heads, source], output of every layer [layers, size].
        """
        parts = self._parts
        x = parts.embed("decoder", parts.target_embedding, prefix)
        later = torch.ones(len(prefix), len(prefix), dtype=torch.bool).triu(1)
        attentions, layers, context = [], [], x
        for index in range(parts.options.dec_layers):
            name = f"decoder.transformer_layers.{index}"
            normed = parts.norm(f"{name}.layer_norm_1", x)
            x = x + parts.attend(f"{name}.self_attn", normed, normed, later)[0]
            query = parts.norm(f"{name}.layer_norm_2", x)
            read, attention = parts.attend(f"{name}.context_attn", query, self._outputs, None)
            context = read if index == parts.context_layer else context
            x = parts.feed_forward(f"{name}.feed_forward", x + read)
            attentions.append(attention[:, -1])
            layers.append(x[-1])
        state = parts.norm("decoder.layer_norm", x)[-1]
        return state, context[-1], torch.stack(attentions), torch.stack(layers)


def _floats(values: Tensor) -> Floats:
    return cast(Floats, values.numpy())
