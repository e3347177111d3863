"""Mapping Marian's weights to those of `pipeline.models.transformer`."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pipeline.adapters.marian.options import MarianOptions
from pipeline.adapters.marian.weights import MarianWeights
from pipeline.errors import CheckpointError
from pipeline.models.transformer_config import StackConfig, TransformerConfig

POSITIONS = 1024
"""Rows of the table of positions. Marian computes positions without a limit; this one limits mistaken requests."""
NORM_EPSILON = 1e-9
_LINEAR = ("weight", "bias")
_NEVER = -1e9
"""Output bias of the start token: finite, and low enough that its probability is zero."""


def map_weights(weights: MarianWeights, options: MarianOptions) -> tuple[TransformerConfig, dict[str, Tensor]]:
    """The configuration and the weights of the exported module.

    Marian begins a target with a zero embedding in place of a start token. The exported module has it as one more row
    at the end of the target's table, for a token that is never produced. If source and target share a table, both sides
    have the row.

    Raises:
        CheckpointError: a weight is missing, has the wrong shape, or belongs to no part of the exported module.
    """
    mapping = _Mapping(weights, options)
    state = mapping.map_model()
    mapping.check_nothing_is_left()
    return _configure(state, options), state


def _configure(state: dict[str, Tensor], options: MarianOptions) -> TransformerConfig:
    def stack(name: str, layers: int, depth: int) -> StackConfig:
        inner = len(state[f"{name}.0.feed_forward.expand.bias"])
        return StackConfig(layers, options.heads, options.size // options.heads, inner, depth)

    return TransformerConfig(
        source_vocabulary=len(state["source_embedding.tokens.weight"]),
        target_vocabulary=len(state["target_embedding.tokens.weight"]),
        size=options.size,
        encoder=stack("encoder", options.encoder_layers, options.encoder_depth),
        decoder=stack("decoder", options.decoder_layers, options.decoder_depth),
        activation=options.activation,
        norm_first=options.norm_first,
        norm_epsilon=NORM_EPSILON,
        embedding_norm=options.embedding_norm,
        final_norm=options.final_norm,
        embedding_scale=math.sqrt(options.size),
        positions=POSITIONS,
        tied=options.ties_output,
        recurrent=options.is_recurrent,
        recurrent_projection=options.projects_recurrence,
    )


class _Mapping:
    """Converts weights to those of the exported module, and keeps account of those that were read."""

    def __init__(self, weights: MarianWeights, options: MarianOptions) -> None:
        self._weights = weights
        self._options = options
        self._unread = set(weights.tensors)

    def check_nothing_is_left(self) -> None:
        """Refuse weights that were not read: they belong to a computation that is not exported."""
        if self._unread:
            raise CheckpointError(
                f"{self._weights.path} has {len(self._unread)} weights that its options do not explain, for instance "
                f"{min(self._unread)}; only plain Transformers and those with an SSRU can be exported."
            )

    def map_model(self) -> dict[str, Tensor]:
        target = _with_start_row(self._table(self._options.target_embedding))
        shared = self._options.source_embedding == self._options.target_embedding
        state = {
            "source_embedding.tokens.weight": target if shared else self._table(self._options.source_embedding),
            "target_embedding.tokens.weight": target,
            **self._map_output(target),
        }
        for side in ("source", "target"):
            state[f"{side}_embedding.positions.weight"] = sinusoids(POSITIONS, self._options.size)
        for index in range(self._options.encoder_layers):
            state |= self._map_encoder_layer(f"encoder.{index}", f"encoder_l{index + 1}")
        for index in range(self._options.decoder_layers):
            state |= self._map_decoder_layer(f"decoder.{index}", f"decoder_l{index + 1}")
        return state | self._map_outer_norms()

    def _map_output(self, target: Tensor) -> dict[str, Tensor]:
        weight = target if self._options.ties_output else _with_start_row(self._output_table())
        name = "decoder_ff_logit_out_b"
        bias = self._vector(name, len(weight) - 1) if name in self._unread else torch.zeros(len(weight) - 1)
        return {"output.weight": weight, "output.bias": torch.cat([bias, torch.tensor([_NEVER])])}

    def _output_table(self) -> Tensor:
        """The output projection [tokens, size]; older versions of Marian store it transposed, under another name."""
        older = "decoder_ff_logit_out_W"
        if older not in self._unread:
            return self._table(f"{older}t")
        return self._take(older).T.contiguous()

    def _map_encoder_layer(self, target: str, source: str) -> dict[str, Tensor]:
        return {
            **self._map_self_attention(f"{target}.attention", f"{source}_self"),
            **self._norm(f"{target}.attention_norm", f"{source}_self_Wo"),
            **self._map_feed_forward(target, f"{source}_ffn", self._options.encoder_depth),
        }

    def _map_decoder_layer(self, target: str, source: str) -> dict[str, Tensor]:
        cross = f"{source}_context"
        past = self._map_recurrence(target, f"{source}_rnn")
        if not self._options.is_recurrent:
            past = {
                **self._map_self_attention(f"{target}.attention", f"{source}_self"),
                **self._norm(f"{target}.attention_norm", f"{source}_self_Wo"),
            }
        return {
            **past,
            **self._linear(f"{target}.cross_attention.query", cross, "q", self._query_scale),
            **self._linear(f"{target}.cross_attention.keys", cross, "k"),
            **self._linear(f"{target}.cross_attention.values", cross, "v"),
            **self._linear(f"{target}.cross_attention.output", cross, "o"),
            **self._norm(f"{target}.cross_attention_norm", f"{cross}_Wo"),
            **self._map_feed_forward(target, f"{source}_ffn", self._options.decoder_depth),
        }

    def _map_self_attention(self, target: str, source: str) -> dict[str, Tensor]:
        parts = [
            self._linear("part", source, "q", self._query_scale),
            self._linear("part", source, "k"),
            self._linear("part", source, "v"),
        ]
        joined = {f"{target}.project.{name}": torch.cat([part[f"part.{name}"] for part in parts]) for name in _LINEAR}
        return joined | self._linear(f"{target}.output", source, "o")

    def _map_recurrence(self, target: str, source: str) -> dict[str, Tensor]:
        if not self._options.is_recurrent:
            return {}
        gate = self._linear("gate", source, "f")
        candidate = self._matrix(f"{source}_W", self._options.size).T
        norm = source if self._options.norm_first else f"{source}_ffn"
        return {
            f"{target}.attention.project.weight": torch.cat([gate["gate.weight"], candidate]),
            f"{target}.attention.project.bias": torch.cat([gate["gate.bias"], torch.zeros(len(candidate))]),
            **(self._linear(f"{target}.attention.output", source, "o") if self._options.projects_recurrence else {}),
            **self._norm(f"{target}.attention_norm", norm),
        }

    def _map_feed_forward(self, target: str, source: str, depth: int) -> dict[str, Tensor]:
        own = f"{target}.feed_forward"
        state = self._linear(f"{own}.expand", source, "1")
        inner = len(state[f"{own}.expand.bias"])
        for number in range(2, depth):
            state |= self._linear(f"{own}.between.{number - 2}", source, str(number), inputs=inner)
        return {
            **state,
            **self._linear(f"{own}.contract", source, str(depth), inputs=inner),
            **self._norm(f"{target}.feed_forward_norm", f"{source}_ffn"),
        }

    def _map_outer_norms(self) -> dict[str, Tensor]:
        state: dict[str, Tensor] = {}
        for side, stack in (("source", "encoder"), ("target", "decoder")):
            if self._options.embedding_norm:
                state |= self._norm(f"{side}_embedding.norm", f"{stack}_emb", suffix="_pre")
            if self._options.final_norm:
                state |= self._norm(f"{stack}_norm", f"{stack}_top", suffix="")
        return state

    @property
    def _query_scale(self) -> float:
        return float((self._options.size // self._options.heads) ** -0.5)

    def _linear(
        self, target: str, source: str, kind: str, scale: float = 1.0, inputs: int | None = None
    ) -> dict[str, Tensor]:
        """Marian's ``<source>_W<kind>`` [inputs, outputs] and ``<source>_b<kind>`` as a projection of torch."""
        weight = self._matrix(f"{source}_W{kind}", inputs or self._options.size)
        bias = self._vector(f"{source}_b{kind}", weight.shape[1])
        return {f"{target}.weight": weight.T * scale, f"{target}.bias": bias * scale}

    def _norm(self, target: str, source: str, suffix: str | None = None) -> dict[str, Tensor]:
        place = suffix if suffix is not None else "_pre" if self._options.norm_first else ""
        return {
            f"{target}.weight": self._vector(f"{source}_ln_scale{place}", self._options.size),
            f"{target}.bias": self._vector(f"{source}_ln_bias{place}", self._options.size),
        }

    def _table(self, name: str) -> Tensor:
        table = self._take(name)
        if table.dim() != 2 or table.shape[1] != self._options.size:
            raise self._wrong_shape(name, table, f"[tokens, {self._options.size}]")
        return table

    def _matrix(self, name: str, inputs: int) -> Tensor:
        matrix = self._take(name)
        if matrix.dim() != 2 or matrix.shape[0] != inputs:
            raise self._wrong_shape(name, matrix, f"[{inputs}, outputs]")
        return matrix

    def _vector(self, name: str, size: int) -> Tensor:
        vector = self._take(name).flatten()
        if len(vector) != size:
            raise self._wrong_shape(name, vector, f"[{size}]")
        return vector

    def _take(self, name: str) -> Tensor:
        if name not in self._unread:
            raise CheckpointError(f"{self._weights.path} has no weight {name}, which its options ask for.")
        self._unread.discard(name)
        return torch.from_numpy(self._weights.tensors[name])

    def _wrong_shape(self, name: str, found: Tensor, wanted: str) -> CheckpointError:
        return CheckpointError(
            f"{self._weights.path} has the weight {name} as {list(found.shape)}, but its options ask for {wanted}."
        )


def sinusoids(count: int, size: int) -> Tensor:
    """Marian's positions [count, size]: sines, then cosines, of rates from 1 to 1/10000, both included."""
    half = size // 2
    rates = torch.exp(torch.arange(half, dtype=torch.float32) * -(math.log(10000.0) / (half - 1)))
    angles = torch.arange(count, dtype=torch.float32)[:, None] * rates
    return torch.cat([torch.sin(angles), torch.cos(angles)], dim=1)


def _with_start_row(table: Tensor) -> Tensor:
    return torch.cat([table, table.new_zeros(1, table.shape[1])])
