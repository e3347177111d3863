"""One session for each graph: its inputs and outputs as values. Memory of the decoder never leaves the device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from exported_models.contract.arrays import Floats, Ids, Mask
from exported_models.contract.graphs import (
    DECODER_HEAD_MASK,
    EMBEDDING_INPUTS,
    ENCODER_HEAD_MASK,
    FORCED_NORMALIZER,
    FORCED_OUTPUTS,
    MEMORY_PREFIX,
    SELF_ATTENTION_OUTPUTS,
    SOURCE_MASK,
    SOURCE_PREFIX,
    Graph,
)
from exported_models.contract.manifest import ModelManifest, Owner
from exported_models.runtime.graph_folder import GraphFolder
from exported_models.runtime.graph_session import (
    GraphOnDemand,
    GraphSession,
    Tensors,
    as_array,
    as_floats,
    require_names,
)

SourceArray = NDArray[np.generic]
"""[sentences, source] int64 token ids or [sentences, source, size] float32 features, padded on the right."""

CROSS_ATTENTION = "cross_attention"
"""Name of the output that a decoder without attention lacks."""


@dataclass(frozen=True, slots=True)
class StateOutputs:
    """Names of the outputs that are states, of recorded spaces and of spaces on demand."""

    recorded: tuple[str, ...]
    on_demand: tuple[str, ...] = ()

    @classmethod
    def of(cls, manifest: ModelManifest, owner: Owner) -> StateOutputs:
        """The outputs of one side's spaces."""
        recorded, on_demand = manifest.spaces_of(owner, "recorded"), manifest.spaces_of(owner, "on_demand")
        return cls(tuple(space.output for space in recorded), tuple(space.output for space in on_demand))


@dataclass(frozen=True, slots=True)
class HeadMasks:
    """Masks of ablated heads for all steps of a request; None where all heads of a kind are kept.

    Attributes:
        encoder, decoder: [layers, heads] float32, 0 for an ablated head of self-attention and 1 for the others.
        cross: [layers, heads] bool, True for an ablated head of cross-attention.
    """

    encoder: Floats | None = None
    decoder: Floats | None = None
    cross: Mask | None = None


EVERY_HEAD = HeadMasks()
"""Masks without an ablated head."""


