"""Translating: sources that have no targets get the model's own, by greedy search through the exported graphs.

Translations are kept in the build folder, a file a shard, until all are there: an interrupted build goes on with the
first that is missing. What is encoded later are their texts, tokenized like any target.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from exported_models.contract.errors import RequestError
from exported_models.contract.manifest import ModelManifest
from exported_models.contract.publishing import digest_value, write_json_atomically
from exported_models.runtime.model import ExportedModel
from exported_models.search.greedy import translate_batch
from pipeline.build.planned_store import StoreBuild
from pipeline.corpus.pair_tokens import PairTokenizer
from pipeline.corpus.readers import SentencePair
from pipeline.progress import Advance, Progress
from pipeline.store.batches import BatchPlan, plan_batches, read_plan
from pipeline.store.plan import HELD_OUT_SENTENCES, PairSelection, StorePlan, plan_pairs, sample_held_out
from pipeline.store.shard_folder import open_shard_folder
from state_store.pairs import PairTable, StoredPair, write_pairs

_SHARDS = "translations"
_HELD_OUT = "translated_held_out"

Texts = dict[int, str | None]
"""Translations by sentence; None where the model did not end one within its maximum length."""


def translate_corpus(
    build: StoreBuild, manifest: ModelManifest, open_model: Callable[[], ExportedModel], *, progress: Progress
) -> tuple[StorePlan, bool]:
    """Stage the planned sources with their translations; return the plan of the pairs and whether it was there already.

    Args:
        open_model: opens the model of that manifest; called only where something is to be translated.

    Raises:
        CorpusError: no translation can be used. PublishingError: the disk is full or not writable.
    """
    fingerprint = digest_value(["translate", build.plan_fingerprint, manifest.content_hash])
    known = build.ledger.recall("translate", fingerprint)
    if known is not None:
        return StorePlan(**known), True
    model, batches = open_model(), read_plan(build.sources)
    sources = PairTable(build.sources, len(batches.sentences))
    shards = open_shard_folder(build.folder / _SHARDS, fingerprint)
    before = StorePlan(**build.ledger.last_result("plan"))
    _translate_shards(shards, batches, sources, model, before.source_tokens / before.pairs, progress)
    shutil.rmtree(build.staged, ignore_errors=True)
    selection = PairSelection(
        PairTokenizer.of(model),
        build.corpus_name,
        has_targets=False,
        left_out=before.left_out,
        first_left_out=before.first_left_out,
    )
    pairs = selection.accept(_translated_pairs(shards, batches, sources, selection))
    plan, files = plan_pairs(build, manifest, selection, pairs, targets_known=True)
    build.ledger.record("translate", fingerprint, files, asdict(plan))
    shutil.rmtree(shards)
    return plan, False


def translate_held_out(
    build: StoreBuild, manifest: ModelManifest, open_model: Callable[[], ExportedModel], *, progress: Progress
) -> bool:
    """Translate the sample of held-out sources, kept in the build folder; return whether it was there already."""
    step = "translate held out"
    fingerprint = digest_value([step, build.plan_fingerprint, manifest.content_hash, HELD_OUT_SENTENCES])
    if build.ledger.recall(step, fingerprint) is not None:
        return True
    model, sample = open_model(), sample_held_out(build)
    ids = _read_sources(PairTokenizer.of(model), sample)
    texts: Texts = {}
    with progress.track(step, sum(map(len, ids.values())), "source tokens") as advance:
        for batch in _cut_batches(ids, build.batch_tokens):
            texts |= _translate(model, {number: ids[number] for number in batch}, advance)
    kept = [(sample[number], text) for number, text in sorted(texts.items()) if text and text.strip()]
    folder = build.folder / _HELD_OUT
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_pairs(
        folder,
        (
            StoredPair(sentence, pair.source, text, pair.line, target_is_model_output=True)
            for sentence, (pair, text) in enumerate(kept)
        ),
    )
    build.ledger.record(step, fingerprint, list(folder.iterdir()), {"pairs": len(kept)})
    return False


def held_out_pairs(build: StoreBuild) -> Sequence[SentencePair | StoredPair]:
    """The sample of pairs that calibrates what "near" means, with targets."""
    if build.corpora.held_out.has_targets:
        return sample_held_out(build)
    pairs = int(build.ledger.last_result("translate held out")["pairs"])
    return list(PairTable(build.folder / _HELD_OUT, pairs)) if pairs else []


def _translate_shards(
    shards: Path, batches: BatchPlan, sources: PairTable, model: ExportedModel, mean_tokens: float, progress: Progress
) -> None:
    """Write the translations of every shard that has none yet; ``mean_tokens`` is how long a source is."""
    tokenizer = PairTokenizer.of(model)
    missing = [number for number in batches.shard_numbers() if not _shard_file(shards, number).is_file()]
    # Counted in tokens, since batches of long sentences come last; and what is done already says nothing of the rate.
    total = round(mean_tokens * sum(len(batch) for number in missing for batch in batches.batches(number)))
    with progress.track("translate", total, "source tokens") as advance:
        for number in missing:
            texts = Texts()
            for batch in batches.batches(number):
                ids = {sentence: tokenizer.read_source(sources[sentence].source) for sentence in batch}
                texts |= _translate(model, ids, advance)
            write_json_atomically(_shard_file(shards, number), {"texts": [texts[place] for place in sorted(texts)]})


def _translate(model: ExportedModel, sources: Mapping[int, Sequence[int]], advance: Advance) -> Texts:
    found = translate_batch(model, list(sources.values()))
    advance(sum(map(len, sources.values())))
    return {
        sentence: model.target_tokenizer.decode(translation.token_ids) if translation.finished else None
        for sentence, translation in zip(sources, found, strict=True)
    }


def _translated_pairs(
    shards: Path, batches: BatchPlan, sources: PairTable, selection: PairSelection
) -> Iterator[SentencePair]:
    """The sources with their translations, in order; those without a usable one are left out of the selection."""
    longest = selection.tokenizer.manifest.generation.max_length
    sentence = 0
    for number in batches.shard_numbers():
        for text in json.loads(_shard_file(shards, number).read_text(encoding="utf-8"))["texts"]:
            pair = sources[sentence]
            sentence += 1
            if text is None:
                selection.leave_out(pair.line, f"The model's translation does not end within {longest} tokens.")
            elif not text.strip():
                selection.leave_out(pair.line, "The model's translation is empty.")
            else:
                yield SentencePair(pair.source, text, pair.line)


def _read_sources(tokenizer: PairTokenizer, sample: Sequence[SentencePair]) -> dict[int, Sequence[int]]:
    """The tokens of the sources that the model can read, by place in the sample."""
    ids: dict[int, Sequence[int]] = {}
    for number, pair in enumerate(sample):
        try:
            ids[number] = tokenizer.read_source(pair.source)
        except RequestError:
            continue
    return ids


def _cut_batches(sources: Mapping[int, Sequence[int]], tokens: int) -> Iterator[Sequence[int]]:
    """Batches of sentences of like length."""
    numbers = list(sources)
    if numbers:
        # Targets are taken to be as long as their sources.
        lengths = np.array([[len(sources[number])] * 2 for number in numbers], np.int64)
        for batch in plan_batches(lengths, len(numbers), tokens).batches(0):
            yield [numbers[place] for place in batch]


def _shard_file(shards: Path, number: int) -> Path:
    return shards / f"shard-{number:05d}.json"
