"""The steps of a build: typed functions from values to a result.

A step takes the results of earlier steps, and looks nothing up that one of them found. Its result is recorded in the
ledger of the build folder; a later build with the same inputs reads the result from there. `make_store` runs the steps
in their order.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from exported_models.contract.publishing import digest_value
from exported_models.runtime.model import ExportedModel, load_tokenizer
from pipeline.build.build_run import BuildRun
from pipeline.build.planned_store import PlannedStore
from pipeline.corpus.pair_tokens import PairTokenizer
from pipeline.corpus.readers import SentencePair, count
from pipeline.errors import CorpusError
from pipeline.export.checkpoints import PlannedExport, StagedGraphs, export_graphs, verify_graphs
from pipeline.export.planned import FinishedModel, find_model, publish_model
from pipeline.store import encode, translate
from pipeline.store.blocks import Block, PairSelection, SelectedPairs
from pipeline.store.encode import EncodedCorpus, EncodeWork, StateSettings
from pipeline.store.folder import keep_only
from pipeline.store.held_out import (
    HELD_OUT_SENTENCES,
    HELD_OUT_STATES,
    HeldOut,
    HeldOutPairs,
    HeldOutStates,
    read_held_out,
    write_held_out,
)
from pipeline.store.index import RECALL_QUERIES, Calibrated, EncodedSpace, calibrate_space, index_space
from pipeline.store.maps import DrawnMap, UmapSettings, draw_map
from pipeline.store.plan import StorePlan, check_disk, describe_plan, estimate_store
from pipeline.store.translate import TranslateWork, TranslationSettings
from pipeline.work.ledger import Done
from pipeline.work.published import publish_staged
from state_store import layout
from state_store.manifest import CorpusEntry, IndexEntry, SpaceEntry, StoreManifest
from state_store.pairs import PairTable
from state_store.scann_index import choose_index_kind
from state_store.spaces import sample_rows

VERIFIED_SENTENCES = 200
"""Sentences the parity check compares, whatever an adapter asks of an export alone
(`LoadedCheckpoint.parity_sentences`): here they are real ones, and the time is little beside that of encoding."""
_ONE_BLOCK = sys.maxsize


@dataclass(frozen=True, slots=True)
class PlannedPairs:
    """The pairs of the store, and those that are held out of it."""

    store: StorePlan
    held_out: HeldOutPairs


@dataclass(frozen=True, slots=True)
class EncodedPairs:
    """The encoded corpus and the held-out states.

    Attributes:
        inputs: fingerprint of the encoded corpus; ``held_out_inputs`` of the held-out states too.
    """

    corpus: EncodedCorpus
    held_out: HeldOut
    inputs: str
    held_out_inputs: str


@dataclass(frozen=True, slots=True)
class IndexedSpace:
    """The index of a space, and the number of held-out states that it was calibrated with."""

    entry: IndexEntry
    calibration_states: int


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


def plan_pairs(run: BuildRun, known: FinishedModel | None) -> Done[PlannedPairs]:
    """1. Choose the pairs and their blocks, estimate the size, and refuse what does not fit on the disk."""
    store, ledger = run.store, run.store.ledger
    # Opened once for both, if at all.
    tokenizer = cache(lambda: _open_tokenizers(store, known))
    plan = ledger.run_once("plan", store.plan_fingerprint, StorePlan, lambda: _select_pairs(run, tokenizer()))
    run.progress.note(describe_plan(plan.result))
    _report_left_out(run, plan.result, 0)
    _check_disk(run, plan.result, known)
    inputs = digest_value(["held out", store.plan_fingerprint, HELD_OUT_SENTENCES])
    held_out = ledger.run_once("held out", inputs, HeldOutPairs, lambda: _select_held_out(store, tokenizer()))
    return Done(PlannedPairs(plan.result, held_out.result), cached=plan.cached)


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


def translate_pairs(run: BuildRun, model: FinishedModel, pairs: PlannedPairs) -> Done[PlannedPairs]:
    """5. Give sources without targets the model's own translations, block by block."""
    store, ledger = run.store, run.store.ledger
    settings = TranslationSettings(model.folder, model.manifest.content_hash, store.batch_tokens)
    plan, held_out = Done(pairs.store, cached=True), Done(pairs.held_out, cached=True)
    if not store.corpora.train.has_targets:
        inputs = translate_fingerprint(store, model.manifest.content_hash)
        plan = ledger.run_once("translate", inputs, StorePlan, lambda: _translate_corpus(run, model, settings, pairs))
        run.progress.note(describe_plan(plan.result))
        _report_left_out(run, plan.result, pairs.store.left_out)
        _check_disk(run, plan.result, model)
    if not store.corpora.held_out.has_targets:
        inputs = digest_value(["held out", settings.fingerprint, _digests(pairs.held_out.blocks)])
        held_out = ledger.run_once(
            "translate held out", inputs, HeldOutPairs, lambda: _translate_held_out(run, model, settings, pairs)
        )
    return Done(PlannedPairs(plan.result, held_out.result), cached=plan.cached and held_out.cached)