@dataclass(frozen=True, slots=True)
class EncodedSource:
    """Output of the encoder for a batch of sentences.

    Attributes:
        states: output of a recorded space -> [sentences, source, size] float32; rows of padding are meaningless.
        mask: [sentences, source] bool.
        source: ``source.*`` tensors, which every step reads, on the device.
        memory: ``memory.*`` tensors, which the first step reads, on the device.
        heads: heads that were ablated in the encoder, and are to be in the decoder.
    """

    states: Mapping[str, Floats]
    mask: Mask
    source: Tensors
    memory: Tensors
    heads: HeadMasks = EVERY_HEAD

    @classmethod
    def join(cls, parts: Sequence[EncodedSource]) -> EncodedSource:
        """The outputs for sentences of equal length as one batch; ``heads`` are those of the first part."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            states={name: np.concatenate([part.states[name] for part in parts]) for name in parts[0].states},
            mask=np.concatenate([part.mask for part in parts]),
            source=_join_tensors([part.source for part in parts]),
            memory=_join_tensors([part.memory for part in parts]),
            heads=parts[0].heads,
        )

    def select(self, sentences: Ids) -> EncodedSource:
        """The output for some of the sentences; rows of a step that reads it are divided among them."""
        source = {name: as_array(tensor)[sentences] for name, tensor in self.source.items()}
        memory = {name: as_array(tensor)[sentences] for name, tensor in self.memory.items()}
        states = {name: array[sentences] for name, array in self.states.items()}
        return EncodedSource(states, self.mask[sentences], source, memory, self.heads)


def _join_tensors(parts: Sequence[Tensors]) -> Tensors:
    return {name: np.concatenate([as_array(part[name]) for part in parts]) for name in parts[0]}


@dataclass(frozen=True, slots=True)
class StepInput:
    """Input of one step. All arrays are by row, see `graphs.STEP_INPUTS`.

    Attributes:
        scored_ids: tokens to score besides the top; None for none, and then the output has no `graphs.SCORES`.
        override: weights and places of attention overrides, or None.
        kept_heads: [rows, layers, heads] masks of the decoder's self-attention, 0 for an ablated head and 1 for the
            others; None for that of `EncodedSource.heads`. They may differ where `StepSession.masks_by_row`.
        normalizers: whether the output must have `graphs.STEP_NORMALIZER`, which `StepSession.gives_normalizers` tells.
    """

    previous_ids: Ids
    beam_index: Ids
    position: int
    scored_ids: Ids | None
    top_count: int
    override: tuple[Floats, Mask] | None = None
    kept_heads: Floats | None = None
    normalizers: bool = False


@dataclass(frozen=True, slots=True)
class StepOutput:
    """Output of one step: ``arrays`` (`graphs.STEP_OUTPUTS`) in main memory, ``memory`` on the device."""

    arrays: Mapping[str, NDArray[np.generic]]
    memory: Tensors

    def floats(self, name: str) -> Floats:
        return self.arrays[name].astype(np.float32, copy=False)

    def ids(self, name: str) -> Ids:
        return self.arrays[name].astype(np.int64, copy=False)


class EncoderSession:
    """Runs ``encoder.onnx``, and ``encoder_states.onnx`` when states on demand are asked for."""

    def __init__(self, folder: GraphFolder, states: StateOutputs, source_input: str) -> None:
        self._graph = GraphSession(folder, Graph.ENCODER)
        self._source_input = source_input
        outputs = self._graph.outputs
        require_names(folder.path, Graph.ENCODER, {source_input, SOURCE_MASK.name}, self._graph.inputs)
        require_names(folder.path, Graph.ENCODER, set(states.recorded), set(outputs))
        self._states = states.recorded
        self._device_outputs = [name for name in outputs if name.startswith((SOURCE_PREFIX, MEMORY_PREFIX))]
        self._on_demand = GraphOnDemand(folder, Graph.ENCODER_STATES, states.on_demand)

    def run(self, source_rows: SourceArray, source_mask: Mask, heads: HeadMasks = EVERY_HEAD) -> EncodedSource:
        """Encode [sentences, source] ids or [sentences, source, size] features, padded on the right."""
        inputs = _source_inputs(self._graph, {self._source_input: source_rows, SOURCE_MASK.name: source_mask}, heads)
        found = self._graph.run(inputs, self._states, self._device_outputs)
        return EncodedSource(
            states={name: as_floats(found[name]) for name in self._states},
            mask=source_mask,
            source={name: found[name] for name in self._device_outputs if name.startswith(SOURCE_PREFIX)},
            memory={name: found[name] for name in self._device_outputs if name.startswith(MEMORY_PREFIX)},
            heads=heads,
        )

    def run_states(
        self, source_rows: SourceArray, source_mask: Mask, heads: HeadMasks = EVERY_HEAD
    ) -> Mapping[str, Floats]:
        """The states on demand of what `run` reads: output -> [sentences, source, size]."""
        graph = self._on_demand.open()
        inputs = _source_inputs(graph, {self._source_input: source_rows, SOURCE_MASK.name: source_mask}, heads)
        found = graph.run(inputs, self._on_demand.fetches)
        return {name: as_floats(value) for name, value in found.items()}


class ForcedSession:
    """Runs ``teacher_forced.onnx``, and ``forced_states.onnx`` when states on demand are asked for.

    Each graph is opened when it is first needed; a translation needs neither.
    """

    def __init__(self, folder: GraphFolder, states: StateOutputs, *, attention: bool) -> None:
        own = [spec.name for spec in FORCED_OUTPUTS if attention or spec.name != CROSS_ATTENTION]
        fetches = [*own, *states.recorded]
        self._graph = GraphOnDemand(folder, Graph.TEACHER_FORCED, fetches, [FORCED_NORMALIZER.name])
        self._on_demand = GraphOnDemand(folder, Graph.FORCED_STATES, states.on_demand)

    def run(self, encoded: EncodedSource, previous_ids: Ids, scored_ids: Ids) -> Mapping[str, NDArray[np.generic]]:
        """Run [sentences, target] ids, padded on the right; the outputs are `graphs.FORCED_OUTPUTS`."""
        graph, fetches = self._graph.open(), self._graph.fetches
        found = graph.run(_target_inputs(graph, encoded, previous_ids, scored_ids), fetches)
        return {name: as_array(found[name]) for name in fetches}

    def run_states(self, encoded: EncodedSource, previous_ids: Ids) -> Mapping[str, Floats]:
        """The states on demand of [sentences, target] ids: output -> [sentences, target, size]."""
        graph = self._on_demand.open()
        found = graph.run(_target_inputs(graph, encoded, previous_ids, previous_ids), self._on_demand.fetches)
        return {name: as_floats(value) for name, value in found.items()}


class StatesSession:
    """Runs a graph of whole targets that was cut down to its states.

    Args:
        graph: ``teacher_forced`` or ``forced_states``.
        content: the graph that is left; its weights may lie in ``folder``.
    """

    def __init__(self, folder: GraphFolder, graph: Graph, content: bytes) -> None:
        self._graph = GraphSession(folder, graph, content)

    def run(self, encoded: EncodedSource, previous_ids: Ids, scored_ids: Ids) -> Mapping[str, Floats]:
        """Run [sentences, target] ids, padded on the right; output -> [sentences, target, size]."""
        inputs = _target_inputs(self._graph, encoded, previous_ids, scored_ids)
        return {name: as_floats(value) for name, value in self._graph.run(inputs, self._graph.outputs).items()}


class EmbeddingSession:
    """Runs ``embeddings.onnx``, which is opened when it is first used.

    Args:
        outputs: side -> output of the space that is its table.
    """

    def __init__(self, folder: GraphFolder, outputs: Mapping[Owner, str]) -> None:
        self._outputs = outputs
        self._graph = GraphOnDemand(folder, Graph.EMBEDDINGS, tuple(outputs.values()))

    def look_up(self, owner: Owner, token_ids: Ids) -> Floats:
        """[tokens, size] float32 word embeddings of the side's token ids [tokens]."""
        nothing = np.zeros(0, np.int64)
        sides: dict[Owner, str] = {"source": EMBEDDING_INPUTS[0].name, "target": EMBEDDING_INPUTS[1].name}
        graph, output = self._graph.open(), self._outputs[owner]
        given = {name: token_ids if side == owner else nothing for side, name in sides.items()}
        return as_floats(graph.run({name: given[name] for name in graph.inputs}, [output])[output])


