"""Building: a project becomes an exported model and a state store, in steps that can be run again at any time.

Every step is a plain function of a `BuildRun`. It looks whether its work is done already, and leaves what it made in
the build folder for the next: a build that was interrupted goes on where it was, one with nothing to do does nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path

from exported_models.manifest import ModelManifest, SpaceSpec, load_model_manifest
from exported_models.model import ExportedModel
from exported_models.publishing import publish
from exported_models.workspace import Workspace, check_artefact_name
from pipeline.adapters.installed import find_installed
from pipeline.batches import choose_batch_tokens
from pipeline.build_lock import only_build
from pipeline.corpora import count
from pipeline.corpus_files import open_corpora
from pipeline.encode import encode_corpus, encode_fingerprint, encode_held_out
from pipeline.errors import BuildError
from pipeline.fingerprints import Ledger, is_current, remember_published
from pipeline.index import calibrate_space, index_space
from pipeline.model_build import (
    ModelBuild,
    describe_making,
    export_graphs,
    find_model,
    plan_model,
    publish_model,
    published_model,
    verify_graphs,
)
from pipeline.plan import StorePlan, check_space, describe_plan, plan_store
from pipeline.progress import Progress, SilentProgress, format_seconds
from pipeline.project import Project
from pipeline.projections import project_space
from pipeline.state_graph import StateEncoder
from pipeline.store_build import StoreBuild, build_folders, published_store
from pipeline.summary import BuildSummary, ExportSummary, SpaceSummary, StepSummary
from pipeline.translate import translate_corpus, translate_held_out
from state_store.manifest import CorpusEntry, IndexEntry, SpaceEntry, StoreManifest, load_store_manifest
from state_store.pairs import PairTable
from state_store.spaces import sample_rows

VERIFIED_SENTENCES = 200
"""Sentences the parity check compares, whatever an adapter asks of an export alone (`SourceModel.parity_sentences`):
here they are real ones, and the time is little beside that of encoding."""


@dataclass(frozen=True)
class BuildRun:
    """One run of the build: what is built, where it reports to, and what it did so far.

    Without slots, to remember what was found out: whether a finished model is intact takes reading all of it.
    """

    store: StoreBuild
    progress: Progress
    started: float = field(default_factory=time.monotonic)
    steps: list[StepSummary] = field(default_factory=list)

    @cached_property
    def model_folder(self) -> Path:
        """Where the finished model is, from its verification until it is published.

        Raises:
            BuildError: it is not there.
        """
        folder = find_model(self.store.model)
        if folder is None:
            name = self.store.project.store_id
            raise BuildError(f"The model {self.store.model.model_id} changed while {name} was built; build it again.")
        return folder

    @property
    def model_manifest(self) -> ModelManifest:
        return load_model_manifest(self.model_folder)

    def open_model(self) -> ExportedModel:
        return ExportedModel.open(self.model_folder)

    def open_encoder(self) -> StateEncoder:
        return StateEncoder.open(self.model_folder)


Step = Callable[[BuildRun], bool]
"""A step of the build; returns whether everything was there already."""


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
    from pipeline.quantize_build import HeldOutComparison, plan_twin

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


def run_step(run: BuildRun, name: str, step: Step) -> None:
    """Run a step and note how long it took."""
    started = time.monotonic()
    cached = step(run)
    seconds = time.monotonic() - started
    run.steps.append(StepSummary(name, seconds, cached))
    run.progress.note(f"{name}: {'done before' if cached else format_seconds(seconds)}")


def plan_step(run: BuildRun) -> bool:
    """1. Choose pairs and batches, estimate the size, refuse what does not fit on the disk."""
    plan, cached = plan_store(run.store, progress=run.progress)
    run.progress.note(describe_plan(plan))
    _report_left_out(run, plan, 0)
    check_space(plan, run.store, encoded=_is_encoded(run.store))
    return cached


def export_step(run: BuildRun) -> bool:
    """2. Turn the checkpoint into graphs."""
    return not export_graphs(_of_checkpoint(run), progress=run.progress)


def verify_step(run: BuildRun) -> bool:
    """3. Compare the graphs with the checkpoint's own model, on planned pairs spread evenly over the corpus."""
    store = run.store
    folder = store.staged if store.corpora.train.has_targets else store.sources
    pairs = PairTable(folder, int(store.ledger.last_result("plan")["pairs"]))
    sample = [pairs[row] for row in sample_rows(len(pairs), VERIFIED_SENTENCES).tolist()]
    return not verify_graphs(_of_checkpoint(run), sample, progress=run.progress)


def quantize_step(run: BuildRun) -> bool:
    """4. Of a twin, instead of the two before: quantize the published model, and compare them on held-out pairs."""
    from pipeline.quantize_build import TwinBuild, make_twin

    assert isinstance(run.store.model, TwinBuild)
    return not make_twin(run.store.model, progress=run.progress)


def translate_step(run: BuildRun) -> bool:
    """5. Give sources without targets the model's own translations, shard by shard."""
    store, manifest, open_model = run.store, run.model_manifest, cache(run.open_model)
    cached = True
    if not store.corpora.train.has_targets:
        before = int(store.ledger.last_result("plan")["left_out"])
        plan, cached = translate_corpus(store, manifest, open_model, progress=run.progress)
        run.progress.note(describe_plan(plan))
        _report_left_out(run, plan, before)
        check_space(plan, store, encoded=_is_encoded(store))
    if not store.corpora.held_out.has_targets:
        cached &= translate_held_out(store, manifest, open_model, progress=run.progress)
    return cached


