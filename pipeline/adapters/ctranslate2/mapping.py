"""Mapping the variables of CTranslate2 to the weights of `pipeline.models.transformer`."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pipeline.adapters.ctranslate2.architecture import EMBEDDINGS, OUTPUT, Architecture, Side
from pipeline.adapters.ctranslate2.weights import Weights
from pipeline.errors import CheckpointError
from pipeline.models.transformer_config import StackConfig, TransformerConfig

POSITIONS = 1024
"""Rows of a table of positions that CTranslate2 computes and has no limit for."""
NEVER = -1e9
"""Output bias of the token that starts a target: finite, and low enough that its probability is zero."""
_STACKS: tuple[tuple[Side, str], ...] = (("encoder", "source_embedding"), ("decoder", "target_embedding"))


def map_weights(weights: Weights, architecture: Architecture) -> tuple[TransformerConfig, dict[str, Tensor]]:
    """The configuration and the weights of the exported module.

    Targets of Marian's models begin with zeros in place of an embedding. The exported module has them as one more row
    at the end of the target's table, for a token that is never produced. If source and target share a table, both sides
    have the row.

    Raises:
        CheckpointError: a variable is missing, or belongs to no part of the exported module.
    """
    mapping = _Mapping(weights, architecture)
    state = mapping.map_model()
    weights.finish()
    return _configure(state, architecture), state


def _configure(state: dict[str, Tensor], own: Architecture) -> TransformerConfig:
    def stack(side: Side) -> StackConfig:
        inner = len(state[f"{side}.0.feed_forward.expand.weight"])
        return StackConfig(own.layers[side], own.heads[side], own.head_size, inner)

    positions = state.get("source_embedding.positions.weight")
    return TransformerConfig(
        source_vocabulary=len(state["source_embedding.tokens.weight"]),
        target_vocabulary=len(state["target_embedding.tokens.weight"]),
        size=own.size,
        encoder=stack("encoder"),
        decoder=stack("decoder"),
        activation=own.activation,
        norm_first=own.norm_first,
        norm_epsilon=own.norm_epsilon,
        rms_norm=own.rms_norm,
        embedding_norm=own.embedding_norm,
        final_norm=own.final_norm,
        gated=own.gated,
        bias=own.bias,
        embedding_scale=own.scale,
        output_scale=own.output_scale,
        positions=0 if positions is None else len(positions),
        relative_bias=own.distances,
        tied=own.ties_output,
    )


class _Mapping:
    """Converts variables to weights of the exported module."""

    def __init__(self, weights: Weights, architecture: Architecture) -> None:
        self._weights = weights
        self._own = architecture

    def map_model(self) -> dict[str, Tensor]:
        state = self._map_tables()
        for side, embedding in _STACKS:
            if self._own.embedding_norm:
                state |= self._norm(f"{embedding}.norm", f"{side}/layernorm_embedding")
            if self._own.final_norm:
                state |= self._norm(f"{side}_norm", f"{side}/layer_norm")
            for index in range(self._own.layers[side]):
                state |= self._map_layer(f"{side}.{index}", f"{side}/layer_{index}")
            state |= self._map_distances(side)
        return state

    def _map_tables(self) -> dict[str, Tensor]:
        source, target = (self._table(f"{EMBEDDINGS[side]}/weight") for side, _ in _STACKS)
        target = self._add_start(target)
        positions = self._find_positions()
        return {
            "source_embedding.tokens.weight": target if self._own.ties_sides else source,
            "target_embedding.tokens.weight": target,
            **self._map_output(target),
            **{
                f"{embedding}.positions.weight": table
                for (_, embedding), table in zip(_STACKS, positions, strict=False)
            },
        }

    def _map_output(self, target: Tensor) -> dict[str, Tensor]:
        table = self._weights.take(f"{OUTPUT}/weight")
        if table.shape[0] != len(target) - self._own.starts_from_zero:
            raise CheckpointError(
                f"{self._weights.path} has {OUTPUT}/weight of {table.shape[0]} rows where the target has "
                f"{len(target) - self._own.starts_from_zero} tokens."
            )
        bias = self._bias(OUTPUT, len(table))
        never = torch.full((int(self._own.starts_from_zero),), NEVER)
        weight = target if self._own.ties_output else self._add_start(table)
        return {"output.weight": weight, "output.bias": torch.cat([bias, never])}

    def _add_start(self, table: Tensor) -> Tensor:
        """The table with a row of zeros for the start of targets, if they begin with zeros."""
        return torch.cat([table, table.new_zeros(1, table.shape[1])]) if self._own.starts_from_zero else table

    def _find_positions(self) -> list[Tensor]:
        """Both sides' tables of positions, of as many rows; none where distances have biases."""
        names = [f"{side}/position_encodings/encodings" for side, _ in _STACKS]
        if self._own.distances is not None:
            return []
        tables = [self._table(name) if name in self._weights else sinusoids(self._own.size) for name in names]
        rows = min(map(len, tables))
        return [table[:rows] for table in tables]

    def _map_layer(self, target: str, source: str) -> dict[str, Tensor]:
        feed_forward = f"{target}.feed_forward"
        state = {
            **self._map_self_attention(f"{target}.attention", f"{source}/self_attention"),
            **self._norm(f"{target}.attention_norm", f"{source}/self_attention/layer_norm"),
            **self._linear(f"{feed_forward}.expand", f"{source}/ffn/linear_0"),
            **self._linear(f"{feed_forward}.contract", f"{source}/ffn/linear_1"),
            **self._norm(f"{feed_forward}_norm", f"{source}/ffn/layer_norm"),
        }
        if self._own.gated:
            state |= self._linear(f"{feed_forward}.gate", f"{source}/ffn/linear_0_noact")
        if source.startswith("decoder"):
            state |= self._map_cross_attention(f"{target}.cross_attention", f"{source}/attention")
        return state

    def _map_self_attention(self, target: str, source: str) -> dict[str, Tensor]:
        project = self._linear(f"{target}.project", f"{source}/linear_0")
        inner = len(project[f"{target}.project.weight"]) // 3
        scale = self._query_scale(source)
        scaled = {name: torch.cat([tensor[:inner] * scale, tensor[inner:]]) for name, tensor in project.items()}
        return scaled | self._linear(f"{target}.output", f"{source}/linear_1")

    def _map_cross_attention(self, target: str, source: str) -> dict[str, Tensor]:
        scale = self._query_scale(source)
        query = self._linear(f"{target}.query", f"{source}/linear_0")
        read = self._linear("both", f"{source}/linear_1")
        state = {name: tensor * scale for name, tensor in query.items()}
        for name, tensor in read.items():
            state |= zip(
                (name.replace("both", f"{target}.{part}") for part in ("keys", "values")),
                tensor.chunk(2),
                strict=True,
            )
        state |= self._linear(f"{target}.output", f"{source}/linear_2")
        return state | self._norm(f"{target}_norm", f"{source}/layer_norm")

    def _map_distances(self, side: Side) -> dict[str, Tensor]:
        """The table of every layer, or of the first where layers share it."""
        distances = self._own.distances
        if distances is None:
            return {}
        tables = []
        for index in range(self._own.layers[side]):
            own = f"{side}/layer_{index}/self_attention"
            longest = self._weights.number(f"{own}/relative_attention_max_distance", distances.longest)
            if longest != distances.longest:
                raise CheckpointError(
                    f"{self._weights.path} has biases up to {distances.longest} and {longest:g} tokens; layers must "
                    "agree to be exported."
                )
            tables.append(self._weights.take(f"{own}/relative_attention_bias"))
        kept = tables if distances.by_layer else tables[:1]
        return {f"{side}_bias.{index}.weight": table for index, table in enumerate(kept)}

    def _query_scale(self, attention: str) -> float:
        return self._weights.number(f"{attention}/queries_scale", float(self._own.head_size**-0.5))

    def _linear(self, target: str, source: str) -> dict[str, Tensor]:
        weight = self._weights.take(f"{source}/weight")
        state = {f"{target}.weight": weight}
        return state | ({f"{target}.bias": self._bias(source, len(weight))} if self._own.bias else {})

    def _bias(self, source: str, size: int) -> Tensor:
        """The bias of a projection, or zeros."""
        name = f"{source}/bias"
        return self._weights.take(name) if name in self._weights else torch.zeros(size)

    def _norm(self, target: str, source: str) -> dict[str, Tensor]:
        state = {f"{target}.weight": self._weights.take(f"{source}/gamma")}
        # A flag of norms of the root mean square that no encoder-decoder sets.
        if self._weights.number(f"{source}/layer_norm_use_residual", 0):
            raise CheckpointError(f"{self._weights.path} has norms of 1 + gamma ({source}), which cannot be exported.")
        return state | ({} if self._own.rms_norm else {f"{target}.bias": self._weights.take(f"{source}/beta")})

    def _table(self, name: str) -> Tensor:
        table = self._weights.take(name)
        if table.dim() != 2 or table.shape[1] != self._own.size:
            raise CheckpointError(
                f"{self._weights.path} has {name} as {list(table.shape)}, where [rows, {self._own.size}] is expected."
            )
        return table


def sinusoids(size: int, count: int = POSITIONS) -> Tensor:
    """The positions [count, size] of models without a table: sines, then cosines, of places counted from 1."""
    half = size // 2
    rates = torch.exp(torch.arange(half, dtype=torch.float32) * -(math.log(10000.0) / (half - 1)))
    angles = torch.arange(1, count + 1, dtype=torch.float32)[:, None] * rates
    return torch.cat([torch.sin(angles), torch.cos(angles)], dim=1)
