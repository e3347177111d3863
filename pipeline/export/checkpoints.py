"""From a checkpoint to a published model: staged, verified, then published in one step."""

from __future__ import annotations

import gc
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from exported_models.contract.manifest import CheckpointOrigin, ModelManifest
from exported_models.contract.publishing import digest_value
from exported_models.contract.workspace import Workspace, check_artefact_name
from exported_models.runtime.freed_memory import return_freed_memory
from exported_models.runtime.model import ExportedModel
from pipeline.adapters import digest_checkpoint, find_adapter, load_adapter
from pipeline.adapters.hub import HubCheckpoint, HubId, hint_at_hub, names_hub, parse_hub_id
from pipeline.adapters.installed import find_installed
from pipeline.errors import CheckpointError
from pipeline.export.capacity import check_capacity, estimate_export, estimate_weights, measure_free
from pipeline.export.languages import NO_CHOICE, LanguageChoice, set_own_languages
from pipeline.export.planned import FinishedModel, PlannedModel, find_model, publish_model
from pipeline.export.summary import ExportSummary, list_parity
from pipeline.models.checkpoint import LoadedCheckpoint
from pipeline.progress import Progress, SilentProgress
from pipeline.work.digests import Digests
from pipeline.work.ledger import Done
from pipeline.work.lock import only_build
from pipeline.work.published import mark_finished
from state_store.pairs import StoredPair

EXPORT_REVISION = 12
"""Raised when the same checkpoint would give another exported model than before."""


@dataclass(frozen=True, slots=True)
class PlannedExport(PlannedModel):
    """A model that is exported from a checkpoint.

    Attributes:
        digest: identifies the checkpoint's content.
        hub: where a checkpoint of the Hugging Face hub came from.
        context_layer: decoder layer whose context is a space; None for the adapter's choice.
        languages: those that the model is set to.
    """

    adapter: str
    checkpoint: Path
    digest: str
    hub: HubCheckpoint | None = None
    context_layer: int | None = None
    languages: LanguageChoice = NO_CHOICE

    @property
    def fingerprint(self) -> str:
        made_of: list[object] = [self.adapter, self.digest, self.model_id, self.context_layer]
        made_of += [self.languages.source, self.languages.target] if self.languages.is_made else []
        return digest_value(["model", EXPORT_REVISION, *made_of])

    @property
    def origin(self) -> CheckpointOrigin:
        if self.hub is None:
            return CheckpointOrigin(adapter=self.adapter, name=self.checkpoint.name, digest=self.digest)
        name, revision = self.hub.name, self.hub.commit
        return CheckpointOrigin(adapter=self.adapter, name=name, digest=self.digest, revision=revision)

    def write_tokenizers(self, folder: Path) -> ModelManifest:
        """See `PlannedModel`; read from the checkpoint."""
        from pipeline.graphs.export import describe_model, write_tokenizers

        source = load_checkpoint(self)
        write_tokenizers(source, folder)
        return describe_model(source, self.model_id, self.origin)


@dataclass(frozen=True, slots=True)
class StagedGraphs:
    """Graphs and tokenizers in the staging folder, not verified yet; ``files`` are their names."""

    files: tuple[str, ...]


def plan_model(
    workspace: Workspace,
    model_id: str,
    checkpoint: Path,
    adapter: str | None,
    *,
    context_layer: int | None = None,
    languages: LanguageChoice = NO_CHOICE,
    digests: Digests | None = None,
    progress: Progress = SilentProgress(),  # noqa: B008 (it has no state)
) -> PlannedExport:
    """Find the adapter and identify the checkpoint; one that is named ``hub:owner/name@revision`` is fetched.

    Args:
        context_layer: decoder layer, counted from 0, whose context is a space; None for the adapter's choice.
        languages: those that the model is set to.
        digests: of the files that this run read; None starts anew.

    Raises:
        CheckpointError: there is no checkpoint, or the hub does not give it. AdapterError: no adapter fits.
    """
    fetched = _fetch(parse_hub_id(checkpoint), progress) if names_hub(checkpoint) else None
    folder = fetched.folder if fetched else checkpoint
    if not folder.exists():
        raise CheckpointError(f"There is no checkpoint at {checkpoint}.{hint_at_hub(checkpoint)}")
    found = find_adapter(folder, adapter)
    # The folder of a fetched one is a cache, in which other programs may keep more of the repository.
    digest = digest_value(["hub", fetched.name, fetched.commit]) if fetched else digest_checkpoint(folder)
    return PlannedExport(
        workspace, model_id, found, folder, digest, fetched, context_layer, languages, digests=digests or Digests()
    )


def load_checkpoint(planned: PlannedExport) -> LoadedCheckpoint:
    """Read the checkpoint, with the context and the languages that were chosen.

    Raises:
        CheckpointError: it cannot be read, or has no such choice.
    """
    source = _choose_context(load_adapter(planned.adapter).load(planned.checkpoint), planned)
    return set_own_languages(source, planned.languages, planned.model_id, planned.origin)


