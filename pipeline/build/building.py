"""Building: a project becomes an exported model and a state store, in steps that can be run again at any time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from exported_models.contract.manifest import load_model_manifest
from exported_models.contract.workspace import Workspace
from pipeline.build.build_run import BuildRun, StepRunner, run_plainly
from pipeline.build.corpora import open_corpora
from pipeline.build.planned_store import PlannedStore, build_folders
from pipeline.build.project_file import Project
from pipeline.build.steps import make_store
from pipeline.build.summary import BuildSummary, SpaceSummary
from pipeline.export.checkpoints import plan_model
from pipeline.export.languages import LanguageChoice
from pipeline.export.planned import is_published
from pipeline.export.summary import list_parity
from pipeline.progress import Progress
from pipeline.store.batches import choose_batch_tokens
from pipeline.store.plan import StorePlan
from pipeline.work.digests import Digests
from pipeline.work.executors import Executor, LocalExecutor
from pipeline.work.ledger import Ledger
from pipeline.work.lock import only_build
from pipeline.work.published import is_current
from state_store.manifest import load_store_manifest

LOCAL = LocalExecutor()


def build(
    project: Project,
    workspace: Workspace,
    *,
    progress: Progress,
    executor: Executor = LOCAL,
    runner: StepRunner = run_plainly,
    digests: Digests | None = None,
) -> BuildSummary:
    """Bring the published model and store of a project up to date, and then those of its quantized twin, if any.

    Args:
        executor: works on the blocks of the corpus.
        runner: runs the steps.
        digests: of the files that this run read; None starts anew.

    Raises:
        PipelineError: the project, checkpoint, corpus or machine does not allow it. Nothing is published then, but for
            the full model and its store where it is the twin that cannot be.
    """
    with open_build(project, workspace, progress=progress, executor=executor, runner=runner, digests=digests) as run:
        summary = _bring_up_to_date(run)
        if project.twin is None:
            return summary
        with open_twin(run, project.twin) as twin:
            progress.note(f"The quantized twin {project.twin.model_id}, and its store {project.twin.store_id}")
            return replace(summary, twin=_bring_up_to_date(twin))


def find_unchanged(
    project: Project, workspace: Workspace, *, progress: Progress, digests: Digests | None = None
) -> BuildSummary | None:
    """The summary of a build that has nothing to do; None if it has.

    Args:
        digests: of the files that this run read; None starts anew.

    Raises:
        PipelineError: as `build`.
    """
    with open_build(project, workspace, progress=progress, digests=digests) as run:
        if not is_up_to_date(run.store):
            return None
        summary = summarize(run, None)
        if project.twin is None:
            return summary
        with open_twin(run, project.twin) as twin:
            return replace(summary, twin=summarize(twin, None)) if is_up_to_date(twin.store) else None


@contextmanager
def open_build(
    project: Project,
    workspace: Workspace,
    *,
    progress: Progress,
    executor: Executor = LOCAL,
    runner: StepRunner = run_plainly,
    digests: Digests | None = None,
) -> Iterator[BuildRun]:
    """A run of the project's build; other builds of the same names are kept out meanwhile.

    Raises:
        PipelineError: another build has one of the names, checkpoint or corpus are missing, or no adapter fits.
    """
    store, model = build_folders(project, workspace)
    with only_build(store, f"The store {project.store_id}"), only_build(model, f"The model {project.model_id}"):
        planned = _plan_store(project, workspace, digests or Digests(), progress)
        yield BuildRun(planned, progress, executor, runner)


@contextmanager
def open_twin(full: BuildRun, project: Project) -> Iterator[BuildRun]:
    """A run of the build of a project's twin, once the full model is published; the corpus is the same.

    Raises:
        PipelineError: another build has one of the names.
    """
    from pipeline.build.held_out_comparison import HeldOutComparison
    from pipeline.export.twins import plan_twin

    planned, digests, kind = full.store, full.store.ledger.digests, project.content.model.quantize
    store, model = build_folders(project, planned.workspace)
    with only_build(store, f"The store {project.store_id}"), only_build(model, f"The model {project.model_id}"):
        test = HeldOutComparison(planned.corpora)
        assert kind is not None
        twin = plan_twin(planned.model.model_id, kind, test, planned.workspace, digests)
        ledger = Ledger(store, planned.workspace.stores_folder / project.store_id, digests)
        of_twin = replace(planned, project=project, model=twin, ledger=ledger)
        yield BuildRun(of_twin, full.progress, full.executor, full.runner)


def is_up_to_date(store: PlannedStore) -> bool:
    """Whether the published model and store are those that would be built, every file as it was published."""
    return is_current(store.published, store.fingerprint, store.ledger) and is_published(store.model)


def summarize(run: BuildRun, plan: StorePlan | None) -> BuildSummary:
    """The summary of a build, read from the published model and store.

    Args:
        plan: of the store that was built; None if nothing changed.
    """
    store = run.store
    folder = store.workspace.store_folder(store.project.store_id)
    manifest = load_store_manifest(folder)
    model = load_model_manifest(store.workspace.model_folder(store.model.model_id))
    known = plan or _recorded_plan(store, model.content_hash)
    return BuildSummary(
        project=str(store.project.path),
        model_id=model.model_id,
        model_hash=model.content_hash,
        store_id=manifest.store_id,
        store_hash=manifest.content_hash,
        store_folder=str(store.link),
        changed=plan is not None,
        pairs=manifest.corpus.pairs,
        pairs_left_out=known.left_out if known else 0,
        targets_by_model=manifest.corpus.kind == "model_output",
        spaces=tuple(
            SpaceSummary(space.name, space.rows, space.index.kind, space.index.recall_at_10, space.maps)
            for space in manifest.spaces
        ),
        parity=list_parity(model),
        bytes=manifest.bytes,
        seconds=time.monotonic() - run.started,
        steps=tuple(run.steps),
        quantization=model.quantization.model_dump(mode="json") if model.quantization else None,
    )


def _bring_up_to_date(run: BuildRun) -> BuildSummary:
    return summarize(run, None if is_up_to_date(run.store) else make_store(run))


def _plan_store(project: Project, workspace: Workspace, digests: Digests, progress: Progress) -> PlannedStore:
    """Everything that the project's store is made from; its corpus is generated here if need be."""
    chosen, corpus = project.content.model, project.content.corpus
    model = plan_model(
        workspace,
        project.model_id,
        project.checkpoint,
        chosen.adapter,
        context_layer=chosen.context_layer,
        languages=LanguageChoice(corpus.source_language, corpus.target_language),
        digests=digests,
        progress=progress,
    )
    folder, _ = build_folders(project, workspace)
    ledger = Ledger(folder, workspace.stores_folder / project.store_id, digests)
    corpora = open_corpora(project, ledger, progress=progress)
    return PlannedStore(project, workspace, model, corpora, ledger, choose_batch_tokens())


def _recorded_plan(store: PlannedStore, model_hash: str) -> StorePlan | None:
    """The plan of the published store, from the ledger; None if the build folder was removed."""
    if store.corpora.train.has_targets:
        return store.ledger.find("plan", store.plan_fingerprint, StorePlan)
    return store.ledger.find("translate", store.translate_fingerprint(model_hash), StorePlan)