def encode_pairs(run: BuildRun, model: FinishedModel, pairs: PlannedPairs) -> Done[EncodedPairs]:
    """6. Encode the blocks of the corpus, and the held-out pairs, and merge them into a store."""
    folder, ledger = run.store.folder, run.store.ledger
    settings = state_settings(run.store, model)
    inputs = encode_fingerprint(settings, pairs.store)
    held_out_inputs = digest_value(["held out", inputs, _digests(pairs.held_out.blocks), HELD_OUT_STATES])
    corpus = ledger.run_once("encode", inputs, EncodedCorpus, lambda: _encode_corpus(run, settings, pairs))
    states = ledger.run_once(
        "held out states", held_out_inputs, HeldOutStates, lambda: _encode_held_out(run, settings, pairs.held_out)
    )
    held_out = read_held_out(folder.held_out, pairs.held_out, states.result, settings.spaces)
    return Done(EncodedPairs(corpus.result, held_out, inputs, held_out_inputs), cached=corpus.cached)


def index_spaces(
    run: BuildRun, model: FinishedModel, pairs: PlannedPairs, encoded: EncodedPairs
) -> Done[dict[str, IndexedSpace]]:
    """7. Index every space, measure its recall, and calibrate its distances; the result is by name of the space."""
    store = run.store
    specs = store.chosen_spaces(model.manifest)
    found: dict[str, Done[IndexedSpace]] = {}
    with run.progress.track("index", len(specs), "spaces") as advance:
        for spec in specs:
            space = EncodedSpace(store.folder.staged, spec, encoded.corpus.rows[spec.name], pairs.store.pairs)
            found[spec.name] = _index_space(store, space, encoded)
            advance(1)
    cached = all(done.cached for done in found.values())
    return Done({name: done.result for name, done in found.items()}, cached=cached)


def draw_maps(run: BuildRun, model: FinishedModel, encoded: EncodedPairs) -> Done[list[DrawnMap]]:
    """8. Draw the global maps of every space."""
    store, done = run.store, []
    umap = UmapSettings(**store.project.content.store.umap.model_dump())
    jobs = [(spec, kind) for spec in store.chosen_spaces(model.manifest) for kind in store.project.content.store.maps]
    with run.progress.track("map", len(jobs), "maps") as advance:
        for spec, kind in jobs:
            name = f"map {spec.name} {kind}"
            settings = store.project.content.store.umap.model_dump() if kind == "umap" else None
            draw = cache(lambda spec=spec, kind=kind: draw_map(store.folder.staged, spec, kind, umap))
            done.append(store.ledger.run_once(name, digest_value([name, encoded.inputs, settings]), DrawnMap, draw))
            advance(1)
    return Done([map_.result for map_ in done], cached=all(map_.cached for map_ in done))


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
    settings = state_settings(store, model)
    blocks = (*pairs.store.blocks, *pairs.held_out.blocks)
    keep_only(store.folder.shards, {settings.shard_name(block) for block in blocks})
    return Done(folder, cached=False)


def state_settings(store: PlannedStore, model: FinishedModel) -> StateSettings:
    """The settings that a model's states are made with."""
    spaces = tuple(store.chosen_spaces(model.manifest))
    return StateSettings(model.folder, model.manifest.content_hash, spaces, store.batch_tokens)


def encode_fingerprint(settings: StateSettings, plan: StorePlan) -> str:
    """Of the rows of the store: the token ids of its pairs, and the settings of their states."""
    return digest_value(["encode", settings.fingerprint, _digests(plan.blocks)])


