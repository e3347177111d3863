"""Comparing a twin with its model on the held-out pairs of a project."""

from __future__ import annotations

from dataclasses import dataclass

from exported_models.runtime.model import ExportedModel
from pipeline.build.corpora import ProjectCorpora
from pipeline.export.twins import LEAST_AGREEMENT
from pipeline.parity.twins import ComparedSentences, select_sentences
from pipeline.store.held_out import HELD_OUT_SENTENCES

_COMPARED_PAIRS = 200


@dataclass(frozen=True, slots=True)
class HeldOutComparison:
    """Held-out pairs of a project; made-up sentences where it has none that the model reads. See `TwinTest`."""

    corpora: ProjectCorpora
    least_agreement: float = LEAST_AGREEMENT

    def read(self, full: ExportedModel) -> ComparedSentences:
        """The sentences as the model's tokens."""
        return select_sentences(full, self.corpora.held_out_sample(HELD_OUT_SENTENCES), _COMPARED_PAIRS)

    def fingerprint(self) -> list[object]:
        """Equal where the comparison would be."""
        return [self.corpora.held_out.fingerprint, _COMPARED_PAIRS, self.least_agreement]