def encode_step(run: BuildRun) -> bool:
    """6. Encode the corpus, shard by shard, and the held-out pairs."""
    # Opened once for both, if at all.
    open_encoder = cache(run.open_encoder)
    _, cached = encode_corpus(run.store, run.model_manifest, open_encoder, progress=run.progress)
    encode_held_out(run.store, run.model_manifest, open_encoder)
    return cached


def index_step(run: BuildRun) -> bool:
    """7. Index every space, measure its recall, and calibrate its distances."""
    return all(cached for _, cached in _index(run, run.progress))


def project_step(run: BuildRun) -> bool:
    """8. Draw the global maps of every space."""
    manifest = run.model_manifest
    inputs = encode_fingerprint(run.store, manifest)
    spaces = run.store.chosen_spaces(manifest)
    jobs = [(space, kind) for space in spaces for kind in run.store.project.content.store.maps]
    done = []
    with run.progress.track("project", len(jobs), "maps") as advance:
        for space, kind in jobs:
            done.append(project_space(run.store, space, kind, inputs))
            advance(1)
    return all(done)


def publish_step(run: BuildRun) -> bool:
    """9. Publish the model and then the store, each in one atomic step."""
    store = run.store
    manifest = _describe_store(run)
    publish_model(store.model)
    destination = store.workspace.stores_folder / store.project.store_id
    folder = publish(store.staged, destination, manifest.for_publishing(), describe_making(store.fingerprint))
    remember_published(store.folder, store.fingerprint, folder)
    return False


STEPS: tuple[tuple[str, Step], ...] = (
    ("plan", plan_step),
    ("export", export_step),
    ("verify", verify_step),
    ("quantize", quantize_step),
    ("translate", translate_step),
    ("encode", encode_step),
    ("index", index_step),
    ("project", project_step),
    ("publish", publish_step),
)


def choose_steps(store: StoreBuild) -> tuple[tuple[str, Step], ...]:
    """The steps of a build, in order: only sources without targets are translated, and only twins are quantized."""
    left_out = {export_step, verify_step} if store.project.suffix else {quantize_step}
    if store.corpora.train.has_targets and store.corpora.held_out.has_targets:
        left_out.add(translate_step)
    return tuple((name, step) for name, step in STEPS if step not in left_out)


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
        # 2. Parity with the source model
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


def _of_checkpoint(run: BuildRun) -> ModelBuild:
    assert isinstance(run.store.model, ModelBuild)
    return run.store.model


def _report_left_out(run: BuildRun, plan: StorePlan, said: int) -> None:
    """Say how many pairs are left out and why, if they are more than were ``said`` before."""
    if plan.left_out > said:
        verb = "is" if plan.left_out == 1 else "are"
        run.progress.note(f"{count(plan.left_out, 'pair')} {verb} left out; the first: {plan.first_left_out}")


def _is_encoded(store: StoreBuild) -> bool:
    folder = find_model(store.model)
    if folder is None:
        return False
    return store.ledger.recall("encode", encode_fingerprint(store, load_model_manifest(folder))) is not None


def _index(run: BuildRun, progress: Progress) -> list[tuple[SpaceEntry, bool]]:
    """Every space's entry in the store's manifest, and whether it was there already."""
    store, manifest = run.store, run.model_manifest
    rows, _ = encode_corpus(store, manifest, run.open_encoder, progress=progress)
    held_out, inputs = encode_held_out(store, manifest, run.open_encoder)
    spaces = store.chosen_spaces(manifest)
    found = []
    with progress.track("index", len(spaces), "spaces") as advance:
        for space in spaces:
            entry, cached = index_space(store, space, rows[space.name], held_out, inputs)
            states = calibrate_space(store, space, rows[space.name], entry, held_out, inputs)
            found.append((_describe_space(store, space, rows[space.name], entry, states), cached))
            advance(1)
    return found


def _describe_space(store: StoreBuild, space: SpaceSpec, rows: int, index: IndexEntry, states: int) -> SpaceEntry:
    return SpaceEntry(
        name=space.name,
        owner=space.owner,
        size=space.size,
        rows=rows,
        index=index,
        maps=store.project.content.store.maps,
        calibration_states=states,
    )


def _describe_store(run: BuildRun) -> StoreManifest:
    store = run.store
    umap = store.project.content.store.umap
    return StoreManifest(
        store_id=store.project.store_id,
        model_id=store.model.model_id,
        model_hash=run.model_manifest.content_hash,
        corpus=CorpusEntry(
            name=store.corpus_name,
            fingerprint=store.corpora.train.fingerprint,
            pairs=int(store.planned["pairs"]),
            kind="parallel" if store.corpora.train.has_targets else "model_output",
        ),
        spaces=tuple(entry for entry, _ in _index(run, SilentProgress())),
        settings={
            "umap_neighbors": umap.neighbors,
            "umap_min_dist": umap.min_dist,
            "umap_seed": umap.seed,
            "umap_fit_rows": umap.fit_rows,
            "batch_tokens": store.batch_tokens,
        },
    )


def _parity(manifest: ModelManifest) -> dict[str, float | int | None]:
    return manifest.parity.model_dump() if manifest.parity else {}