class SelfAttentionSession:
    """Runs ``self_attention.onnx``, which is opened when it is first used; most requests do without it."""

    def __init__(self, folder: GraphFolder, source_input: str) -> None:
        self._source_input = source_input
        wanted = [spec.name for spec in SELF_ATTENTION_OUTPUTS]
        self._graph = GraphOnDemand(folder, Graph.SELF_ATTENTION, wanted)

    def run(
        self,
        source_rows: SourceArray,
        source_mask: Mask,
        previous_ids: Ids,
        override: tuple[Floats, Mask],
        heads: HeadMasks = EVERY_HEAD,
    ) -> tuple[Floats, Floats]:
        """Run sources as `EncoderSession.run` reads them, and [sentences, target] ids.

        Returns:
            self-attention of encoder and decoder, see `graphs.SELF_ATTENTION_OUTPUTS`.
        """
        graph = self._graph.open()
        inputs = {
            self._source_input: source_rows,
            SOURCE_MASK.name: source_mask,
            "previous_ids": previous_ids,
            "attention_override": override[0],
            "override_on": override[1],
            **graph.mask_heads(ENCODER_HEAD_MASK, heads.encoder),
            **graph.mask_heads(DECODER_HEAD_MASK, heads.decoder),
        }
        found = graph.run(inputs, self._graph.fetches)
        encoder, decoder = map(as_floats, found.values())
        return encoder, decoder


def _source_inputs(graph: GraphSession, source: Tensors, heads: HeadMasks) -> Tensors:
    given = {**source, **graph.mask_heads(ENCODER_HEAD_MASK, heads.encoder)}
    return {name: value for name, value in given.items() if name in graph.inputs}


def _target_inputs(graph: GraphSession, encoded: EncodedSource, previous_ids: Ids, scored_ids: Ids) -> Tensors:
    given = {
        "previous_ids": previous_ids,
        "scored_ids": scored_ids,
        "source_mask": encoded.mask,
        **encoded.source,
        **graph.mask_heads(DECODER_HEAD_MASK, encoded.heads.decoder),
    }
    return {name: value for name, value in given.items() if name in graph.inputs}
