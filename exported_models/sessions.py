"""What each graph is asked and answers; what a step hands to the next never leaves the device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from exported_models.graph_session import DeviceTensor, GraphOnDemand, GraphSession, Tensors, as_array, require_names
from exported_models.graphs import (
    DECODER_HEAD_MASK,
    ENCODER_HEAD_MASK,
    ENCODER_INPUTS,
    ENCODER_OUTPUTS,
    FORCED_ANSWERS,
    FORCED_NORMALIZER,
    FORCED_OUTPUTS,
    MEMORY_PREFIX,
    NEXT_PREFIX,
    SELF_ATTENTION_OUTPUTS,
    SOURCE_PREFIX,
    STEP_NORMALIZER,
    Graph,
    memory_name,
)
from exported_models.providers import may_run_on_gpu
from exported_models.trace import Floats, Ids

Mask = NDArray[np.bool_]

_ATTENTION_OUTPUTS = ("context", "cross_attention")
_STEP_FETCHES = ("top_log_probs", "top_ids", "decoder_state")


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


class StepSession:
    """Runs ``plain_step.onnx`` where a step is asked without interventions, else ``decoder_step.onnx``.

    The latter runs all steps of a model without the former, and on a GPU, for which that is not made.
    """

    def __init__(
        self,
        folder: Path,
        threads: int | None,
        attention_shape: tuple[int, int] | None,
        *,
        penalized: bool,
        has_plain: bool,
    ) -> None:
        self._attention_shape = attention_shape
        attention = _ATTENTION_OUTPUTS if attention_shape else ()
        fetches = (*_STEP_FETCHES, *attention, *([STEP_NORMALIZER.name] if penalized else ()))
        self._whole = GraphOnDemand(folder, Graph.DECODER_STEP, threads, (*fetches, *FORCED_ANSWERS))
        self._plain = None
        if has_plain and not may_run_on_gpu():
            self._plain = GraphOnDemand(folder, Graph.PLAIN_STEP, threads, fetches)
        graph = (self._plain or self._whole).open()
        next_names = [name for name in graph.outputs if name.startswith(NEXT_PREFIX)]
        self._memory_names = {memory_name(name): name for name in next_names}
        require_names(folder, graph.kind, set(self._memory_names), graph.inputs)
        self._reads_source = [name for name in graph.inputs if name.startswith(SOURCE_PREFIX)]

    def run(self, encoded: EncodedSource, memory: Tensors, asked: StepInput) -> StepOutput:
        """One step for all rows; ``memory`` is `EncodedSource.memory` at step 0, then `StepOutput.memory`."""
        inputs: dict[str, DeviceTensor] = {
            "previous_ids": asked.previous_ids,
            "beam_index": asked.beam_index,
            "position": np.array([asked.position], np.int64),
            "top_count": np.array([asked.top_count], np.int64),
            **{name: encoded.source[name] for name in self._reads_source},
            **memory,
        }
        if self._attention_shape:
            inputs["source_mask"] = encoded.mask
        if self._plain and _is_plain(encoded.heads, asked):
            chosen = self._plain
        else:
            chosen = self._whole
            inputs |= self._interventions(encoded, asked)
        found = chosen.open().run(inputs, chosen.fetches, list(self._memory_names.values()))
        return StepOutput(
            arrays={name: as_array(found[name]) for name in chosen.fetches},
            memory={name: found[made] for name, made in self._memory_names.items()},
        )

    def _interventions(self, encoded: EncodedSource, asked: StepInput) -> dict[str, DeviceTensor]:
        """The inputs that a plain step lacks."""
        rows = len(asked.previous_ids)
        forced_ids = np.zeros(rows, np.int64) if asked.forced_ids is None else asked.forced_ids
        inputs: dict[str, DeviceTensor] = {"forced_ids": forced_ids}
        inputs |= self._whole.open().mask_heads(DECODER_HEAD_MASK, encoded.heads.decoder)
        if self._attention_shape:
            weights, on = asked.override or self._no_override(rows, encoded.mask.shape[1])
            if encoded.heads.cross is not None:
                weights, on = np.where(encoded.heads.cross[..., None], np.float32(0), weights), on | encoded.heads.cross
            inputs |= {"attention_override": weights, "override_on": on}
        return inputs

    def _no_override(self, rows: int, source: int) -> tuple[Floats, Mask]:
        layers, heads = self._attention_shape or (0, 0)
        return np.zeros((rows, layers, heads, source), np.float32), np.zeros((rows, layers, heads), np.bool_)


class ForcedSession:
    """Runs ``teacher_forced.onnx``."""

    def __init__(self, folder: Path, threads: int | None, *, attention: bool, penalized: bool) -> None:
        self._graph = GraphSession(folder, Graph.TEACHER_FORCED, threads)
        own = [spec.name for spec in FORCED_OUTPUTS if attention or spec.name not in _ATTENTION_OUTPUTS]
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


def _is_plain(heads: HeadMasks, asked: StepInput) -> bool:
    kept = heads.decoder is None and heads.cross is None
    return kept and asked.override is None and asked.forced_ids is None
