"""One graph in ONNX Runtime: opening, running, and tensors that stay on the device."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from exported_models.contract.arrays import Floats
from exported_models.contract.errors import ModelError
from exported_models.contract.graphs import (
    DECODER_HEAD_MASK,
    ENCODER_HEAD_MASK,
    NEXT_PREFIX,
    STEP_HEAD_MASK,
    Graph,
    TensorSpec,
    memory_name,
)
from exported_models.runtime.cancellation import check_wanted, run_options
from exported_models.runtime.graph_folder import GraphFolder
from exported_models.runtime.providers import provider_order, runs_on_gpu

DeviceTensor: TypeAlias = "ort.OrtValue | NDArray[np.generic]"
"""A tensor on the session's device: a NumPy array on the CPU, a value of ONNX Runtime elsewhere."""
Tensors = Mapping[str, DeviceTensor]
_WITHOUT_ARENA = frozenset(
    {Graph.DECODER_STEP, Graph.PLAIN_STEP, Graph.STEP_STATES, Graph.BEAM_SEARCH, Graph.FOLDED_BEAM_SEARCH}
)
"""Graphs whose tensors grow with beam and length: an arena of ONNX Runtime would keep the most that they ever took."""
_WEIGHTS_FOLDER = "session.model_external_initializers_file_folder_path"


class GraphOnDemand:
    """One graph, opened when it is first used.

    Attributes:
        fetches: outputs that it must have, and after it was opened those of ``optional`` that it has.
    """

    def __init__(self, folder: GraphFolder, graph: Graph, fetches: Sequence[str], optional: Sequence[str] = ()) -> None:
        self.fetches = tuple(fetches)
        self._folder, self._graph, self._optional = folder, graph, optional
        self._lock = threading.Lock()
        self._session: GraphSession | None = None

    def open(self) -> GraphSession:
        """The opened graph.

        Raises:
            ModelError: it cannot be loaded, or lacks an output.
        """
        if self._session is not None:  # without the lock, as nearly every step of a search comes here
            return self._session
        with self._lock:
            if self._session is None:
                session = GraphSession(self._folder, self._graph)
                require_names(self._folder.path, self._graph, set(self.fetches), set(session.outputs))
                self.fetches += tuple(name for name in self._optional if name in session.outputs)
                self._session = session
            return self._session


class GraphSession:
    """One graph, opened from its file, or from ``content`` with the weights that lie beside that file."""

    def __init__(self, folder: GraphFolder, graph: Graph, content: bytes | None = None) -> None:
        self.kind = graph
        self._folder = folder  # holds the mapped weights
        path, options = folder.path / graph.filename, folder.session_options()
        options.enable_cpu_mem_arena = graph not in _WITHOUT_ARENA
        if content is not None:
            options.add_session_config_entry(_WEIGHTS_FOLDER, str(folder.path))
        try:
            self._session = ort.InferenceSession(content or path, sess_options=options, providers=provider_order())
        except Exception as error:  # ONNX Runtime raises a dozen private types here, with messages for developers
            raise ModelError(
                f"The graph {path} cannot be loaded ({_first_line(error)}); export the model again."
            ) from error
        folder.return_pages()
        self._on_gpu = runs_on_gpu(self._session)
        self.inputs = {entry.name for entry in self._session.get_inputs()}
        self._head_masks = {
            entry.name: tuple(entry.shape)
            for entry in self._session.get_inputs()
            if entry.name in (ENCODER_HEAD_MASK.name, DECODER_HEAD_MASK.name)
        }
        self.outputs = [entry.name for entry in self._session.get_outputs()]
        self.handed_on = [name for name in self.outputs if name.startswith(NEXT_PREFIX)]
        require_names(folder.path, graph, set(map(memory_name, self.handed_on)), self.inputs)

    def masks_by_row(self, spec: TensorSpec) -> bool:
        """Whether the graph reads a head mask for each row, and not one for all."""
        return len(self._head_masks.get(spec.name, ())) == len(STEP_HEAD_MASK.shape)

    def mask_heads(self, spec: TensorSpec, kept: Floats | None, rows: int = 1) -> dict[str, Floats]:
        """The head mask as an input, where the graph has it.

        Args:
            kept: [layers, heads] or [rows, layers, heads]; None keeps all heads. Rows are alike unless `masks_by_row`.
        """
        if spec.name not in self._head_masks:
            return {}
        shape = (rows, *self._head_masks[spec.name][-2:])
        masks = np.broadcast_to(np.float32(1) if kept is None else kept, shape)
        return {spec.name: np.ascontiguousarray(masks if self.masks_by_row(spec) else masks[0])}

    def run(self, inputs: Tensors, host: Sequence[str], device: Sequence[str] = ()) -> dict[str, DeviceTensor]:
        """Run the graph.

        Args:
            host: outputs that come to main memory.
            device: outputs that stay on the session's device.

        Raises:
            ModelError: the graph cannot be run.
            UnwantedError: the call was cancelled.
        """
        return dict(zip((*host, *device), self.run_in_order(inputs, host, device), strict=True))

    def run_in_order(self, inputs: Tensors, host: Sequence[str], device: Sequence[str] = ()) -> Sequence[DeviceTensor]:
        """The values of `run` without their names, in the order of ``host`` and ``device``."""
        check_wanted()
        try:
            if self._on_gpu:
                return self._run_bound(inputs, host, device)
            # On the CPU, plain arrays take a third of the time that binding every tensor takes.
            values: list[DeviceTensor] = self._session.run([*host, *device], inputs, run_options())
        except Exception as error:  # see __init__
            check_wanted()
            raise ModelError(f"The graph could not be run ({_first_line(error)}); run `beamscope verify`.") from error
        return values

    def _run_bound(self, inputs: Tensors, host: Sequence[str], device: Sequence[str]) -> list[ort.OrtValue]:
        binding = self._session.io_binding()
        for name, value in inputs.items():
            on_device = isinstance(value, ort.OrtValue)
            binding.bind_ortvalue_input(name, value if on_device else ort.OrtValue.ortvalue_from_numpy(value))
        for name in host:
            binding.bind_output(name, "cpu")
        for name in device:
            binding.bind_output(name, "cuda")
        self._session.run_with_iobinding(binding, run_options())
        values: list[ort.OrtValue] = binding.get_outputs()
        return values


def as_array(value: DeviceTensor) -> NDArray[np.generic]:
    """A tensor in main memory."""
    array: NDArray[np.generic] = value.numpy() if isinstance(value, ort.OrtValue) else value
    return array


def as_floats(value: DeviceTensor) -> Floats:
    """A tensor in main memory, as float32."""
    return as_array(value).astype(np.float32, copy=False)


def require_names(folder: Path, graph: Graph, wanted: set[str], found: set[str]) -> None:
    """Refuse a graph that lacks one of these inputs or outputs.

    Raises:
        ModelError: it does.
    """
    missing = sorted(wanted - found)
    if missing:
        raise ModelError(
            f"{folder / graph.filename} lacks {', '.join(missing)}, which its {graph.value} graph must have; "
            "export the model again."
        )


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
