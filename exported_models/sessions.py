"""ONNX Runtime sessions of the graphs; what a step hands to the next never leaves the device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from exported_models.errors import ModelError
from exported_models.graphs import (
    ENCODER_INPUTS,
    ENCODER_OUTPUTS,
    FORCED_OUTPUTS,
    MEMORY_PREFIX,
    NEXT_PREFIX,
    SOURCE_PREFIX,
    Graph,
    memory_name,
)
from exported_models.providers import provider_order, runs_on_gpu, session_options
from exported_models.trace import Floats, Ids

Mask = NDArray[np.bool_]
Tensors = Mapping[str, ort.OrtValue]

_ATTENTION_OUTPUTS = ("context", "cross_attention")
_STEP_FETCHES = ("top_log_probs", "top_ids", "forced_log_probs", "forced_ranks", "decoder_state")


@dataclass(frozen=True, slots=True)
class EncodedSource:
    """What the encoder made of a batch of sentences.

    Attributes:
        states: [sentences, source, size] float32 (rows of padding are meaningless).
        mask: [sentences, source] bool.
        source: ``source.*`` tensors, which every step reads; they stay on the device.
        memory: what the first step reads; it stays there too.
    """

    states: Floats
    mask: Mask
    source: Tensors
    memory: Tensors


@dataclass(frozen=True, slots=True)
class StepInput:
    """What one step is asked: all arrays by row, see `graphs.STEP_INPUTS`; ``override`` is (weights, on) or None."""

    previous_ids: Ids
    beam_index: Ids
    position: int
    forced_ids: Ids
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
        self._session = _open(folder / Graph.ENCODER.filename, threads)
        outputs = [output.name for output in self._session.get_outputs()]
        _require(folder, Graph.ENCODER, {spec.name for spec in ENCODER_INPUTS}, _input_names(self._session))
        _require(folder, Graph.ENCODER, {spec.name for spec in ENCODER_OUTPUTS}, set(outputs))
        self._device_outputs = [name for name in outputs if name.startswith((SOURCE_PREFIX, MEMORY_PREFIX))]

    def run(self, source_ids: Ids, source_mask: Mask) -> EncodedSource:
        """Encode [sentences, source] ids, padded on the right."""
        inputs = {"source_ids": _on_host(source_ids), "source_mask": _on_host(source_mask)}
        found = _run(self._session, inputs, ["encoder_state"], self._device_outputs)
        return EncodedSource(
            states=found["encoder_state"].numpy(),
            mask=source_mask,
            source={name: found[name] for name in self._device_outputs if name.startswith(SOURCE_PREFIX)},
            memory={name: found[name] for name in self._device_outputs if name.startswith(MEMORY_PREFIX)},
        )


class StepSession:
    """Runs ``decoder_step.onnx``."""

    def __init__(self, folder: Path, threads: int | None, attention_shape: tuple[int, int] | None) -> None:
        self._session = _open(folder / Graph.DECODER_STEP.filename, threads)
        self._attention_shape = attention_shape
        outputs = [output.name for output in self._session.get_outputs()]
        self._fetches = [*_STEP_FETCHES, *(_ATTENTION_OUTPUTS if attention_shape else ())]
        _require(folder, Graph.DECODER_STEP, set(self._fetches), set(outputs))
        self._next_names = [name for name in outputs if name.startswith(NEXT_PREFIX)]
        inputs = _input_names(self._session)
        _require(folder, Graph.DECODER_STEP, {memory_name(name) for name in self._next_names}, inputs)
        self._reads_source = [name for name in inputs if name.startswith(SOURCE_PREFIX)]

    def run(self, encoded: EncodedSource, memory: Tensors, asked: StepInput) -> StepOutput:
        """One step for all rows; ``memory`` is `EncodedSource.memory` at step 0, then `StepOutput.memory`."""
        inputs: dict[str, ort.OrtValue] = {
            "previous_ids": _on_host(asked.previous_ids),
            "beam_index": _on_host(asked.beam_index),
            "position": _on_host(np.array([asked.position], np.int64)),
            "forced_ids": _on_host(asked.forced_ids),
            "top_count": _on_host(np.array([asked.top_count], np.int64)),
            **{name: encoded.source[name] for name in self._reads_source},
            **memory,
        }
        if self._attention_shape:
            inputs["source_mask"] = _on_host(encoded.mask)
            weights, on = asked.override or self._no_override(len(asked.previous_ids), encoded.mask.shape[1])
            inputs["attention_override"], inputs["override_on"] = _on_host(weights), _on_host(on)
        found = _run(self._session, inputs, self._fetches, self._next_names)
        return StepOutput(
            arrays={name: found[name].numpy() for name in self._fetches},
            memory={memory_name(name): found[name] for name in self._next_names},
        )

    def _no_override(self, rows: int, source: int) -> tuple[Floats, Mask]:
        layers, heads = self._attention_shape or (0, 0)
        return np.zeros((rows, layers, heads, source), np.float32), np.zeros((rows, layers, heads), np.bool_)


class ForcedSession:
    """Runs ``teacher_forced.onnx``."""

    def __init__(self, folder: Path, threads: int | None, *, attention: bool) -> None:
        self._session = _open(folder / Graph.TEACHER_FORCED.filename, threads)
        outputs = {output.name for output in self._session.get_outputs()}
        self._fetches = [spec.name for spec in FORCED_OUTPUTS if attention or spec.name not in _ATTENTION_OUTPUTS]
        _require(folder, Graph.TEACHER_FORCED, set(self._fetches), outputs)
        self._reads_source = [name for name in _input_names(self._session) if name.startswith(SOURCE_PREFIX)]

    def run(self, encoded: EncodedSource, previous_ids: Ids, forced_ids: Ids) -> Mapping[str, NDArray[np.generic]]:
        """Run [sentences, target] ids, padded on the right; see `graphs.FORCED_OUTPUTS` for the answer."""
        inputs = {
            "previous_ids": _on_host(previous_ids),
            "forced_ids": _on_host(forced_ids),
            "source_mask": _on_host(encoded.mask),
            **{name: encoded.source[name] for name in self._reads_source},
        }
        found = _run(self._session, inputs, self._fetches, [])
        return {name: found[name].numpy() for name in self._fetches}


def _open(path: Path, threads: int | None) -> ort.InferenceSession:
    try:
        return ort.InferenceSession(path, sess_options=session_options(threads), providers=provider_order())
    except Exception as error:  # ONNX Runtime raises a dozen private types here; none is for people
        raise ModelError(
            f"The graph {path} cannot be loaded ({_first_line(error)}); export the model again."
        ) from error


def _run(
    session: ort.InferenceSession, inputs: Tensors, host: Sequence[str], device: Sequence[str]
) -> dict[str, ort.OrtValue]:
    """Run with outputs bound where they are read next: ``host`` in main memory, ``device`` where the session runs."""
    binding = session.io_binding()
    for name, value in inputs.items():
        binding.bind_ortvalue_input(name, value)
    for name in host:
        binding.bind_output(name, "cpu")
    for name in device:
        binding.bind_output(name, "cuda" if runs_on_gpu(session) else "cpu")
    try:
        session.run_with_iobinding(binding)
    except Exception as error:  # see _open
        raise ModelError(f"The graph could not be run ({_first_line(error)}); run `beamscope verify`.") from error
    return dict(zip([*host, *device], binding.get_outputs(), strict=True))


def _on_host(array: NDArray[np.generic]) -> ort.OrtValue:
    return ort.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(array))


def _input_names(session: ort.InferenceSession) -> set[str]:
    return {entry.name for entry in session.get_inputs()}


def _require(folder: Path, graph: Graph, wanted: set[str], found: set[str]) -> None:
    missing = sorted(wanted - found)
    if missing:
        raise ModelError(
            f"{folder / graph.filename} lacks {', '.join(missing)}, which every {graph.value} graph has; "
            "export the model again."
        )


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
