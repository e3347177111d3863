"""Building: a project becomes an exported model and a state store, in steps that can be run again at any time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from exported_models.contract.manifest import ModelManifest, load_model_manifest
from exported_models.contract.workspace import Workspace, check_artefact_name
from pipeline.adapters.installed import find_installed
from pipeline.build.corpora import open_corpora
from pipeline.build.planned_store import StoreBuild, build_folders, published_store
from pipeline.build.project_file import Project
from pipeline.build.steps import BuildRun, Step, choose_steps, run_step
from pipeline.build.summary import BuildSummary, ExportSummary, SpaceSummary
from pipeline.export.checkpoints import export_graphs, plan_model, publish_model, published_model, verify_graphs
from pipeline.progress import Progress
from pipeline.store.batches import choose_batch_tokens
from pipeline.work.ledger import Ledger, is_current
from pipeline.work.lock import only_build
from state_store.manifest import load_store_manifest

StepRunner = Callable[[BuildRun, str, Step], None]
"""Runs a step of that name; `run_step` does the plain thing."""


def build(
    project: Project, workspace: Workspace, *, progress: Progress, runner: StepRunner | None = None
) -> BuildSummary:
    """Bring the published model and store of a project up to date, and then those of its quantized twin, if any.

    Raises:
        PipelineError: the project, checkpoint, corpus or machine does not allow it. Nothing is published then, but for
            the full model and its store where it is the twin that cannot be.
    """
    with open_build(project, workspace, progress=progress) as run:
        summary = _bring_up_to_date(run, runner or run_step)
        if project.twin is None:
            return summary
        with open_twin(run, project.twin) as twin:
            progress.note(f"The quantized twin {project.twin.model_id}, and its store {project.twin.store_id}")
            return replace(summary, twin=_bring_up_to_date(twin, runner or run_step))


def find_unchanged(project: Project, workspace: Workspace, *, progress: Progress) -> BuildSummary | None:
    """The summary of a build that has nothing to do; None if it has.

    Raises:
        PipelineError: as `build`.
    """
    with open_build(project, workspace, progress=progress) as run:
        if not is_up_to_date(run):
            return None
        summary = summarize(run, changed=False)
        if project.twin is None:
            return summary
        with open_twin(run, project.twin) as twin:
            return replace(summary, twin=summarize(twin, changed=False)) if is_up_to_date(twin) else None


@contextmanager
def open_build(project: Project, workspace: Workspace, *, progress: Progress) -> Iterator[BuildRun]:
    """What the project builds; other builds of the same names are kept out meanwhile.

    Raises:
        PipelineError: another build has one of the names, checkpoint or corpus are missing, or no adapter fits.
    """
    store, model = build_folders(project, workspace)
    with only_build(store, f"The store {project.store_id}"), only_build(model, f"The model {project.model_id}"):
        yield _prepare_run(project, workspace, store, progress)


@contextmanager
def open_twin(run: BuildRun, project: Project) -> Iterator[BuildRun]:
    """What a project builds of its model's twin, once the model is published; the corpus is the same.

    Raises:
        PipelineError: another build has one of the names.
    """
    from pipeline.export.twins import HeldOutComparison, plan_twin

    full = run.store
    store, model = build_folders(project, full.workspace)
    with only_build(store, f"The store {project.store_id}"), only_build(model, f"The model {project.model_id}"):
        twin = plan_twin(full.model.model_id, HeldOutComparison(full), full.workspace)
        ledger = Ledger(store, full.workspace.stores_folder / project.store_id)
        yield BuildRun(replace(full, project=project, model=twin, ledger=ledger), run.progress)


def _bring_up_to_date(run: BuildRun, runner: StepRunner) -> BuildSummary:
    if is_up_to_date(run):
        return summarize(run, changed=False)
    for name, step in choose_steps(run.store):
        runner(run, name, step)
    return summarize(run, changed=True)


def _prepare_run(project: Project, workspace: Workspace, folder: Path, progress: Progress) -> BuildRun:
    """Find out what the project builds; its corpus is generated here if need be."""
    chosen = project.content.model
    model = plan_model(
        workspace,
        project.model_id,
        project.checkpoint,
        chosen.adapter,
        context_layer=chosen.context_layer,
        progress=progress,
    )
    ledger = Ledger(folder, workspace.stores_folder / project.store_id)
    corpora = open_corpora(project, ledger, progress=progress)
    return BuildRun(StoreBuild(project, workspace, model, corpora, ledger, choose_batch_tokens()), progress)


def is_up_to_date(run: BuildRun) -> bool:
    """Whether the published model and store are what would be built."""
    store, model = run.store, run.store.model
    published = published_store(store.workspace, store.project.store_id)
    return is_current(published, store.fingerprint, store.folder) and is_current(
        published_model(model), model.fingerprint, model.folder
    )


def summarize(run: BuildRun, *, changed: bool) -> BuildSummary:
    """What the build did, read from what is published now."""
    store = run.store
    folder = store.workspace.store_folder(store.project.store_id)
    manifest = load_store_manifest(folder)
    model = load_model_manifest(store.workspace.model_folder(store.model.model_id))
    return BuildSummary(
        project=str(store.project.path),
        model_id=model.model_id,
        model_hash=model.content_hash,
        store_id=manifest.store_id,
        store_hash=manifest.content_hash,
        store_folder=str(store.workspace.stores_folder / manifest.store_id),
        changed=changed,
        pairs=manifest.corpus.pairs,
        pairs_left_out=int(store.planned.get("left_out", 0)),
        targets_by_model=manifest.corpus.kind == "model_output",
        spaces=tuple(
            SpaceSummary(space.name, space.rows, space.index.kind, space.index.recall_at_10, space.maps)
            for space in manifest.spaces
        ),
        parity=_parity(model),
        bytes=manifest.bytes,
        seconds=time.monotonic() - run.started,
        steps=tuple(run.steps),
        quantization=model.quantization.model_dump(mode="json") if model.quantization else None,
    )


def export_model(
    checkpoint: Path,
    adapter: str | None,
    model_id: str,
    workspace: Workspace,
    *,
    context_layer: int | None = None,
    progress: Progress,
) -> ExportSummary:
    """Export, verify and publish a checkpoint as a model alone; ``context_layer`` as of `plan_model`.

    Raises:
        PipelineError: the checkpoint cannot be read or exported, or parity fails; nothing is published then.
    """
    started = time.monotonic()
    checkpoint = find_installed(str(checkpoint)) or checkpoint
    name = check_artefact_name(model_id)
    plan = plan_model(workspace, name, checkpoint, adapter, context_layer=context_layer, progress=progress)
    with only_build(plan.folder, f"The model {model_id}"):
        # 1. Graphs and tokenizers, staged
        export_graphs(plan, progress=progress)
        # 2. Parity with the checkpoint
        verify_graphs(plan, None, progress=progress)
        # 3. Published in one step
        manifest, changed = publish_model(plan)
    return ExportSummary(
        model_id=model_id,
        model_hash=manifest.content_hash,
        folder=str(workspace.models_folder / model_id),
        changed=changed,
        parity=_parity(manifest),
        bytes=manifest.bytes,
        seconds=time.monotonic() - started,
    )


def _parity(manifest: ModelManifest) -> dict[str, Any]:
    return manifest.parity.model_dump() if manifest.parity else {}
