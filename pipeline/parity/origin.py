"""The checkpoint that an export is compared with, which is in memory only while it is asked, if it is large."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Sequence

from exported_models.runtime.freed_memory import return_freed_memory
from pipeline.models.checkpoint import LoadedCheckpoint, ReferenceHypothesis
from pipeline.parity.effort import Effort, choose_effort
from pipeline.parity.outputs import Outputs, list_outputs
from pipeline.parity.rounding import choose_measured, measure_rounding
from pipeline.parity.sample import SamplePair, bound_length
from pipeline.progress import Progress


class Origin:
    """Answers of a checkpoint.

    `prepare` asks a large one for everything at once and frees it. It is loaded again if it is asked once more.

    Args:
        load: loads the checkpoint.
        effort: bounds of the comparison; None for those of the checkpoint's size.
    """

    def __init__(self, load: Callable[[], LoadedCheckpoint], effort: Effort | None = None) -> None:
        self._load = load
        self._loaded: LoadedCheckpoint | None = load()
        self.effort = choose_effort(self._loaded.parameters) if effort is None else effort
        self._forced: dict[SamplePair, Outputs] = {}
        self._roundings: dict[str, float] | None = None

    @property
    def checkpoint(self) -> LoadedCheckpoint:
        """The checkpoint, loaded again if it was freed."""
        if self._loaded is None:
            self._loaded = self._load()
        return self._loaded

    def prepare(self, sample: Sequence[SamplePair], progress: Progress) -> Sequence[SamplePair]:
        """The sample with the checkpoint's n-best lists, if it is large; it is free of memory then."""
        if not self.effort.is_bounded:
            return sample
        with progress.track("ask the checkpoint", len(sample) + 1, "sentences") as advance:
            prepared = []
            for pair in sample:
                prepared.append(pair.with_hypotheses(self.search(pair)))
                self._forced[prepared[-1]] = self.force(pair)
                advance(1)
            self._roundings = measure_rounding(self.checkpoint, choose_measured(prepared, self.effort.measured))
            advance(1)
        self.free()
        return prepared

    def free(self) -> None:
        """Free a large checkpoint."""
        if self.effort.is_bounded:
            self._loaded = None
            gc.collect()
            return_freed_memory()

    def force(self, pair: SamplePair) -> Outputs:
        """The outputs of a pair."""
        found = self._forced.pop(pair, None)
        return found or list_outputs(self.checkpoint.reference.force(pair.source_ids, pair.target_ids))

    def search(self, pair: SamplePair) -> tuple[ReferenceHypothesis, ...]:
        """The n-best list of a pair's source."""
        if pair.hypotheses is not None:
            return pair.hypotheses
        settings = bound_length(self.checkpoint.generation, self.effort)
        return self.checkpoint.reference.search(pair.source_ids, settings)

    def measure_usual_rounding(self, sample: Sequence[SamplePair]) -> dict[str, float]:
        """Rounding on a few pairs of a sample; see `pipeline.parity.rounding`."""
        if self._roundings is None:
            return measure_rounding(self.checkpoint, choose_measured(sample, self.effort.measured))
        return self._roundings

    def measure_rounding(self, pairs: Iterable[SamplePair]) -> dict[str, float]:
        """Rounding on these pairs, none of which may be."""
        listed = list(pairs)
        return measure_rounding(self.checkpoint, listed) if listed else {}
