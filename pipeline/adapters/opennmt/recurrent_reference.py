"""OpenNMT-py's recurrent models with torch's own stacks, computed as OpenNMT-py does: the parity reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from exported_models.contract.arrays import Floats
from pipeline.adapters.named_weights import Weights
from pipeline.adapters.opennmt.names import TARGET_EMBEDDING
from pipeline.adapters.opennmt.options import RecurrentOptions
from pipeline.adapters.opennmt.recurrent import CELLS
from pipeline.models.spaces import ATTENTIONAL_SPACE, name_layers, name_lower_layers
from pipeline.reference.stacks import list_parameters, make_stack, name_layer, read_source, run_step
from pipeline.reference.stepwise import StepResult


class RecurrentParts:
    """The modules of a checkpoint; ``embedding`` is the source's, in the order of the exported model's vocabulary."""

    def __init__(self, options: RecurrentOptions, weights: Weights, embedding: Tensor) -> None:
        self.options = options
        self.weights = weights
        self.source_embedding = embedding
        self.target_embedding = weights.take(TARGET_EMBEDDING)
        both_ways = options.encoder_type == "brnn"
        self.encoder = self._make_stack("encoder", options.enc_layers, bidirectional=both_ways)
        self.lower_encoders = [
            self._make_stack("encoder", layers, bidirectional=both_ways) for layers in range(1, options.enc_layers)
        ]
        self.decoder = self._make_stack("decoder", options.dec_layers, bidirectional=False)

    def linear(self, name: str, x: Tensor) -> Tensor:
        bias = f"{name}.bias"
        return F.linear(
            x, self.weights.take(f"{name}.weight"), self.weights.take(bias) if bias in self.weights else None
        )

    def _make_stack(self, side: str, layers: int, *, bidirectional: bool) -> nn.RNNBase:
        fed = side == "decoder" and self.options.input_feed
        state = {}
        for kind, index, backward in list_parameters(layers, bidirectional=bidirectional):
            own = name_layer(kind, index, backward=backward)
            state[own] = self.weights.take(f"{side}.rnn.{f'layers.{index}.{kind}' if fed else own}")
        return make_stack(CELLS[self.options.rnn_type], state, layers, bidirectional=bidirectional)


class RecurrentRun:
    """One source, alone and without padding, with the decoder's running state."""

    def __init__(self, parts: RecurrentParts, source_ids: Sequence[int]) -> None:
        self._parts = parts
        x = parts.source_embedding[list(source_ids)]
        self._outputs, final = read_source(parts.encoder, x)
        self.encoder_states = _floats(self._outputs)
        self.more_states = name_layers("encoder", [_floats(read_source(stack, x)[0]) for stack in parts.lower_encoders])
        self._states = tuple(self._start(kind, index) for index, kind in enumerate(final))
        self._feed = torch.zeros(1, parts.decoder.hidden_size)

    def step(self, tokens: Sequence[int], parents: Sequence[int]) -> StepResult:
        parts, x = self._parts, self._parts.target_embedding[list(tokens)]
        if parts.options.input_feed:
            x = torch.cat([x, self._feed[list(parents)]], dim=1)
        state, self._states = run_step(parts.decoder, x, self._states, parents)
        predictor, attention, context = self._attend(state)
        self._feed = predictor
        return StepResult(
            logits=_floats(parts.linear("generator", predictor)),
            decoder_state=_floats(state),
            context=None if context is None else _floats(context),
            attention=None if attention is None else _floats(attention[:, None, None]),
            more_states={
                **name_lower_layers("decoder", [_floats(layer) for layer in self._states[0]]),
                **({} if context is None else {ATTENTIONAL_SPACE: _floats(predictor)}),
            },
        )

    def _start(self, final: Tensor, kind: int) -> Tensor:
        """[layers x directions, 1, units] -> [layers, 1, decoder units], through the bridge if there is one."""
        parts = self._parts
        layers, directions = parts.options.enc_layers, 2 if parts.encoder.bidirectional else 1
        flat = final.transpose(0, 1)
        if parts.options.bridge:
            whole = flat.reshape(-1, layers * parts.encoder.hidden_size)
            flat = torch.relu(parts.linear(f"encoder.bridge.{kind}", whole)).reshape(flat.shape)
        return flat.reshape(1, layers, directions * parts.encoder.hidden_size).transpose(0, 1).contiguous()

    def _attend(self, query: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """The generator's input, attention [rows, source], context [rows, size] (``onmt.modules.GlobalAttention``)."""
        parts, kind = self._parts, self._parts.options.global_attention
        if kind == "none":
            return query, None, None
        if kind == "mlp":
            sums = parts.linear("decoder.attn.linear_query", query)[:, None]
            sums = sums + parts.linear("decoder.attn.linear_context", self._outputs)[None]
            scores = parts.linear("decoder.attn.v", torch.tanh(sums)).squeeze(-1)
        else:
            asked = parts.linear("decoder.attn.linear_in", query) if kind == "general" else query
            scores = asked @ self._outputs.T
        attention = torch.softmax(scores, dim=-1)
        context = attention @ self._outputs
        mixed = parts.linear("decoder.attn.linear_out", torch.cat([context, query], dim=1))
        return mixed if kind == "mlp" else torch.tanh(mixed), attention, context


def _floats(values: Tensor) -> Floats:
    return cast(Floats, values.numpy())
