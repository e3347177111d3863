"""From a published model to its quantized twin: staged, compared with it, then published in one step."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from exported_models.contract.graphs import Graph
from exported_models.contract.manifest import ModelManifest, QuantizationReport, TwinComparison, load_model_manifest
from exported_models.contract.publishing import (
    PROVENANCE_NAME,
    digest_value,
    explain_disk_errors,
    write_json_atomically,
)
from exported_models.contract.workspace import Workspace, check_artefact_name
from exported_models.runtime.model import ExportedModel
from pipeline.build.planned_store import StoreBuild
from pipeline.build.project_file import TWIN_SUFFIX
from pipeline.build.summary import TwinSummary
from pipeline.corpus.readers import open_corpus
from pipeline.errors import QuantizationError
from pipeline.export.checkpoints import describe_making, find_model, model_build_folder, publish_model
from pipeline.graphs.export import SHARED_WEIGHTS_FILE, seal
from pipeline.graphs.quantize import METHOD, quantize_graphs
from pipeline.parity.twins import (
    ComparedSentences,
    compare_twin,
    make_up_sentences,
    read_sentences,
    select_sentences,
)
from pipeline.progress import Progress
from pipeline.store.plan import sample_held_out
from pipeline.work.ledger import STAGED
from pipeline.work.lock import only_build

QUANTIZE_REVISION = 4
"""Raised when the same model would give another twin than before."""
LEAST_AGREEMENT = 0.95
_COMPARED_PAIRS = 200


class TwinTest(Protocol):
    """What a twin is compared on, and how much it must agree."""

    @property
    def least_agreement(self) -> float:
        """Share of forced tokens before which both must find the same token most probable."""

    def read(self, full: ExportedModel) -> ComparedSentences:
        """The sentences as the model's tokens."""

    def fingerprint(self) -> list[object]:
        """Equal where the comparison would be."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Sentences that a person names; see `TwinTest`.

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
class HeldOutComparison:
    """Held-out pairs of a project; made-up sentences where it has none that the model reads. See `TwinTest`."""

    store: StoreBuild
    least_agreement: float = LEAST_AGREEMENT

    def read(self, full: ExportedModel) -> ComparedSentences:
        return select_sentences(full, sample_held_out(self.store), _COMPARED_PAIRS)

    def fingerprint(self) -> list[object]:
        return [self.store.corpora.held_out.fingerprint, _COMPARED_PAIRS, self.least_agreement]


@dataclass(frozen=True, slots=True)
class TwinBuild:
    """What a twin is made of: a published model, in the folder ``full``. See `checkpoints.PlannedModel`."""

    workspace: Workspace
    model_id: str
    full: Path
    test: TwinTest
    fingerprint: str

    @property
    def folder(self) -> Path:
        return model_build_folder(self.workspace, self.model_id)

    @property
    def staged(self) -> Path:
        return self.folder / STAGED

    def write_tokenizers(self, folder: Path) -> ModelManifest:
        """See `PlannedModel`; those of the full model, and its manifest by the twin's name."""
        full = load_model_manifest(self.full)
        _copy_other_files(self.full, full, folder)
        return _rename(full, self.model_id)


def twin_id(model_id: str) -> str:
    """The name of a model's twin.

    Raises:
        WorkspaceError: it is too long.
    """
    return check_artefact_name(f"{model_id}{TWIN_SUFFIX}")


def check_twin(model_id: str, comparison: Comparison) -> None:
    """Refuse at once what would be refused after the model was exported.

    Raises:
        WorkspaceError: the twin's name is too long. CorpusError: there are no such sentences.
    """
    twin_id(model_id)
    if comparison.sentences is not None:
        open_corpus(comparison.sentences, comparison.references)


def plan_twin(model_id: str, test: TwinTest, workspace: Workspace) -> TwinBuild:
    """The twin of a published model.

    Raises:
        WorkspaceError: there is no such model. CorpusError: there are no such sentences.
    """
    full = workspace.model_folder(model_id)
    return TwinBuild(workspace, twin_id(model_id), full, test, _fingerprint(load_model_manifest(full), test))


