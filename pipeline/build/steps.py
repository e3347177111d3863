"""The steps of a build, in their order: typed functions from values to a result.

A step takes the results of earlier steps, and looks nothing up that one of them found. Its result is recorded in the
ledger of the build folder; a later build with the same inputs reads the result from there. `make_store` runs the steps
in their order: those over pairs are in `pair_steps`, those over states in `state_steps`, all others here.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.build.build_run import BuildRun
from pipeline.build.pair_steps import PlannedPairs, plan_pairs, translate_pairs
from pipeline.build.planned_store import PlannedStore
from pipeline.build.state_steps import EncodedPairs, IndexedSpace, draw_maps, encode_pairs, index_spaces
from pipeline.export.checkpoints import PlannedExport, StagedGraphs, export_graphs, verify_graphs
from pipeline.export.planned import FinishedModel, find_model, publish_model
from pipeline.store.folder import keep_only
from pipeline.store.plan import StorePlan
from pipeline.work.ledger import Done
from pipeline.work.published import publish_staged
from state_store.manifest import CorpusEntry, SpaceEntry, StoreManifest
from state_store.pairs import PairTable
from state_store.spaces import sample_rows

VERIFIED_SENTENCES = 200
"""Sentences that the parity check compares, whatever an adapter asks of an export alone
(`LoadedCheckpoint.parity_sentences`): here they are real ones, and the time is little beside that of encoding."""


def make_store(run: BuildRun) -> StorePlan:
    """Bring the published model and store up to date; return the plan of the store.

    Raises:
        PipelineError: the project, checkpoint, corpus or machine does not allow it.
    """
    store, known = run.store, find_model(run.store.model)
    pairs = run.step("plan", lambda: plan_pairs(run, known))
    model = make_model(run, known, pairs.store)
    if not store.corpora.have_targets:
        pairs = run.step("translate", lambda: translate_pairs(run, model, pairs))
    encoded = run.step("encode", lambda: encode_pairs(run, model, pairs))
    spaces = run.step("index", lambda: index_spaces(run, model, pairs, encoded))
    run.step("map", lambda: draw_maps(run, model, encoded))
    run.step("publish", lambda: publish_all(run, model, pairs, spaces, encoded))
    return pairs.store


def make_model(run: BuildRun, known: FinishedModel | None, plan: StorePlan) -> FinishedModel:
    """Export and verify the checkpoint, or quantize the full model; ``known`` is the model if it is finished."""
    if isinstance(run.store.model, PlannedExport):
        planned = run.store.model
        run.step("export", lambda: export_checkpoint(run, planned, known))
        return run.step("verify", lambda: verify_export(run, planned, known, plan))
    return run.step("quantize", lambda: quantize_model(run, known))


def export_checkpoint(
    run: BuildRun, planned: PlannedExport, known: FinishedModel | None
) -> Done[StagedGraphs | FinishedModel]:
    """2. Turn the checkpoint into graphs."""
    if known:
        return Done(known, cached=True)
    staged = export_graphs(planned, progress=run.progress)
    return Done(staged.result, staged.cached)


def verify_export(
    run: BuildRun, planned: PlannedExport, known: FinishedModel | None, plan: StorePlan
) -> Done[FinishedModel]:
    """3. Compare the graphs with the checkpoint's own model, on planned pairs spread evenly over the corpus."""
    if known:
        return Done(known, cached=True)
    folder = run.store.folder
    pairs = PairTable(folder.staged if plan.targets_known else folder.sources, plan.pairs)
    sample = [pairs[row] for row in sample_rows(len(pairs), VERIFIED_SENTENCES).tolist()]
    return Done(verify_graphs(planned, sample, progress=run.progress), cached=False)


def quantize_model(run: BuildRun, known: FinishedModel | None) -> Done[FinishedModel]:
    """4. Of a twin, instead of the two before: quantize the published model, and compare them on held-out pairs."""
    from pipeline.export.twins import PlannedTwin, make_twin

    if known:
        return Done(known, cached=True)
    assert isinstance(run.store.model, PlannedTwin)
    return Done(make_twin(run.store.model, progress=run.progress), cached=False)


def publish_all(
    run: BuildRun,
    model: FinishedModel,
    pairs: PlannedPairs,
    spaces: dict[str, IndexedSpace],
    encoded: EncodedPairs,
) -> Done[Path]:
    """9. Publish the model and then the store, each in one atomic step; return the folder of the store."""
    store = run.store
    manifest = _describe_store(store, model, pairs, spaces, encoded)
    publish_model(store.model, model)
    folder = publish_staged(store.ledger, store.link, manifest.for_publishing(), store.fingerprint)
    settings = store.state_settings(model)
    blocks = (*pairs.store.blocks, *pairs.held_out.blocks)
    keep_only(store.folder.shards, {settings.shard_name(block) for block in blocks})
    return Done(folder, cached=False)


def _describe_store(
    store: PlannedStore,
    model: FinishedModel,
    pairs: PlannedPairs,
    spaces: dict[str, IndexedSpace],
    encoded: EncodedPairs,
) -> StoreManifest:
    settings = store.project.content.store
    return StoreManifest(
        store_id=store.project.store_id,
        model_id=store.model.model_id,
        model_hash=model.manifest.content_hash,
        corpus=CorpusEntry(
            name=store.corpus_name,
            fingerprint=store.corpora.train.fingerprint,
            pairs=pairs.store.pairs,
            kind="parallel" if store.corpora.train.has_targets else "model_output",
        ),
        spaces=tuple(
            SpaceEntry(
                name=spec.name,
                owner=spec.owner,
                size=spec.size,
                rows=encoded.corpus.rows[spec.name],
                index=spaces[spec.name].entry,
                maps=settings.maps,
                calibration_states=spaces[spec.name].calibration_states,
            )
            for spec in store.chosen_spaces(model.manifest)
        ),
        settings={
            "umap_neighbors": settings.umap.neighbors,
            "umap_min_dist": settings.umap.min_dist,
            "umap_seed": settings.umap.seed,
            "umap_fit_rows": settings.umap.fit_rows,
            "batch_tokens": store.batch_tokens,
        },
    )
