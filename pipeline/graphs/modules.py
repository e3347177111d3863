"""Modules to export: those of an adapter, wrapped so that the graphs of all families have the same interface."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from exported_models.contract.graphs import (
    DECODER_HEAD_MASK,
    EMBEDDING_INPUTS,
    ENCODER_HEAD_MASK,
    ENCODER_INPUTS,
    FORCED_INPUTS,
    FORCED_NORMALIZER,
    FORCED_OUTPUTS,
    FORCED_STATE_SHAPE,
    MEMORY_PREFIX,
    NEXT_PREFIX,
    SELF_ATTENTION_INPUTS,
    SELF_ATTENTION_OUTPUTS,
    SOURCE_STATE_SHAPE,
    STEP_HEAD_MASK,
    STEP_INPUTS,
    STEP_NORMALIZER,
    STEP_OUTPUTS,
    STEP_STATE_SHAPE,
    TensorSpec,
)
from pipeline.models.checkpoint import LoadedCheckpoint

_ATTENTION_TENSORS = frozenset({"source_mask", "attention_override", "override_on", "cross_attention"})
GROWING, GROWN = "past", "present"
"""Names of the dimension of a memory tensor that grows by one at every step: before it and after."""

_GRAPH_INPUTS = frozenset({"beam_index", "scored_ids", "top_count"})


def encoder_inputs(model: LoadedCheckpoint) -> tuple[TensorSpec, ...]:
    """Every input of the model's encoder graph."""
    return (*ENCODER_INPUTS, *_head_masks(model, ENCODER_HEAD_MASK))


def encoder_outputs(model: LoadedCheckpoint) -> tuple[TensorSpec, ...]:
    """Every output of the model's encoder graph."""
    states = _states(model, "source", SOURCE_STATE_SHAPE)
    return (*states, *model.source_tensors, *model.memory_tensors)


def step_inputs(model: LoadedCheckpoint) -> tuple[TensorSpec, ...]:
    """Every input of the model's step graph; memory has a row for each row of the step before."""
    own = tuple(_sized(spec, model) for spec in STEP_INPUTS if _belongs(spec, model))
    memory = (_with_rows(spec, spec.name, "incoming") for spec in model.memory_tensors)
    return (*own, *_head_masks(model, STEP_HEAD_MASK), *model.source_tensors, *memory)


def step_outputs(model: LoadedCheckpoint) -> tuple[TensorSpec, ...]:
    """Every output of the model's step graph."""
    own = (_sized(spec, model) for spec in STEP_OUTPUTS if _belongs(spec, model))
    states = _states(model, "target", STEP_STATE_SHAPE)
    memory = (_with_rows(spec, _next_name(spec.name), "rows") for spec in model.memory_tensors)
    return (*own, *states, STEP_NORMALIZER, *(_one_step_on(spec) for spec in memory))


def forced_inputs(model: LoadedCheckpoint) -> tuple[TensorSpec, ...]:
    """Every input of the model's teacher-forced graph."""
    return (*FORCED_INPUTS, *_head_masks(model, DECODER_HEAD_MASK), *model.source_tensors)


def forced_outputs(model: LoadedCheckpoint) -> tuple[TensorSpec, ...]:
    """Every output of the model's teacher-forced graph."""
    own = (_sized(spec, model) for spec in FORCED_OUTPUTS if _belongs(spec, model))
    return (*own, *_states(model, "target", FORCED_STATE_SHAPE), FORCED_NORMALIZER)


class EncoderGraph(nn.Module):
    """The adapter's encoder with its outputs in the order of `encoder_outputs`."""

    def __init__(self, model: LoadedCheckpoint) -> None:
        super().__init__()
        self.inputs = encoder_inputs(model)
        self.outputs = encoder_outputs(model)
        self.encoder = model.encoder

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        return _in_order(self.encoder(*tensors), self.outputs)