def translate_fingerprint(store: PlannedStore, model_hash: str) -> str:
    """Of the pairs of the store, where the targets are the model's translations."""
    return digest_value(["translate", store.plan_fingerprint, model_hash, store.batch_tokens])


def _digests(blocks: Sequence[Block]) -> list[list[object]]:
    return [[block.first, block.pairs, block.digest] for block in blocks]


def _open_tokenizers(store: PlannedStore, known: FinishedModel | None) -> PairTokenizer:
    """The tokenizers of the model, which may not be made yet."""
    folder = known.folder if known else store.folder.tokenizers
    manifest = known.manifest if known else store.model.write_tokenizers(folder)
    source = load_tokenizer(folder, manifest.source_tokenizer, manifest)
    return PairTokenizer(manifest, source, load_tokenizer(folder, manifest.target_tokenizer, manifest))


def _select_pairs(run: BuildRun, tokenizer: PairTokenizer) -> tuple[StorePlan, list[Path]]:
    store, train = run.store, run.store.corpora.train
    for folder in (store.folder.staged, store.folder.sources):
        shutil.rmtree(folder, ignore_errors=True)
    folder = store.folder.staged if train.has_targets else store.folder.sources
    selection = PairSelection(tokenizer, store.corpus_name, train.has_targets, store.block_lines)
    with run.progress.track("plan", len(train), "pairs") as advance:
        selected = selection.write(folder, _counted(store.corpora.indexed(), advance))
    return _estimate(store, tokenizer, selected, targets_known=train.has_targets), _pair_files(folder)


def _select_held_out(store: PlannedStore, tokenizer: PairTokenizer) -> tuple[HeldOutPairs, list[Path]]:
    corpus = store.corpora.held_out
    folder = store.folder.held_out if corpus.has_targets else store.folder.held_out_sources
    shutil.rmtree(folder, ignore_errors=True)
    selection = PairSelection(tokenizer, store.corpus_name, corpus.has_targets, _ONE_BLOCK)
    selected = selection.write(folder, store.corpora.held_out_sample(HELD_OUT_SENTENCES))
    return HeldOutPairs(selected.blocks), _pair_files(folder)


def _translate_corpus(
    run: BuildRun, model: FinishedModel, settings: TranslationSettings, pairs: PlannedPairs
) -> tuple[StorePlan, list[Path]]:
    store, folder, before = run.store, run.store.folder, pairs.store
    _translate_blocks(run, settings, folder.sources, before.blocks, "translate")
    shutil.rmtree(folder.staged, ignore_errors=True)
    tokenizer = PairTokenizer.of(ExportedModel.open(model.folder, threads=1))
    selection = PairSelection(
        tokenizer,
        store.corpus_name,
        has_targets=False,
        block_lines=store.block_lines,
        left_out=before.left_out,
        first_left_out=before.first_left_out,
    )
    found = translate.read_translated(folder.translations, settings, folder.sources, before.blocks, selection)
    selected = selection.write(folder.staged, found)
    blocks = (*before.blocks, *pairs.held_out.blocks)
    keep_only(folder.translations, {settings.file_name(block) for block in blocks})
    return _estimate(store, tokenizer, selected, targets_known=True), _pair_files(folder.staged)


def _translate_held_out(
    run: BuildRun, model: FinishedModel, settings: TranslationSettings, pairs: PlannedPairs
) -> tuple[HeldOutPairs, list[Path]]:
    folder, blocks = run.store.folder, pairs.held_out.blocks
    _translate_blocks(run, settings, folder.held_out_sources, blocks, "translate held out")
    shutil.rmtree(folder.held_out, ignore_errors=True)
    tokenizer = PairTokenizer.of(ExportedModel.open(model.folder, threads=1))
    selection = PairSelection(tokenizer, run.store.corpus_name, has_targets=False, block_lines=_ONE_BLOCK)
    found = translate.read_translated(folder.translations, settings, folder.held_out_sources, blocks, selection)
    return HeldOutPairs(selection.write(folder.held_out, found).blocks), _pair_files(folder.held_out)


def _translate_blocks(
    run: BuildRun, settings: TranslationSettings, table: Path, blocks: Sequence[Block], title: str
) -> None:
    items = translate.list_items(run.store.folder.translations, settings, table, blocks)
    with run.progress.track(title, sum(item.size for item in items), "source tokens") as advance:
        run.executor.run(TranslateWork(settings), items, advance)


