"""Decoder steps, each run by the graph that takes the least work for it."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from exported_models.contract.arrays import Floats, Mask
from exported_models.contract.graphs import (
    SCORES,
    STEP_HEAD_MASK,
    STEP_NORMALIZER,
    Graph,
    memory_name,
)
from exported_models.runtime.graph_folder import GraphFolder
from exported_models.runtime.graph_session import DeviceTensor, GraphOnDemand, GraphSession, Tensors, as_array
from exported_models.runtime.providers import may_run_on_gpu
from exported_models.runtime.sessions import CROSS_ATTENTION, EncodedSource, StateOutputs, StepInput, StepOutput

_FETCHES = ("top_log_probs", "top_ids")


class StepSession:
    """Runs ``plain_step.onnx``, or ``decoder_step.onnx`` for steps with interventions.

    ``decoder_step.onnx`` also runs every step of a model without ``plain_step.onnx``, and every step on a GPU, for
    which ``plain_step.onnx`` is not made. ``step_states.onnx`` gives states on demand. Each graph is opened when it is
    first needed.

    Args:
        graphs: the graphs of the model.
        states: the states of the target.
        attention_shape: layers and heads of cross-attention; None where there is none.
    """

    def __init__(
        self,
        folder: GraphFolder,
        graphs: Collection[Graph],
        states: StateOutputs,
        attention_shape: tuple[int, int] | None,
    ) -> None:
        self._attention_shape = attention_shape
        attention = (CROSS_ATTENTION,) if attention_shape else ()
        fetches, optional = (*_FETCHES, *states.recorded, *attention), (STEP_NORMALIZER.name,)
        self._whole = GraphOnDemand(folder, Graph.DECODER_STEP, (*fetches, *SCORES), optional)
        has_plain = Graph.PLAIN_STEP in graphs and not may_run_on_gpu()
        self._plain = GraphOnDemand(folder, Graph.PLAIN_STEP, fetches, optional) if has_plain else None
        self._states = GraphOnDemand(folder, Graph.STEP_STATES, states.on_demand)

    def open(self) -> None:
        """Open the graph that most steps need.

        Raises:
            ModelError: it does not load.
        """
        (self._plain or self._whole).open()

    @property
    def masks_by_row(self) -> bool:
        """Whether rows of a step may have different masks of heads; not so in models of before export revision 11."""
        return self._whole.open().masks_by_row(STEP_HEAD_MASK)

    @property
    def gives_normalizers(self) -> bool:
        """Whether steps can give `STEP_NORMALIZER`; models of before export revision 12 only under a penalty."""
        return STEP_NORMALIZER.name in self._whole.open().outputs

    def run(self, encoded: EncodedSource, memory: Tensors, asked: StepInput) -> StepOutput:
        """Run one step for all rows; ``memory`` is `EncodedSource.memory` at step 0, then `StepOutput.memory`."""
        return self._run(self._choose(encoded, asked), encoded, memory, asked)

    def run_states(self, encoded: EncodedSource, memory: Tensors, asked: StepInput) -> StepOutput:
        """Run a step for its states on demand alone."""
        return self._run(self._states, encoded, memory, asked)

    def _run(self, chosen: GraphOnDemand, encoded: EncodedSource, memory: Tensors, asked: StepInput) -> StepOutput:
        inputs: dict[str, DeviceTensor] = {
            "previous_ids": asked.previous_ids,
            "beam_index": asked.beam_index,
            "position": np.array([asked.position], np.int64),
            "top_count": np.array([asked.top_count], np.int64),
            **self._source(chosen, encoded),
            **memory,
        }
        graph, count = chosen.open(), len(chosen.fetches)
        if chosen is not self._plain:
            inputs |= self._interventions(graph, encoded, asked)
        if chosen is self._states:
            inputs = {name: value for name, value in inputs.items() if name in graph.inputs}
        found = graph.run_in_order(inputs, chosen.fetches, graph.handed_on)
        return StepOutput(
            arrays=dict(zip(chosen.fetches, map(as_array, found[:count]), strict=True)),
            memory=dict(zip(map(memory_name, graph.handed_on), found[count:], strict=True)),
        )

    def _choose(self, encoded: EncodedSource, asked: StepInput) -> GraphOnDemand:
        ablated = (asked.kept_heads, encoded.heads.decoder, encoded.heads.cross)
        intervenes = any(given is not None for given in (*ablated, asked.override, asked.scored_ids))
        if intervenes or self._plain is None:
            return self._whole
        if asked.normalizers and STEP_NORMALIZER.name not in self._plain.open().outputs:
            return self._whole
        return self._plain

    def _source(self, chosen: GraphOnDemand, encoded: EncodedSource) -> dict[str, DeviceTensor]:
        """The tensors of the encoder that the graph reads."""
        read = chosen.open().inputs
        found = {name: tensor for name, tensor in encoded.source.items() if name in read}
        return {**found, "source_mask": encoded.mask} if self._attention_shape else found

    def _interventions(self, graph: GraphSession, encoded: EncodedSource, asked: StepInput) -> dict[str, DeviceTensor]:
        """Inputs that a plain step lacks."""
        rows = len(asked.previous_ids)
        scored_ids = np.zeros(rows, np.int64) if asked.scored_ids is None else asked.scored_ids
        inputs: dict[str, DeviceTensor] = {"scored_ids": scored_ids}
        kept = encoded.heads.decoder if asked.kept_heads is None else asked.kept_heads
        inputs |= graph.mask_heads(STEP_HEAD_MASK, kept, rows)
        if self._attention_shape:
            weights, on = asked.override or self._no_override(rows, encoded.mask.shape[1])
            if encoded.heads.cross is not None:
                weights, on = np.where(encoded.heads.cross[..., None], np.float32(0), weights), on | encoded.heads.cross
            inputs |= {"attention_override": weights, "override_on": on}
        return inputs

    def _no_override(self, rows: int, source: int) -> tuple[Floats, Mask]:
        layers, heads = self._attention_shape or (0, 0)
        return np.zeros((rows, layers, heads, source), np.float32), np.zeros((rows, layers, heads), np.bool_)
