"""JoeyNMT's recurrent models with torch's own stacks, computed as JoeyNMT does: the parity reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from exported_models.contract.arrays import Floats
from pipeline.adapters.joeynmt.checkpoint import Checkpoint
from pipeline.adapters.joeynmt.recurrent import read_tables
from pipeline.adapters.joeynmt.settings import RecurrentSettings
from pipeline.models.recurrent import Cell
from pipeline.models.spaces import ATTENTIONAL_SPACE, name_layers, name_lower_layers
from pipeline.reference.stacks import list_parameters, make_stack, name_layer, read_source, run_step
from pipeline.reference.stepwise import StepResult

_ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "relu": F.relu,
    "gelu": F.gelu,
    "swish": F.silu,
}


class RecurrentParts:
    """The modules of a checkpoint."""

    def __init__(self, checkpoint: Checkpoint, own: RecurrentSettings) -> None:
        self._weights = checkpoint.weights
        self.settings = own.decoder
        self.source_embedding, self.target_embedding = read_tables(checkpoint, own)
        *self.lower_encoders, self.encoder = (
            self._make_stack("encoder", own.encoder.rnn_type, count, bidirectional=True)
            for count in range(1, own.encoder.num_layers + 1)
        )
        self.decoder = self._make_stack("decoder", own.decoder.rnn_type, own.decoder.num_layers, bidirectional=False)

    def linear(self, name: str, x: Tensor) -> Tensor:
        """A layer of the decoder."""
        weight, bias = f"decoder.{name}.weight", f"decoder.{name}.bias"
        return F.linear(x, self._weights.take(weight), self._weights.take(bias) if bias in self._weights else None)

    def activate(self, x: Tensor) -> Tensor:
        """The decoder's activation."""
        return _ACTIVATIONS[self.settings.activation](x)

    def _make_stack(self, side: str, cell: Cell, layers: int, *, bidirectional: bool) -> nn.RNNBase:
        names = [
            name_layer(kind, index, backward=backward)
            for kind, index, backward in list_parameters(layers, bidirectional=bidirectional)
        ]
        weights = {name: self._weights.take(f"{side}.rnn.{name}") for name in names}
        return make_stack(cell, weights, layers, bidirectional=bidirectional)


class RecurrentRun:
    """One source, alone and without padding, with the decoder's running state."""

    def __init__(self, parts: RecurrentParts, source_ids: Sequence[int]) -> None:
        self._parts = parts
        x = parts.source_embedding[list(source_ids)]
        self._outputs, (hidden, *_) = read_source(parts.encoder, x)
        self.encoder_states = _floats(self._outputs)
        self.more_states = name_layers("encoder", [_floats(read_source(stack, x)[0]) for stack in parts.lower_encoders])
        self._states = self._begin(hidden[-2:].flatten().unsqueeze(0))
        self._vector = torch.zeros(1, parts.decoder.hidden_size)

    def step(self, tokens: Sequence[int], parents: Sequence[int]) -> StepResult:
        parts, x = self._parts, self._parts.target_embedding[list(tokens)]
        if parts.settings.input_feeding:
            x = torch.cat([x, self._vector[list(parents)]], dim=1)
        query, self._states = run_step(parts.decoder, x, self._states, parents)
        attention = torch.softmax(self._score(query), dim=-1)
        context = attention @ self._outputs
        self._vector = parts.activate(parts.linear("att_vector_layer", torch.cat([query, context], dim=1)))
        return StepResult(
            logits=_floats(parts.linear("output_layer", self._vector)),
            decoder_state=_floats(query),
            context=_floats(context),
            attention=_floats(attention[:, None, None]),
            more_states={
                **name_lower_layers("decoder", [_floats(layer) for layer in self._states[0]]),
                ATTENTIONAL_SPACE: _floats(self._vector),
            },
        )

    def _begin(self, final: Tensor) -> tuple[Tensor, ...]:
        """The decoder's first state [layers, 1, units], and an LSTM's cell, of the encoder's last state [1, size]."""
        parts, units = self._parts, self._parts.decoder.hidden_size
        if parts.settings.init_hidden == "bridge":
            first = parts.activate(parts.linear("bridge_layer", final))
        elif parts.settings.init_hidden == "last":
            first = final[:, :units] if final.shape[1] == 2 * units else final
        else:
            first = torch.zeros(1, units)
        state = first.repeat(parts.decoder.num_layers, 1, 1)
        return (state, state) if parts.settings.rnn_type == "lstm" else (state,)

    def _score(self, query: Tensor) -> Tensor:
        """Scores [rows, source] of attention (``BahdanauAttention`` and ``LuongAttention``)."""
        keys = self._parts.linear("attention.key_layer", self._outputs)
        if self._parts.settings.attention == "luong":
            return query @ keys.T
        sums = self._parts.linear("attention.query_layer", query)[:, None] + keys[None]
        return self._parts.linear("attention.energy_layer", torch.tanh(sums)).squeeze(-1)


def _floats(values: Tensor) -> Floats:
    return cast(Floats, values.numpy())
