"""What each graph is asked and answers; what a step hands to the next never leaves the device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from exported_models.contract.arrays import Floats, Ids, Mask
from exported_models.contract.graphs import (
    DECODER_HEAD_MASK,
    ENCODER_HEAD_MASK,
    ENCODER_INPUTS,
    ENCODER_OUTPUTS,
    FORCED_NORMALIZER,
    FORCED_OUTPUTS,
    MEMORY_PREFIX,
    SELF_ATTENTION_OUTPUTS,
    SOURCE_PREFIX,
    Graph,
)
from exported_models.runtime.graph_session import GraphOnDemand, GraphSession, Tensors, as_array, require_names

ATTENTION_OUTPUTS = ("context", "cross_attention")
"""Outputs that a decoder without attention lacks."""


@dataclass(frozen=True, slots=True)
class HeadMasks:
    """Which heads are ablated, for a whole sentence; None where all of a kind are kept.

    Attributes:
        encoder, decoder: [layers, heads] float32, 0 for an ablated head of self-attention and 1 for the others.
        cross: [layers, heads] bool, true for an ablated head of cross-attention.
    """

    encoder: Floats | None = None
    decoder: Floats | None = None
    cross: Mask | None = None


EVERY_HEAD = HeadMasks()
"""No head is ablated."""


@dataclass(frozen=True, slots=True)
class EncodedSource:
    """What the encoder made of a batch of sentences.

    Attributes:
        states: [sentences, source, size] float32 (rows of padding are meaningless).
        mask: [sentences, source] bool.
        source: ``source.*`` tensors, which every step reads; they stay on the device.
        memory: what the first step reads; it stays there too.
        heads: heads that are ablated, in the encoder that was and in every step to come.
    """

    states: Floats
    mask: Mask
    source: Tensors
    memory: Tensors
    heads: HeadMasks = EVERY_HEAD

    def select(self, sentences: Ids) -> EncodedSource:
        """The same of some sentences; a step that reads it gives each of them its share of the rows."""
        source = {name: as_array(tensor)[sentences] for name, tensor in self.source.items()}
        memory = {name: as_array(tensor)[sentences] for name, tensor in self.memory.items()}
        return EncodedSource(self.states[sentences], self.mask[sentences], source, memory, self.heads)


@dataclass(frozen=True, slots=True)
class StepInput:
    """What one step is asked: all arrays by row, see `graphs.STEP_INPUTS`.

    Attributes:
        forced_ids: None where no token is wanted besides the top: then the answer has none of `graphs.FORCED_ANSWERS`.
        override: (weights, on) or None.
    """

    previous_ids: Ids
    beam_index: Ids
    position: int
    forced_ids: Ids | None
    top_count: int
    override: tuple[Floats, Mask] | None = None


@dataclass(frozen=True, slots=True)
class StepOutput:
    """What one step answers, see `graphs.STEP_OUTPUTS`; ``arrays`` are on the host, ``memory`` on the device."""

    arrays: Mapping[str, NDArray[np.generic]]
    memory: Tensors

    def floats(self, name: str) -> Floats:
        return self.arrays[name].astype(np.float32, copy=False)

    def ids(self, name: str) -> Ids:
        return self.arrays[name].astype(np.int64, copy=False)


class EncoderSession:
    """Runs ``encoder.onnx``."""

    def __init__(self, folder: Path, threads: int | None) -> None:
        self._graph = GraphSession(folder, Graph.ENCODER, threads)
        outputs = self._graph.outputs
        require_names(folder, Graph.ENCODER, {spec.name for spec in ENCODER_INPUTS}, self._graph.inputs)
        require_names(folder, Graph.ENCODER, {spec.name for spec in ENCODER_OUTPUTS}, set(outputs))
        self._device_outputs = [name for name in outputs if name.startswith((SOURCE_PREFIX, MEMORY_PREFIX))]

    def run(self, source_ids: Ids, source_mask: Mask, heads: HeadMasks = EVERY_HEAD) -> EncodedSource:
        """Encode [sentences, source] ids, padded on the right."""
        mask = self._graph.mask_heads(ENCODER_HEAD_MASK, heads.encoder)
        inputs = {"source_ids": source_ids, "source_mask": source_mask, **mask}
        found = self._graph.run(inputs, ["encoder_state"], self._device_outputs)
        return EncodedSource(
            states=as_array(found["encoder_state"]).astype(np.float32, copy=False),
            mask=source_mask,
            source={name: found[name] for name in self._device_outputs if name.startswith(SOURCE_PREFIX)},
            memory={name: found[name] for name in self._device_outputs if name.startswith(MEMORY_PREFIX)},
            heads=heads,
        )


class ForcedSession:
    """Runs ``teacher_forced.onnx``."""

    def __init__(self, folder: Path, threads: int | None, *, attention: bool, penalized: bool) -> None:
        self._graph = GraphSession(folder, Graph.TEACHER_FORCED, threads)
        own = [spec.name for spec in FORCED_OUTPUTS if attention or spec.name not in ATTENTION_OUTPUTS]
        self._fetches = [*own, *([FORCED_NORMALIZER.name] if penalized else ())]
        require_names(folder, Graph.TEACHER_FORCED, set(self._fetches), set(self._graph.outputs))
        self._reads_source = [name for name in self._graph.inputs if name.startswith(SOURCE_PREFIX)]

    def run(self, encoded: EncodedSource, previous_ids: Ids, forced_ids: Ids) -> Mapping[str, NDArray[np.generic]]:
        """Run [sentences, target] ids, padded on the right; see `graphs.FORCED_OUTPUTS` for the answer."""
        inputs = {
            "previous_ids": previous_ids,
            "forced_ids": forced_ids,
            "source_mask": encoded.mask,
            **{name: encoded.source[name] for name in self._reads_source},
            **self._graph.mask_heads(DECODER_HEAD_MASK, encoded.heads.decoder),
        }
        found = self._graph.run(inputs, self._fetches)
        return {name: as_array(found[name]) for name in self._fetches}


class StatesSession:
    """Runs what is left of ``teacher_forced.onnx`` when only states are wanted.

    Args:
        content: that graph, whose weights may lie in ``folder``.
    """

    def __init__(self, folder: Path, threads: int | None, content: bytes) -> None:
        self._graph = GraphSession(folder, Graph.TEACHER_FORCED, threads, content)

    def run(self, encoded: EncodedSource, previous_ids: Ids, forced_ids: Ids) -> Mapping[str, Floats]:
        """Run [sentences, target] ids, padded on the right; give every output, [sentences, target, size]."""
        known = {
            "previous_ids": previous_ids,
            "forced_ids": forced_ids,
            "source_mask": encoded.mask,
            **encoded.source,
            **self._graph.mask_heads(DECODER_HEAD_MASK, encoded.heads.decoder),
        }
        inputs = {name: value for name, value in known.items() if name in self._graph.inputs}
        found = self._graph.run(inputs, self._graph.outputs)
        return {name: as_array(value).astype(np.float32, copy=False) for name, value in found.items()}


class SelfAttentionSession:
    """Runs ``self_attention.onnx``, which is opened when it is first asked: most requests never do."""

    def __init__(self, folder: Path, threads: int | None) -> None:
        wanted = [spec.name for spec in SELF_ATTENTION_OUTPUTS]
        self._graph = GraphOnDemand(folder, Graph.SELF_ATTENTION, threads, wanted)

    def run(
        self,
        source_ids: Ids,
        source_mask: Mask,
        previous_ids: Ids,
        override: tuple[Floats, Mask],
        heads: HeadMasks = EVERY_HEAD,
    ) -> tuple[Floats, Floats]:
        """Run [sentences, source] and [sentences, target] ids; see `graphs.SELF_ATTENTION_OUTPUTS` for the answer."""
        graph = self._graph.open()
        inputs = {
            "source_ids": source_ids,
            "source_mask": source_mask,
            "previous_ids": previous_ids,
            "attention_override": override[0],
            "override_on": override[1],
            **graph.mask_heads(ENCODER_HEAD_MASK, heads.encoder),
            **graph.mask_heads(DECODER_HEAD_MASK, heads.decoder),
        }
        found = graph.run(inputs, self._graph.fetches)
        encoder, decoder = (as_array(value).astype(np.float32, copy=False) for value in found.values())
        return encoder, decoder