def _choose_context(source: LoadedCheckpoint, planned: PlannedExport) -> LoadedCheckpoint:
    layer = planned.context_layer
    if layer is None:
        return source
    if source.choose_context is None:
        raise CheckpointError(f"{planned.checkpoint} has no choice of context layers; leave the context layer out.")
    if layer >= source.cross_attention_layers:
        raise CheckpointError(
            f"{planned.checkpoint} has no decoder layer {layer}; "
            f"its layers are 0 to {source.cross_attention_layers - 1}."
        )
    return source.choose_context(layer)


def _fetch(hub_id: HubId, progress: Progress) -> HubCheckpoint:
    from pipeline.adapters.hub_download import fetch_checkpoint

    return fetch_checkpoint(hub_id, progress)


def export_graphs(planned: PlannedExport, *, progress: Progress) -> Done[StagedGraphs]:
    """Write graphs and tokenizers to the staging folder, unless they are there.

    Raises:
        CheckpointError, ExportError, PublishingError: see `pipeline.graphs.export.write_graphs`.
    """
    return planned.ledger.run_once(
        "graphs", planned.fingerprint, StagedGraphs, lambda: _write_graphs(planned, progress)
    )


def verify_graphs(planned: PlannedExport, corpus: Sequence[StoredPair] | None, *, progress: Progress) -> FinishedModel:
    """Compare the staged graphs with the checkpoint and seal them.

    Args:
        corpus: pairs to compare on; None makes some up.

    Raises:
        ParityError: they compute something else. They stay unsealed, and cannot be published.
    """
    from pipeline.graphs.export import describe_model, seal
    from pipeline.parity.origin import Origin
    from pipeline.parity.sample import make_up_sample, tokenize_sample
    from pipeline.parity.verify import verify_export

    # No variable may hold the checkpoint: a large one is freed before the exported model is opened.
    origin = Origin(lambda: load_checkpoint(planned))
    unverified = seal(
        planned.staged, describe_model(origin.checkpoint, planned.model_id, planned.origin), None, planned.digests.of
    )
    sample = (
        make_up_sample(origin.checkpoint, progress=progress)
        if corpus is None
        else tokenize_sample(origin.checkpoint, planned.staged, unverified, corpus, progress=progress)
    )
    report = verify_export(
        planned.model_id, origin, lambda: ExportedModel.open(planned.staged), sample, progress=progress
    )
    manifest = seal(planned.staged, unverified, report, planned.digests.of)
    # Last: the mark makes the folder count as finished.
    mark_finished(planned.staged, planned.fingerprint)
    return FinishedModel(planned.staged, manifest)


def export_model(
    checkpoint: Path,
    adapter: str | None,
    model_id: str,
    workspace: Workspace,
    *,
    context_layer: int | None = None,
    languages: LanguageChoice = NO_CHOICE,
    progress: Progress,
) -> ExportSummary:
    """Export, verify and publish a checkpoint as a model alone; choices as of `plan_model`.

    Raises:
        PipelineError: the checkpoint cannot be read or exported, or parity fails; nothing is published then.
    """
    started = time.monotonic()
    checkpoint = find_installed(str(checkpoint)) or checkpoint
    name = check_artefact_name(model_id)
    planned = plan_model(
        workspace, name, checkpoint, adapter, context_layer=context_layer, languages=languages, progress=progress
    )
    verification_seconds = 0.0
    with only_build(planned.folder, f"The model {model_id}"):
        finished = find_model(planned)
        if finished is None:
            # 1. Graphs and tokenizers, staged; 2. compared with the checkpoint
            export_graphs(planned, progress=progress)
            exported = time.monotonic()
            finished = verify_graphs(planned, None, progress=progress)
            verification_seconds = time.monotonic() - exported
        # 3. Published in one step
        published = publish_model(planned, finished)
    return ExportSummary(
        model_id=model_id,
        model_hash=published.manifest.content_hash,
        folder=str(planned.link),
        changed=published.changed,
        parity=list_parity(published.manifest),
        bytes=published.manifest.bytes,
        seconds=time.monotonic() - started,
        verification_seconds=verification_seconds,
    )


def _write_graphs(planned: PlannedExport, progress: Progress) -> tuple[StagedGraphs, Sequence[Path]]:
    from pipeline.graphs.export import write_graphs

    weights = estimate_weights(planned.checkpoint)
    check_capacity(planned.model_id, weights, estimate_export(weights), measure_free(planned.folder))
    source = load_checkpoint(planned)
    for notice in source.notices:
        progress.note(f"notice: {notice}")
    shutil.rmtree(planned.staged, ignore_errors=True)
    write_graphs(source, planned.staged, progress)
    # The exporter keeps a tensor of the last graph, which would keep the whole file mapped beside verification's.
    source.release()
    del source
    gc.collect()  # it refers to itself
    return_freed_memory()
    files = sorted(planned.staged.iterdir())
    return StagedGraphs(tuple(path.name for path in files)), files
