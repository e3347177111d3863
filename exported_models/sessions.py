"""ONNX Runtime sessions of the graphs; what a step hands to the next never leaves the device."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from exported_models.errors import ModelError
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
    TensorSpec,
    memory_name,
)
from exported_models.providers import may_run_on_gpu, provider_order, runs_on_gpu, session_options
from exported_models.trace import Floats, Ids

Mask = NDArray[np.bool_]
DeviceTensor: TypeAlias = "ort.OrtValue | NDArray[np.generic]"
"""A tensor where the session runs: an array on the CPU, elsewhere a value of the runtime."""
Tensors = Mapping[str, DeviceTensor]

_WEIGHTS_FOLDER = "session.model_external_initializers_file_folder_path"
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
        source = {name: _array(tensor)[sentences] for name, tensor in self.source.items()}
        memory = {name: _array(tensor)[sentences] for name, tensor in self.memory.items()}
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
        self._graph = _GraphSession(folder, Graph.ENCODER, threads)
        outputs = self._graph.outputs
        _require(folder, Graph.ENCODER, {spec.name for spec in ENCODER_INPUTS}, self._graph.inputs)
        _require(folder, Graph.ENCODER, {spec.name for spec in ENCODER_OUTPUTS}, set(outputs))
        self._device_outputs = [name for name in outputs if name.startswith((SOURCE_PREFIX, MEMORY_PREFIX))]

    def run(self, source_ids: Ids, source_mask: Mask, heads: HeadMasks = EVERY_HEAD) -> EncodedSource:
        """Encode [sentences, source] ids, padded on the right."""
        mask = self._graph.mask_heads(ENCODER_HEAD_MASK, heads.encoder)
        inputs = {"source_ids": source_ids, "source_mask": source_mask, **mask}
        found = self._graph.run(inputs, ["encoder_state"], self._device_outputs)
        return EncodedSource(
            states=_array(found["encoder_state"]).astype(np.float32, copy=False),
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
        self._whole = _GraphOnDemand(folder, Graph.DECODER_STEP, threads, (*fetches, *FORCED_ANSWERS))
        self._plain = None
        if has_plain and not may_run_on_gpu():
            self._plain = _GraphOnDemand(folder, Graph.PLAIN_STEP, threads, fetches)
        graph = (self._plain or self._whole).open()
        next_names = [name for name in graph.outputs if name.startswith(NEXT_PREFIX)]
        self._memory_names = {memory_name(name): name for name in next_names}
        _require(folder, graph.kind, set(self._memory_names), graph.inputs)
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
            arrays={name: _array(found[name]) for name in chosen.fetches},
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
        self._graph = _GraphSession(folder, Graph.TEACHER_FORCED, threads)
        own = [spec.name for spec in FORCED_OUTPUTS if attention or spec.name not in _ATTENTION_OUTPUTS]
        self._fetches = [*own, *([FORCED_NORMALIZER.name] if penalized else ())]
        _require(folder, Graph.TEACHER_FORCED, set(self._fetches), set(self._graph.outputs))
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
        return {name: _array(found[name]) for name in self._fetches}


class StatesSession:
    """Runs what is left of ``teacher_forced.onnx`` when only states are wanted.

    Args:
        content: that graph, whose weights may lie in ``folder``.
    """

    def __init__(self, folder: Path, threads: int | None, content: bytes) -> None:
        self._graph = _GraphSession(folder, Graph.TEACHER_FORCED, threads, content)

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
        return {name: _array(value).astype(np.float32, copy=False) for name, value in found.items()}


class SelfAttentionSession:
    """Runs ``self_attention.onnx``, which is opened when it is first asked: most requests never do."""

    def __init__(self, folder: Path, threads: int | None) -> None:
        wanted = [spec.name for spec in SELF_ATTENTION_OUTPUTS]
        self._graph = _GraphOnDemand(folder, Graph.SELF_ATTENTION, threads, wanted)

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
        encoder, decoder = (_array(value).astype(np.float32, copy=False) for value in found.values())
        return encoder, decoder


def _is_plain(heads: HeadMasks, asked: StepInput) -> bool:
    kept = heads.decoder is None and heads.cross is None
    return kept and asked.override is None and asked.forced_ids is None


class _GraphOnDemand:
    """One graph, opened when it is first asked; it must have the outputs ``fetches``."""

    def __init__(self, folder: Path, graph: Graph, threads: int | None, fetches: Sequence[str]) -> None:
        self.fetches = fetches
        self._folder, self._graph, self._threads = folder, graph, threads
        self._lock = threading.Lock()
        self._session: _GraphSession | None = None

    def open(self) -> _GraphSession:
        """The graph; raises ModelError where it cannot be loaded or lacks an output."""
        with self._lock:
            if self._session is None:
                session = _GraphSession(self._folder, self._graph, self._threads)
                _require(self._folder, self._graph, set(self.fetches), set(session.outputs))
                self._session = session
            return self._session


class _GraphSession:
    """One graph, opened from its file, or from ``content`` with the weights that lie beside that file."""

    def __init__(self, folder: Path, graph: Graph, threads: int | None, content: bytes | None = None) -> None:
        self.kind = graph
        path, options = folder / graph.filename, session_options(threads)
        if content is not None:
            options.add_session_config_entry(_WEIGHTS_FOLDER, str(folder))
        try:
            self._session = ort.InferenceSession(content or path, sess_options=options, providers=provider_order())
        except Exception as error:  # ONNX Runtime raises a dozen private types here; none is for people
            raise ModelError(
                f"The graph {path} cannot be loaded ({_first_line(error)}); export the model again."
            ) from error
        self._on_gpu = runs_on_gpu(self._session)
        self.inputs = {entry.name for entry in self._session.get_inputs()}
        self._every_head = {
            entry.name: np.ones(entry.shape, np.float32)
            for entry in self._session.get_inputs()
            if entry.name in (ENCODER_HEAD_MASK.name, DECODER_HEAD_MASK.name)
        }
        self.outputs = [entry.name for entry in self._session.get_outputs()]

    def mask_heads(self, spec: TensorSpec, kept: Floats | None) -> dict[str, Floats]:
        """The input of that name, where the graph has it; None keeps all heads."""
        every = self._every_head.get(spec.name)
        return {} if every is None else {spec.name: every if kept is None else kept}

    def run(self, inputs: Tensors, host: Sequence[str], device: Sequence[str] = ()) -> dict[str, DeviceTensor]:
        """Run with outputs where they are read next: ``host`` in main memory, ``device`` where the session runs."""
        names = [*host, *device]
        try:
            # On the CPU plain arrays cost a third of what binding every tensor does.
            values = self._run_bound(inputs, host, device) if self._on_gpu else self._session.run(names, inputs)
        except Exception as error:  # see __init__
            raise ModelError(f"The graph could not be run ({_first_line(error)}); run `beamscope verify`.") from error
        return dict(zip(names, values, strict=True))

    def _run_bound(self, inputs: Tensors, host: Sequence[str], device: Sequence[str]) -> list[ort.OrtValue]:
        binding = self._session.io_binding()
        for name, value in inputs.items():
            on_device = isinstance(value, ort.OrtValue)
            binding.bind_ortvalue_input(name, value if on_device else ort.OrtValue.ortvalue_from_numpy(value))
        for name in host:
            binding.bind_output(name, "cpu")
        for name in device:
            binding.bind_output(name, "cuda")
        self._session.run_with_iobinding(binding)
        values: list[ort.OrtValue] = binding.get_outputs()
        return values


def _array(value: DeviceTensor) -> NDArray[np.generic]:
    array: NDArray[np.generic] = value.numpy() if isinstance(value, ort.OrtValue) else value
    return array


def _require(folder: Path, graph: Graph, wanted: set[str], found: set[str]) -> None:
    missing = sorted(wanted - found)
    if missing:
        raise ModelError(
            f"{folder / graph.filename} lacks {', '.join(missing)}, which its {graph.value} graph must have; "
            "export the model again."
        )


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
