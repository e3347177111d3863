"""From a published model to its quantized twin: staged, compared with it, then published in one step."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from exported_models.contract.graphs import WEIGHTS_FILE, Graph
from exported_models.contract.manifest import (
    ModelManifest,
    QuantizationReport,
    TwinComparison,
    load_model_manifest,
)
from exported_models.contract.publishing import digest_value, explain_disk_errors
from exported_models.contract.twins import TwinKind
from exported_models.contract.workspace import Workspace
from exported_models.runtime.model import ExportedModel
from pipeline.corpus.readers import open_corpus
from pipeline.errors import ExportError, QuantizationError
from pipeline.export.capacity import check_capacity, estimate_twin, measure_free
from pipeline.export.planned import FinishedModel, PlannedModel, PublishedModel, find_model, publish_model, twin_id
from pipeline.export.summary import TwinSummary
from pipeline.graphs.export import seal
from pipeline.graphs.quantize import REWRITINGS, quantize_graphs
from pipeline.parity.twins import ComparedSentences, compare_twin, find_effort, make_up_sentences, read_sentences
from pipeline.progress import Progress
from pipeline.work.digests import Digests
from pipeline.work.lock import only_build
from pipeline.work.published import mark_finished

QUANTIZE_REVISION = 6
"""Raised when the same model would give another twin than before."""
LEAST_AGREEMENT = 0.95


class TwinTest(Protocol):
    """The sentences that a twin is compared on, and the least agreement with its model."""

    @property
    def least_agreement(self) -> float:
        """Share of forced tokens before which both must find the same token most probable."""

    def read(self, full: ExportedModel) -> ComparedSentences:
        """The sentences as the model's tokens."""

    def fingerprint(self) -> list[object]:
        """Equal where the comparison would be."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Sentences named by the user; see `TwinTest`.

    Attributes:
        sentences: a corpus; None makes sentences up.
        references: of ``sentences`` where they lie in a file of their own.
    """

    sentences: Path | None = None
    references: Path | None = None
    least_agreement: float = LEAST_AGREEMENT

    def read(self, full: ExportedModel) -> ComparedSentences:
        """The sentences as the model's tokens."""
        if self.sentences is None:
            return make_up_sentences(full)
        return read_sentences(full, self.sentences, self.references)

    def fingerprint(self) -> list[object]:
        """Equal where the comparison would be."""
        content = None if self.sentences is None else open_corpus(self.sentences, self.references).fingerprint()
        return [content, self.least_agreement]


@dataclass(frozen=True, slots=True)
class PlannedTwin(PlannedModel):
    """A model that is quantized from a published one.

    Attributes:
        full: folder of the published model.
    """

    full: Path
    kind: TwinKind
    test: TwinTest
    made_from: str
    """The fingerprint; read from the full model's manifest when the twin is planned."""

    @property
    def fingerprint(self) -> str:
        return self.made_from

    def write_tokenizers(self, folder: Path) -> ModelManifest:
        """See `PlannedModel`; the tokenizers of the full model, and its manifest by the twin's name."""
        full = load_model_manifest(self.full)
        _copy_other_files(self.full, full, folder)
        return _rename(full, self)


def check_twin(model_id: str, kind: TwinKind, comparison: Comparison) -> None:
    """Check at once what would be refused only after the model is exported.

    Raises:
        WorkspaceError: the twin's name is too long. CorpusError: there are no such sentences.
    """
    twin_id(model_id, kind)
    if comparison.sentences is not None:
        open_corpus(comparison.sentences, comparison.references)


def plan_twin(
    model_id: str, kind: TwinKind, test: TwinTest, workspace: Workspace, digests: Digests | None = None
) -> PlannedTwin:
    """The twin of a published model.

    Args:
        digests: of the files that this run read; None starts anew.

    Raises:
        WorkspaceError: there is no such model. CorpusError: there are no such sentences.
    """
    full = workspace.model_folder(model_id)
    made_from = _fingerprint(load_model_manifest(full), kind, test)
    return PlannedTwin(workspace, twin_id(model_id, kind), full, kind, test, made_from, digests=digests or Digests())


def export_twin(
    model_id: str, kind: TwinKind, comparison: Comparison, workspace: Workspace, *, progress: Progress
) -> TwinSummary:
    """Quantize a published model, compare the twin with it, and publish the twin as `twin_id`.

    Raises:
        QuantizationError: twin and model agree too little; nothing is published.
        PipelineError: nothing can be quantized, or the sentences cannot be read.
    """
    started = time.monotonic()
    planned = plan_twin(model_id, kind, comparison, workspace)
    with only_build(planned.folder, f"The model {planned.model_id}"):
        # 1. Graphs and tokenizers, staged; 2. compared with the full model
        finished = find_model(planned) or make_twin(planned, progress=progress)
        # 3. Published in one step
        published = publish_model(planned, finished)
    return _summarize(published, planned.link, seconds=time.monotonic() - started)