class StepGraph(nn.Module):
    """The adapter's decoder step, with beams reordered before it and the wanted log-probabilities picked after it."""

    def __init__(self, model: LoadedCheckpoint) -> None:
        super().__init__()
        self.inputs = step_inputs(model)
        self.outputs = step_outputs(model)
        self.decoder_step = model.decoder_step
        self.vocabulary = model.target_vocabulary
        self.restrict = _Restriction(model)

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        inputs = {spec.name: tensor for spec, tensor in zip(self.inputs, tensors, strict=True)}
        asked = {name: inputs.pop(name) for name in _GRAPH_INPUTS}
        for name in [name for name in inputs if name.startswith(MEMORY_PREFIX)]:
            inputs[name] = inputs[name].index_select(0, asked["beam_index"])
        results: dict[str, Tensor] = self.decoder_step(inputs)
        log_probs, results[STEP_NORMALIZER.name] = normalize(results.pop("logits"))
        log_probs = self.restrict(log_probs)
        results["top_log_probs"], results["top_ids"] = self._top(log_probs, asked["top_count"])
        results |= _score_ids(log_probs, asked["scored_ids"])
        return _in_order(results, self.outputs)

    def _top(self, log_probs: Tensor, top_count: Tensor) -> tuple[Tensor, Tensor]:
        count = cast(int, top_count.item())
        # The exporter needs the range of the number: topk takes at most as many as there are tokens.
        torch._check(count >= 1)  # type: ignore[no-untyped-call]
        torch._check(count <= self.vocabulary)  # type: ignore[no-untyped-call]
        top = torch.topk(log_probs, count, dim=-1)
        return top.values, top.indices


class ForcedGraph(nn.Module):
    """The adapter's teacher-forced decoder, with the wanted log-probabilities picked after it."""

    def __init__(self, model: LoadedCheckpoint) -> None:
        super().__init__()
        self.inputs = forced_inputs(model)
        self.outputs = forced_outputs(model)
        self.teacher_forced = model.teacher_forced
        self.restrict = _Restriction(model)

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        inputs = {spec.name: tensor for spec, tensor in zip(self.inputs, tensors, strict=True)}
        scored_ids = inputs.pop("scored_ids")
        assert self.teacher_forced is not None
        results: dict[str, Tensor] = self.teacher_forced(inputs)
        log_probs, results[FORCED_NORMALIZER.name] = normalize(results.pop("logits"))
        results |= _score_ids(self.restrict(log_probs), scored_ids)
        return _in_order(results, self.outputs)


class SelfAttentionGraph(nn.Module):
    """The adapter's self-attention of encoder and decoder over a whole sentence pair."""

    def __init__(self, model: LoadedCheckpoint) -> None:
        super().__init__()
        masks = _head_masks(model, ENCODER_HEAD_MASK, DECODER_HEAD_MASK)
        self.inputs = (*(_sized(spec, model) for spec in SELF_ATTENTION_INPUTS), *masks)
        self.outputs = SELF_ATTENTION_OUTPUTS
        self.self_attention = model.self_attention

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        assert self.self_attention is not None
        inputs = {spec.name: tensor for spec, tensor in zip(self.inputs, tensors, strict=True)}
        return _in_order(self.self_attention(inputs), self.outputs)


class EmbeddingGraph(nn.Module):
    """The adapter's tables of word embeddings."""

    def __init__(self, model: LoadedCheckpoint) -> None:
        super().__init__()
        tables = [space for space in model.spaces if space.kind == "table"]
        self.inputs = EMBEDDING_INPUTS
        self.outputs = tuple(
            TensorSpec(space.output, "float32", (f"{space.owner}_ids", space.size), space.meaning) for space in tables
        )
        self.embeddings = model.embeddings

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        assert self.embeddings is not None
        return _in_order(self.embeddings(*tensors), self.outputs)


