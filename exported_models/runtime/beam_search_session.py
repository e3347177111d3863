"""Steps of a beam search of one sentence in one call; see `graphs.SEARCH_INPUTS`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from exported_models.contract.graphs import APPENDED_PREFIX, NEXT_PREFIX, SEARCH_OUTPUTS, SOURCE_VALUE_PREFIX, Graph
from exported_models.runtime.graph_folder import GraphFolder
from exported_models.runtime.graph_session import DeviceTensor, GraphOnDemand, Tensors, as_array
from exported_models.runtime.sessions import EncodedSource, StateOutputs

_CHOSEN = SEARCH_OUTPUTS[0].name
_FETCHES = (_CHOSEN, "top_log_probs", "top_ids")


@dataclass(frozen=True, slots=True)
class SearchInput:
    """State and settings of a search before its next step.

    Attributes:
        previous_ids: the last token of every live row.
        continued: the row of memory that each live row continues.
        scores: summed log-probability of each live row.
        finished: normalized scores of the finished hypotheses.
        beam_size: number of rows that live on, and of finished hypotheses that are compared.
        steps: maximum number of steps.
        divisors: [steps] divisor of the score of a hypothesis that ends at each step.
        hope_divisors: [steps] divisor of the score of the best live row, to compare it with the worst finished one.
    """

    previous_ids: Sequence[int]
    continued: Sequence[int]
    scores: Sequence[float]
    finished: Sequence[float]
    beam_size: int
    position: int
    top_count: int
    end_id: int
    steps: int
    divisors: NDArray[np.float64]
    hope_divisors: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SearchOutput:
    """Outputs of the steps, and the rows that they went on with.

    Attributes:
        arrays: outputs of a step, for all steps: [steps, rows, ...].
        rows, token_ids: for every step, the row and the token that each row of the next step continues.
        memory: ``appended.*`` and ``next.*`` outputs by name.
    """

    arrays: dict[str, NDArray[np.generic]]
    rows: list[list[int]]
    token_ids: list[list[int]]
    memory: dict[str, NDArray[np.generic]]


class BeamSearchSession:
    """Runs ``folded_beam_search.onnx`` for a short source and ``beam_search.onnx`` for others.

    Each graph is opened when it is first needed. Neither is made for GPUs.

    Args:
        graphs: the graphs of the model.
        states: the states of the target.
    """

    def __init__(self, folder: GraphFolder, graphs: Collection[Graph], states: StateOutputs) -> None:
        fetches = (*_FETCHES, *states.recorded)
        self._plain = GraphOnDemand(folder, Graph.BEAM_SEARCH, fetches)
        folded = GraphOnDemand(folder, Graph.FOLDED_BEAM_SEARCH, fetches)
        self._folded = folded if Graph.FOLDED_BEAM_SEARCH in graphs else None

    def open(self) -> None:
        """Open the graph that most searches need.

        Raises:
            ModelError: it does not load.
        """
        (self._folded or self._plain).open()

    def run(self, encoded: EncodedSource, memory: Tensors, asked: SearchInput) -> SearchOutput:
        """Run steps without interventions; ``memory`` is that of `StepSession.run`."""
        graph = (self._folded if self._folded is not None and _is_short(encoded) else self._plain).open()
        given: dict[str, DeviceTensor] = {
            **_fill_rows(asked),
            "position": np.array([asked.position], np.int64),
            "top_count": np.array([asked.top_count], np.int64),
            "steps": np.array(asked.steps, np.int64),
            "end_id": np.array(asked.end_id, np.int64),
            "divisors": asked.divisors,
            "hope_divisors": asked.hope_divisors,
            "source_mask": encoded.mask,
            **encoded.source,
            **memory,
        }
        inputs = {name: tensor for name, tensor in given.items() if name in graph.inputs}
        found = {name: as_array(value) for name, value in graph.run(inputs, graph.outputs).items()}
        chosen = found.pop(_CHOSEN).astype(np.int64, copy=False)
        tokens = found["top_ids"].reshape(len(chosen), -1)[np.arange(len(chosen))[:, None], chosen]
        return SearchOutput(
            arrays={name: array for name, array in found.items() if not _is_memory(name)},
            rows=(chosen // asked.top_count).tolist(),
            token_ids=tokens.tolist(),
            memory={name: array for name, array in found.items() if _is_memory(name)},
        )


def _fill_rows(asked: SearchInput) -> dict[str, DeviceTensor]:
    """Inputs that describe the live rows, padded with hopeless rows: a graph has one number of rows at every step."""
    missing = asked.beam_size - len(asked.previous_ids)
    finished = np.full(asked.beam_size, -np.inf)
    finished[: len(asked.finished)] = asked.finished
    return {
        "previous_ids": np.array([*asked.previous_ids, *[asked.previous_ids[0]] * missing], np.int64),
        "beam_index": np.array([*asked.continued, *[asked.continued[0]] * missing], np.int64),
        "scores": np.array([[score] for score in (*asked.scores, *[-np.inf] * missing)]),
        "finished": finished,
    }


def _is_memory(name: str) -> bool:
    return name.startswith((APPENDED_PREFIX, NEXT_PREFIX))


def _is_short(encoded: EncodedSource) -> bool:
    """Whether folding saves work, which it does where a source has no more positions than a head has dimensions."""
    _, _, tokens, head_size = as_array(encoded.source[f"{SOURCE_VALUE_PREFIX}0"]).shape
    return bool(tokens <= head_size)
