"""From a published model to its quantized twin: written, compared with it, then published in one step."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from exported_models.graphs import Graph
from exported_models.manifest import ModelManifest, QuantizationReport, TwinComparison, load_model_manifest
from exported_models.model import ExportedModel
from exported_models.publishing import digest_value, explain_disk_errors, publish
from exported_models.workspace import Workspace, check_artefact_name
from pipeline.build_lock import only_build
from pipeline.corpora import open_corpus
from pipeline.errors import QuantizationError
from pipeline.export import SHARED_WEIGHTS_FILE, seal
from pipeline.fingerprints import STAGED, is_current, remember_published
from pipeline.model_build import describe_making, model_build_folder
from pipeline.progress import Progress
from pipeline.quantize import METHOD, quantize_graphs
from pipeline.quantize_report import ComparedSentences, compare_twin, make_up_sentences, read_sentences
from pipeline.summary import TwinSummary

QUANTIZE_REVISION = 3
"""Raised when the same model would give another twin than before."""
SUFFIX = "-int8"
LEAST_AGREEMENT = 0.95


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a twin is compared on, and how much it must agree.

    Attributes:
        sentences: a corpus; None makes sentences up.
        references: of ``sentences`` where they lie in a file of their own.
        least_agreement: share of forced tokens before which both must find the same token most probable.
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


def twin_id(model_id: str) -> str:
    """The name of a model's twin.

    Raises:
        WorkspaceError: it is too long.
    """
    return check_artefact_name(f"{model_id}{SUFFIX}")


def check_twin(model_id: str, comparison: Comparison) -> None:
    """Refuse at once what would be refused after the model was exported.

    Raises:
        WorkspaceError: the twin's name is too long. CorpusError: there are no such sentences.
    """
    twin_id(model_id)
    if comparison.sentences is not None:
        open_corpus(comparison.sentences, comparison.references)


def export_twin(model_id: str, comparison: Comparison, workspace: Workspace, *, progress: Progress) -> TwinSummary:
    """Quantize a published model, compare the twin with it, and publish the twin as `twin_id`.

    Raises:
        QuantizationError: they agree less than they must; nothing is published.
        PipelineError: nothing can be quantized, or the sentences cannot be read.
    """
    started = time.monotonic()
    name = twin_id(model_id)
    full_folder = workspace.model_folder(model_id)
    fingerprint = _fingerprint(load_model_manifest(full_folder), comparison)
    folder, link = model_build_folder(workspace, name), workspace.models_folder / name
    with only_build(folder, f"The model {name}"):
        current = link.resolve() if name in workspace.model_ids() else None
        if not is_current(current, fingerprint, folder):
            # 1. Graphs and tokenizers, staged; 2. compared with the full model
            manifest = _stage_twin(
                ExportedModel.open(full_folder, threads=1), name, folder / STAGED, comparison, progress
            )
            # 3. Published in one step
            published = publish(folder / STAGED, link, manifest.for_publishing(), describe_making(fingerprint))
            remember_published(folder, fingerprint, published)
        changed = link.resolve() != current
    return _summarize(load_model_manifest(link), link, changed=changed, seconds=time.monotonic() - started)


def _stage_twin(
    full: ExportedModel, name: str, staged: Path, comparison: Comparison, progress: Progress
) -> ModelManifest:
    """Write the twin and its finished manifest into an empty folder."""
    compared = comparison.read(full)
    with progress.track("quantize", 1, "models") as advance:
        products = _write_files(full, staged)
        advance(1)
    architecture = f"{full.manifest.architecture}, int8"
    bare = full.manifest.model_copy(update={"model_id": name, "parity": None, "architecture": architecture})
    seal(staged, bare, None)
    found = compare_twin(full, ExportedModel.open(staged, threads=1), compared, progress=progress)
    _check_agreement(name, found, comparison.least_agreement)
    report = QuantizationReport(
        kind="int8",
        model_id=full.manifest.model_id,
        model_hash=full.content_hash,
        method=METHOD,
        products=products,
        full_bytes=full.manifest.bytes,
        least_agreement=comparison.least_agreement,
        comparison=found,
    )
    return bare.model_copy(update={"quantization": report})


def _write_files(full: ExportedModel, staged: Path) -> int:
    """Quantized graphs, and what else is in the model's folder as it is; return how many products were quantized."""
    rewritten = {SHARED_WEIGHTS_FILE, *(graph.filename for graph in Graph)}
    with explain_disk_errors(staged):
        shutil.rmtree(staged, ignore_errors=True)
        staged.mkdir(parents=True)
        for file in sorted(full.manifest.files.keys() - rewritten):
            shutil.copyfile(full.folder / file, staged / file)
    return quantize_graphs(full.folder, staged, SHARED_WEIGHTS_FILE)


def _check_agreement(name: str, found: TwinComparison, least: float) -> None:
    # Written so that NaN, which compares false with everything, is refused too.
    if not found.agreement >= least:
        raise QuantizationError(
            f"The int8 twin {name} finds the same token most probable as the full model before {found.agreement:.2%} "
            f"of {found.tokens:,} tokens, less than the {least:.2%} it must; it was not published. Compare it on "
            "sentences like those it will translate, or ask for less with --least-agreement."
        )


def _fingerprint(full: ModelManifest, comparison: Comparison) -> str:
    described = full.model_dump(mode="json", exclude={"files"})
    return digest_value(["twin", QUANTIZE_REVISION, described, *comparison.fingerprint()])


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
