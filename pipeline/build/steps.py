"""The steps of a build, in their order.

Every step is a plain function of a `BuildRun`. It looks whether its work is done already, and leaves what it made in
the build folder for the next: a build that was interrupted goes on where it was, one with nothing to do does nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

from exported_models.contract.manifest import ModelManifest, SpaceSpec, load_model_manifest
from exported_models.contract.publishing import publish
from exported_models.runtime.model import ExportedModel
from pipeline.build.planned_store import StoreBuild
from pipeline.build.summary import StepSummary
from pipeline.corpus.readers import count
from pipeline.errors import BuildError
from pipeline.export.checkpoints import (
    ModelBuild,
    describe_making,
    export_graphs,
    find_model,
    publish_model,
    verify_graphs,
)
from pipeline.graphs.states import StateEncoder
from pipeline.progress import Progress, SilentProgress, format_seconds
from pipeline.store.encode import encode_corpus, encode_fingerprint, encode_held_out
from pipeline.store.index import calibrate_space, index_space
from pipeline.store.maps import project_space
from pipeline.store.plan import StorePlan, check_space, describe_plan, plan_store
from pipeline.store.translate import translate_corpus, translate_held_out
from pipeline.work.ledger import remember_published
from state_store.manifest import CorpusEntry, IndexEntry, SpaceEntry, StoreManifest
from state_store.pairs import PairTable
from state_store.spaces import sample_rows

VERIFIED_SENTENCES = 200
"""Sentences that the parity check of a build compares, in place of `LoadedCheckpoint.parity_sentences`: they are real
ones, and the time is little beside that of encoding."""


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
        spaces = self.store.chosen_spaces(self.model_manifest)
        return StateEncoder.open(self.model_folder, [space.name for space in spaces])


Step = Callable[[BuildRun], bool]
"""A step of the build; returns whether everything was there already."""


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
    from pipeline.export.twins import TwinBuild, make_twin

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