def make_twin(planned: PlannedTwin, *, progress: Progress) -> FinishedModel:
    """Stage the twin, compared and sealed.

    Raises:
        QuantizationError: twin and model agree too little. The twin stays unsealed, and cannot be published.
        PipelineError: nothing can be quantized, or the sentences cannot be read.
    """
    weights = load_model_manifest(planned.full).bytes
    check_capacity(planned.model_id, weights, estimate_twin(weights, planned.kind), measure_free(planned.folder))
    full = ExportedModel.open(planned.full, threads=1)
    compared = planned.test.read(full)
    with progress.track("quantize", 1, "models") as advance:
        products = _write_files(full, planned)
        advance(1)
    bare = _rename(full.manifest, planned)
    seal(planned.staged, bare, None, planned.digests.of)
    # A small model's steps take less time than waking a thread.
    threads = None if find_effort(full).is_bounded else 1
    full = ExportedModel.open(planned.full, threads=threads)
    found = compare_twin(full, ExportedModel.open(planned.staged, threads=threads), compared, progress=progress)
    _check_agreement(planned, found)
    report = QuantizationReport(
        kind=planned.kind,
        model_id=full.manifest.model_id,
        model_hash=full.content_hash,
        method=REWRITINGS[planned.kind].method,
        products=products,
        full_bytes=full.manifest.bytes,
        least_agreement=planned.test.least_agreement,
        comparison=found,
    )
    manifest = seal(planned.staged, bare.model_copy(update={"quantization": report}), None, planned.digests.of)
    # Last: the mark makes the folder count as finished.
    mark_finished(planned.staged, planned.fingerprint)
    return FinishedModel(planned.staged, manifest)


def _rename(full: ModelManifest, planned: PlannedTwin) -> ModelManifest:
    """The manifest of the twin, before it is compared."""
    architecture = f"{full.architecture}, {planned.kind}"
    return full.model_copy(update={"model_id": planned.model_id, "parity": None, "architecture": architecture})


def _write_files(full: ExportedModel, planned: PlannedTwin) -> int:
    """Write quantized graphs and the shared files; return the number of quantized products."""
    with explain_disk_errors(planned.staged):
        shutil.rmtree(planned.staged, ignore_errors=True)
    _copy_other_files(full.folder, full.manifest, planned.staged)
    try:
        return quantize_graphs(full.folder, planned.staged, WEIGHTS_FILE, planned.kind)
    except ExportError as error:
        raise ExportError(f"The twin {planned.model_id} was not made: {error}") from error


def _copy_other_files(full: Path, manifest: ModelManifest, folder: Path) -> None:
    """Copy the files that a twin shares with the full model: the tokenizers."""
    rewritten = {WEIGHTS_FILE, *(graph.filename for graph in Graph)}
    with explain_disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for file in sorted(manifest.files.keys() - rewritten):
            shutil.copyfile(full / file, folder / file)


def _check_agreement(planned: PlannedTwin, found: TwinComparison) -> None:
    least = planned.test.least_agreement
    # Written so that NaN, which compares false with everything, is refused too.
    if not found.agreement >= least:
        raise QuantizationError(
            f"The {planned.kind} twin {planned.model_id} finds the same token most probable as the full model before "
            f"{found.agreement:.2%} of {found.tokens:,} tokens, less than the {least:.2%} it must; it was not "
            "published. Compare it on sentences like those it will translate, or ask for less with --least-agreement."
        )


def _fingerprint(full: ModelManifest, kind: TwinKind, test: TwinTest) -> str:
    described = full.model_dump(mode="json", exclude={"files"})
    return digest_value(["twin", kind, QUANTIZE_REVISION, described, *test.fingerprint()])


def _summarize(published: PublishedModel, link: Path, *, seconds: float) -> TwinSummary:
    manifest = published.manifest
    assert manifest.quantization is not None
    return TwinSummary(
        model_id=manifest.model_id,
        model_hash=manifest.content_hash,
        folder=str(link),
        changed=published.changed,
        quantization=manifest.quantization.model_dump(mode="json"),
        bytes=manifest.bytes,
        seconds=seconds,
    )