def export_twin(model_id: str, comparison: Comparison, workspace: Workspace, *, progress: Progress) -> TwinSummary:
    """Quantize a published model, compare the twin with it, and publish the twin as `twin_id`.

    Raises:
        QuantizationError: they agree less than they must; nothing is published.
        PipelineError: nothing can be quantized, or the sentences cannot be read.
    """
    started = time.monotonic()
    build = plan_twin(model_id, comparison, workspace)
    with only_build(build.folder, f"The model {build.model_id}"):
        # 1. Graphs and tokenizers, staged; 2. compared with the full model
        make_twin(build, progress=progress)
        # 3. Published in one step
        manifest, changed = publish_model(build)
    link = workspace.models_folder / build.model_id
    return _summarize(manifest, link, changed=changed, seconds=time.monotonic() - started)


def make_twin(build: TwinBuild, *, progress: Progress) -> bool:
    """Stage the twin, compared and sealed; return False if it was there already, staged or published.

    Raises:
        QuantizationError: the models agree less than they must. They stay unsealed, and cannot be published.
        PipelineError: nothing can be quantized, or the sentences cannot be read.
    """
    if find_model(build):
        return False
    full = ExportedModel.open(build.full, threads=1)
    compared = build.test.read(full)
    with progress.track("quantize", 1, "models") as advance:
        products = _write_files(full, build.staged)
        advance(1)
    bare = _rename(full.manifest, build.model_id)
    seal(build.staged, bare, None)
    found = compare_twin(full, ExportedModel.open(build.staged, threads=1), compared, progress=progress)
    _check_agreement(build.model_id, found, build.test.least_agreement)
    report = QuantizationReport(
        kind="int8",
        model_id=full.manifest.model_id,
        model_hash=full.content_hash,
        method=METHOD,
        products=products,
        full_bytes=full.manifest.bytes,
        least_agreement=build.test.least_agreement,
        comparison=found,
    )
    seal(build.staged, bare.model_copy(update={"quantization": report}), None)
    # Last: it is what makes the folder count as finished.
    write_json_atomically(build.staged / PROVENANCE_NAME, describe_making(build.fingerprint))
    return True


def _rename(full: ModelManifest, name: str) -> ModelManifest:
    """The manifest of the twin, before it is compared."""
    architecture = f"{full.architecture}, int8"
    return full.model_copy(update={"model_id": name, "parity": None, "architecture": architecture})


def _write_files(full: ExportedModel, staged: Path) -> int:
    """Quantized graphs, and what else is in the model's folder as it is; return how many products were quantized."""
    with explain_disk_errors(staged):
        shutil.rmtree(staged, ignore_errors=True)
    _copy_other_files(full.folder, full.manifest, staged)
    return quantize_graphs(full.folder, staged, SHARED_WEIGHTS_FILE)


def _copy_other_files(full: Path, manifest: ModelManifest, folder: Path) -> None:
    """What a twin has as the full model has it: its tokenizers."""
    rewritten = {SHARED_WEIGHTS_FILE, *(graph.filename for graph in Graph)}
    with explain_disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for file in sorted(manifest.files.keys() - rewritten):
            shutil.copyfile(full / file, folder / file)


def _check_agreement(name: str, found: TwinComparison, least: float) -> None:
    # Written so that NaN, which compares false with everything, is refused too.
    if not found.agreement >= least:
        raise QuantizationError(
            f"The int8 twin {name} finds the same token most probable as the full model before {found.agreement:.2%} "
            f"of {found.tokens:,} tokens, less than the {least:.2%} it must; it was not published. Compare it on "
            "sentences like those it will translate, or ask for less with --least-agreement."
        )


def _fingerprint(full: ModelManifest, test: TwinTest) -> str:
    described = full.model_dump(mode="json", exclude={"files"})
    return digest_value(["twin", QUANTIZE_REVISION, described, *test.fingerprint()])


def _summarize(manifest: ModelManifest, link: Path, *, changed: bool, seconds: float) -> TwinSummary:
    assert manifest.quantization is not None
    return TwinSummary(
        model_id=manifest.model_id,
        model_hash=manifest.content_hash,
        folder=str(link),
        changed=changed,
        quantization=manifest.quantization.model_dump(mode="json"),
        bytes=manifest.bytes,
        seconds=seconds,
    )