def _encode_corpus(run: BuildRun, settings: StateSettings, pairs: PlannedPairs) -> tuple[EncodedCorpus, list[Path]]:
    folder, blocks = run.store.folder, pairs.store.blocks
    # The held-out blocks too, so that the model is opened once.
    _encode_blocks(run, settings, {folder.staged: blocks, folder.held_out: pairs.held_out.blocks})
    return encode.merge_blocks(folder.shards, settings, blocks, folder.staged)


def _encode_held_out(
    run: BuildRun, settings: StateSettings, held_out: HeldOutPairs
) -> tuple[HeldOutStates, list[Path]]:
    folder = run.store.folder
    _encode_blocks(run, settings, {folder.held_out: held_out.blocks})
    return write_held_out(folder.held_out, folder.shards, settings, held_out, folder.staged)


def _encode_blocks(run: BuildRun, settings: StateSettings, tables: Mapping[Path, Sequence[Block]]) -> None:
    """Encode the blocks of pair tables that have no shard yet."""
    shards = run.store.folder.shards
    items = [item for table, blocks in tables.items() for item in encode.list_items(shards, settings, table, blocks)]
    with run.progress.track("encode", sum(item.size for item in items), "sentences") as advance:
        run.executor.run(EncodeWork(settings), items, advance)


def _index_space(store: PlannedStore, space: EncodedSpace, encoded: EncodedPairs) -> Done[IndexedSpace]:
    # Where ScaNN is installed another index is built than where it is not.
    name = f"index {space.spec.name}"
    kind = choose_index_kind(space.rows)
    inputs = digest_value([name, encoded.held_out_inputs, kind, RECALL_QUERIES])
    entry = store.ledger.run_once(name, inputs, IndexEntry, lambda: index_space(space, encoded.held_out))
    name = f"calibrate {space.spec.name}"
    inputs = digest_value([name, store.plan_fingerprint, inputs, entry.result.model_dump(mode="json")])
    calibrated = store.ledger.run_once(
        name, inputs, Calibrated, lambda: calibrate_space(space, entry.result, encoded.held_out)
    )
    return Done(IndexedSpace(entry.result, calibrated.result.states), cached=entry.cached and calibrated.cached)


def _estimate(
    store: PlannedStore, tokenizer: PairTokenizer, selected: SelectedPairs, *, targets_known: bool
) -> StorePlan:
    if not selected.blocks:
        reason = f" ({selected.first_left_out})" if selected.left_out else ""
        raise CorpusError(f"The corpus of {store.project.path} has no pair that can be encoded{reason}.")
    spaces, maps = store.chosen_spaces(tokenizer.manifest), len(store.project.content.store.maps)
    return estimate_store(selected, spaces, maps, targets_known=targets_known)


def _check_disk(run: BuildRun, plan: StorePlan, model: FinishedModel | None) -> None:
    check_disk(run.store.workspace.root, _missing_bytes(run.store, plan, model))


def _missing_bytes(store: PlannedStore, plan: StorePlan, model: FinishedModel | None) -> int:
    """The room that the rest of the build takes: less where the corpus, or a part of it, is encoded already."""
    shards: Iterable[Path] = ()
    if model is not None and plan.targets_known:
        settings = state_settings(store, model)
        if store.ledger.find("encode", encode_fingerprint(settings, plan), EncodedCorpus) is not None:
            return plan.bytes_kept - store.ledger.recorded_bytes("encode")
        shards = (store.folder.shards / settings.shard_name(block) for block in plan.blocks)
    files = (path for part in (store.folder.staged, *shards) for path in part.rglob("*") if path.is_file())
    return plan.bytes_needed - sum(path.stat().st_size for path in files)


def _pair_files(folder: Path) -> list[Path]:
    return [folder / name for name in layout.PAIR_FILES]


def _counted(pairs: Iterable[SentencePair], advance: Callable[[int], None]) -> Iterator[SentencePair]:
    for pair in pairs:
        yield pair
        advance(1)


def _report_left_out(run: BuildRun, plan: StorePlan, said: int) -> None:
    """Say how many pairs are left out and why, if they are more than were ``said`` before."""
    if plan.left_out > said:
        verb = "is" if plan.left_out == 1 else "are"
        run.progress.note(f"{count(plan.left_out, 'pair')} {verb} left out; the first: {plan.first_left_out}")


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
