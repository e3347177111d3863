"""Steps over pairs: planning the corpus, and translating sources that have no targets."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
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
from pipeline.export.planned import FinishedModel
from pipeline.store import translate
from pipeline.store.blocks import Block, PairSelection, SelectedPairs, list_digests
from pipeline.store.encode import EncodedCorpus
from pipeline.store.folder import keep_only
from pipeline.store.held_out import HELD_OUT_SENTENCES, HeldOutPairs
from pipeline.store.plan import StorePlan, check_disk, describe_plan, estimate_store
from pipeline.store.translate import TranslateWork, TranslationSettings
from pipeline.work.ledger import Done
from state_store import layout

_ONE_BLOCK = sys.maxsize


@dataclass(frozen=True, slots=True)
class PlannedPairs:
    """The pairs of the store, and those that are held out of it."""

    store: StorePlan
    held_out: HeldOutPairs


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


def translate_pairs(run: BuildRun, model: FinishedModel, pairs: PlannedPairs) -> Done[PlannedPairs]:
    """5. Give sources without targets the model's own translations, block by block."""
    store, ledger = run.store, run.store.ledger
    settings = store.translation_settings(model)
    plan, held_out = Done(pairs.store, cached=True), Done(pairs.held_out, cached=True)
    if not store.corpora.train.has_targets:
        inputs = store.translate_fingerprint(model.manifest.content_hash)
        plan = ledger.run_once("translate", inputs, StorePlan, lambda: _translate_corpus(run, model, settings, pairs))
        run.progress.note(describe_plan(plan.result))
        _report_left_out(run, plan.result, pairs.store.left_out)
        _check_disk(run, plan.result, model)
    if not store.corpora.held_out.has_targets:
        inputs = digest_value(["held out", settings.fingerprint, list_digests(pairs.held_out.blocks)])
        held_out = ledger.run_once(
            "translate held out", inputs, HeldOutPairs, lambda: _translate_held_out(run, model, settings, pairs)
        )
    return Done(PlannedPairs(plan.result, held_out.result), cached=plan.cached and held_out.cached)


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


def _open_tokenizers(store: PlannedStore, known: FinishedModel | None) -> PairTokenizer:
    """The tokenizers of the model, which may not be made yet."""
    folder = known.folder if known else store.folder.tokenizers
    manifest = known.manifest if known else store.model.write_tokenizers(folder)
    source = load_tokenizer(folder, manifest.source_tokenizer, manifest)
    return PairTokenizer(manifest, source, load_tokenizer(folder, manifest.target_tokenizer, manifest))


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
        settings = store.state_settings(model)
        if store.ledger.find("encode", settings.rows_fingerprint(plan.blocks), EncodedCorpus) is not None:
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