class _Restriction(nn.Module):
    """Give probability zero to the tokens that the generation settings suppress; do not normalize the others again."""

    suppressed: Tensor

    def __init__(self, model: LoadedCheckpoint) -> None:
        super().__init__()
        ids = torch.tensor(model.generation.suppressed_ids, dtype=torch.int64)
        self.register_buffer("suppressed", ids, persistent=False)

    def forward(self, log_probs: Tensor) -> Tensor:
        if not len(self.suppressed):
            return log_probs
        places = self.suppressed.expand(*log_probs.shape[:-1], -1)
        return log_probs.scatter(-1, places, -torch.inf)


def normalize(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Log-probabilities of logits [..., vocabulary], and the logarithms of the sums of their exponentials [...].

    ONNX Runtime's own operator for the latter sums one by one in float32. Over 256,000 tokens its result is off by
    4e-4, and takes ten times as long as all log-probabilities. The distance of the largest values is the same number.
    """
    log_probs = torch.log_softmax(logits, dim=-1)
    return log_probs, logits.amax(dim=-1) - log_probs.amax(dim=-1)


def _score_ids(log_probs: Tensor, scored_ids: Tensor) -> dict[str, Tensor]:
    """Log-probability and rank of one token for every distribution [..., vocabulary]."""
    scored = log_probs.gather(-1, scored_ids.unsqueeze(-1))
    # Counting in float32 is exact for any vocabulary and many times as fast as in integers.
    ranks = (log_probs > scored).to(torch.float32).sum(dim=-1).to(torch.int64)
    return {"scored_log_probs": scored.squeeze(-1), "scored_ranks": ranks}


def _states(model: LoadedCheckpoint, owner: str, shape: tuple[str, ...]) -> tuple[TensorSpec, ...]:
    """The states of one side's spaces, recorded or on demand."""
    return tuple(
        TensorSpec(space.output, "float32", (*shape, space.size), space.meaning)
        for space in model.spaces
        if space.owner == owner and space.kind != "table"
    )


def _belongs(spec: TensorSpec, model: LoadedCheckpoint) -> bool:
    return model.cross_attention_layers > 0 or spec.name not in _ATTENTION_TENSORS


def _head_masks(model: LoadedCheckpoint, *specs: TensorSpec) -> tuple[TensorSpec, ...]:
    """The masks of those stacks whose heads can be ablated."""
    there = {ENCODER_HEAD_MASK.name: model.encoder_self_attention, DECODER_HEAD_MASK.name: model.decoder_self_attention}
    return tuple(_sized(spec, model) for spec in specs if there[spec.name])


def _sized(spec: TensorSpec, model: LoadedCheckpoint) -> TensorSpec:
    """The spec with numbers for the dimensions that are fixed in this model."""
    sizes = {"layers": model.cross_attention_layers, "heads": model.cross_attention_heads}
    for owner, grid in (("encoder", model.encoder_self_attention), ("decoder", model.decoder_self_attention)):
        sizes |= {f"{owner}_layers": grid.layers, f"{owner}_heads": grid.heads} if grid else {}
    shape = tuple(sizes.get(size, size) if isinstance(size, str) else size for size in spec.shape)
    return TensorSpec(spec.name, spec.dtype, shape, spec.meaning)


def _with_rows(spec: TensorSpec, name: str, rows: str) -> TensorSpec:
    return TensorSpec(name, spec.dtype, (rows, *spec.shape[1:]), spec.meaning)


def _one_step_on(spec: TensorSpec) -> TensorSpec:
    """The spec with another name for the grown dimension: with an equal one a runtime may reuse the input's buffer."""
    shape = tuple(GROWN if size == GROWING else size for size in spec.shape)
    return TensorSpec(spec.name, spec.dtype, shape, spec.meaning)


def _next_name(memory_name: str) -> str:
    return NEXT_PREFIX + memory_name.removeprefix(MEMORY_PREFIX)


def _in_order(results: dict[str, Tensor], specs: Sequence[TensorSpec]) -> tuple[Tensor, ...]:
    return tuple(results[spec.name] for spec in specs)
