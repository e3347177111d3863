"""Encoding for a store: states alone, without the probabilities that only analysis asks for.

A runtime computes every output a graph has, asked for or not, and for a whole corpus log-probabilities and ranks over
the vocabulary cost as much as everything else. So the graph of whole targets is cut down to its states when it is
opened here: what is left are the same operators on the same weights. Models without that graph are stepped through.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx

from exported_models.contract.arrays import Floats
from exported_models.contract.graphs import Graph
from exported_models.runtime.model import ExportedModel
from exported_models.runtime.sessions import StatesSession
from exported_models.search.scoring import encode_batch, force_batch, pad
from pipeline.graphs.rewriting import keep_outputs


@dataclass(frozen=True, slots=True)
class StateEncoder:
    """A model opened to encode a corpus; ``targets`` is its graph of whole targets, cut down, where it has one."""

    model: ExportedModel
    targets: StatesSession | None

    @classmethod
    def open(cls, folder: Path, *, threads: int | None = None) -> StateEncoder:
        """Open an exported model; ``threads`` as of `ExportedModel.open`.

        Raises:
            ArtefactError, ModelError: it is damaged or does not load.
        """
        model = ExportedModel.open(folder, threads=threads)
        return cls(model, _open_states(model, threads) if model.forced else None)

    def encode(self, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]) -> list[Mapping[str, Floats]]:
        """The states of every pair of a ragged batch, as `scoring.ForcedSentence.states` has them.

        Args:
            sources, targets: token ids as the tokenizers give them, end of sentence included.
        """
        if self.targets is None:
            return [forced.states for forced in force_batch(self.model, sources, targets)]
        manifest = self.model.manifest
        encoded = encode_batch(self.model, sources)
        forced, _ = pad(targets, manifest.pad_id)
        previous, _ = pad([(manifest.start_id, *target) for target in targets], manifest.pad_id)
        found = self.targets.run(encoded, previous[:, :-1], forced)
        return [
            {
                space.name: encoded.states[row, : len(source)]
                if space.owner == "source"
                else found[space.output][row, : len(target)]
                for space in manifest.spaces
            }
            for row, (source, target) in enumerate(zip(sources, targets, strict=True))
        ]


def _open_states(model: ExportedModel, threads: int | None) -> StatesSession:
    proto = onnx.load(model.folder / Graph.TEACHER_FORCED.filename, load_external_data=False)
    keep_outputs(proto.graph, [space.output for space in model.manifest.spaces if space.owner == "target"])
    return StatesSession(model.folder, threads, bytes(proto.SerializeToString()))
