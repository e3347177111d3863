"""States of a corpus for a store, without the probabilities that analysis needs.

A runtime computes all outputs of a graph, and over a whole corpus the log-probabilities and ranks cost as much as
everything else. The teacher-forced graph is therefore cut down to its states when it is opened here; the operators and
weights that remain are the same. Models without that graph are run step by step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx

from exported_models.contract.arrays import Floats
from exported_models.contract.graphs import Graph
from exported_models.contract.manifest import SpaceSpec
from exported_models.runtime.model import ExportedModel
from exported_models.runtime.sessions import StatesSession
from exported_models.search.scoring import encode_batch, force_batch, pad, shift_right
from exported_models.search.states import force_states
from pipeline.graphs.rewriting import keep_outputs


@dataclass(frozen=True, slots=True)
class StateEncoder:
    """A model opened to encode a corpus.

    Attributes:
        spaces: whose states are wanted.
        targets: the graphs of whole targets, cut down to the wanted states; none for a model that must be stepped
            through.
    """

    model: ExportedModel
    spaces: tuple[SpaceSpec, ...]
    targets: tuple[StatesSession, ...]

    @classmethod
    def open(cls, folder: Path, spaces: Sequence[str] | None = None, *, threads: int | None = None) -> StateEncoder:
        """Open an exported model.

        Args:
            spaces: names of the wanted spaces; None for every recorded one.
            threads: as of `ExportedModel.open`.

        Raises:
            ArtefactError, ModelError: the model is damaged, does not load, or has no such space.
        """
        model = ExportedModel.open(folder, threads=threads)
        recorded = [space.name for space in model.manifest.spaces if space.kind == "recorded"]
        wanted = tuple(model.manifest.space(name) for name in (recorded if spaces is None else spaces))
        return cls(model, wanted, tuple(_open_targets(model, wanted)) if model.forced else ())

    def encode(self, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]) -> list[Mapping[str, Floats]]:
        """The wanted states of every pair of a ragged batch, as `scoring.ForcedSentence.states` has them.

        Args:
            sources, targets: token ids as the tokenizers give them, end of sentence included.
        """
        if self.model.forced is not None:
            return self._encode_at_once(sources, targets)
        forced = force_batch(self.model, sources, targets)
        more = force_states(self.model, sources, targets, self.spaces)
        return [self._select({**sentence.states, **states}) for sentence, states in zip(forced, more, strict=True)]

    def _encode_at_once(
        self, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]
    ) -> list[Mapping[str, Floats]]:
        encoded = encode_batch(self.model, sources)
        forced, _ = pad(targets, self.model.manifest.pad_id)
        previous = shift_right(forced, self.model.manifest.start_id)
        found = dict(encoded.states)
        for session in self.targets:
            found |= session.run(encoded, previous, forced)
        elsewhere = [space for space in self.spaces if space.owner == "source" or space.kind == "table"]
        more = force_states(self.model, sources, targets, elsewhere)
        return [
            self._select({**self._cut(found, row, len(source), len(target)), **states})
            for row, (source, target, states) in enumerate(zip(sources, targets, more, strict=True))
        ]

    def _cut(self, found: Mapping[str, Floats], row: int, source: int, target: int) -> dict[str, Floats]:
        """The states of one pair of a batch, padding cut off, of the spaces that are found."""
        return {
            space.name: found[space.output][row, : source if space.owner == "source" else target]
            for space in self.spaces
            if space.output in found
        }

    def _select(self, states: Mapping[str, Floats]) -> Mapping[str, Floats]:
        return {space.name: states[space.name] for space in self.spaces}


def _open_targets(model: ExportedModel, spaces: Sequence[SpaceSpec]) -> Iterator[StatesSession]:
    graphs = {"recorded": Graph.TEACHER_FORCED, "on_demand": Graph.FORCED_STATES}
    for kind, graph in graphs.items():
        names = [space.output for space in spaces if space.owner == "target" and space.kind == kind]
        if names:
            proto = onnx.load(model.folder / graph.filename, load_external_data=False)
            keep_outputs(proto.graph, names)
            yield StatesSession(model.graphs, graph, bytes(proto.SerializeToString()))
