"""Encoding: the corpus goes through the exported graphs, shard by shard, and becomes the rows of a store.

Shards are kept in the build folder until all are there. A shard appears in one rename, so an interrupted build goes on
with the first one that is missing.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from exported_models.contract.arrays import Floats
from exported_models.contract.errors import RequestError
from exported_models.contract.manifest import ModelManifest, SpaceSpec
from exported_models.contract.publishing import digest_value
from pipeline.build.planned_store import StoreBuild
from pipeline.corpus.pair_tokens import PairTokenizer, PairTokens
from pipeline.graphs.states import StateEncoder
from pipeline.progress import Progress
from pipeline.store.batches import BatchPlan, plan_batches, read_plan
from pipeline.store.plan import HELD_OUT_SENTENCES
from pipeline.store.shard_folder import open_shard_folder
from pipeline.store.translate import held_out_pairs
from state_store import layout
from state_store.arrays import map_array, write_array
from state_store.pairs import PairTable
from state_store.shards import (
    SentenceStates,
    fit_centers,
    merge_shards,
    normalize_states,
    shard_numbers,
    write_shard,
)
from state_store.spaces import sample_rows

HELD_OUT_STATES = 2_000
_CENTER_SENTENCES = 2_000
_HELD_OUT = "held_out"


@dataclass(frozen=True, slots=True)
class HeldOut:
    """States that are not in the store, to measure recall and distances with.

    Attributes:
        queries: space name -> [states, size] float32 unit vectors.
        sources: space name -> the source text of each.
    """

    queries: Mapping[str, Floats]
    sources: Mapping[str, tuple[str, ...]]


def encode_fingerprint(build: StoreBuild, model: ModelManifest) -> str:
    """Of the rows of the store."""
    spaces = [space.model_dump(mode="json") for space in build.chosen_spaces(model)]
    return digest_value(["encode", build.plan_fingerprint, model.content_hash, spaces])


def encode_corpus(
    build: StoreBuild, manifest: ModelManifest, open_encoder: Callable[[], StateEncoder], *, progress: Progress
) -> tuple[dict[str, int], bool]:
    """Write vectors, tokens and centers of every space; return their rows and whether they were there already.

    Args:
        open_encoder: opens the model of that manifest; called only where something is to be encoded.

    Raises:
        StateError: the model made states that are not finite. PublishingError: the disk is full or not writable.
    """
    fingerprint = encode_fingerprint(build, manifest)
    known = build.ledger.recall("encode", fingerprint)
    if known is not None:
        return known, True
    spaces, encoder = build.chosen_spaces(manifest), open_encoder()
    plan = read_plan(build.folder)
    pairs = PairTable(build.staged, len(plan.sentences))
    shards = open_shard_folder(build.shards, fingerprint)
    centers = _fit_centers(shards, spaces, encoder, pairs, build.batch_tokens)
    _encode_shards(shards, plan, spaces, centers, encoder, pairs, progress)
    rows = merge_shards(shards, plan.shard_numbers(), build.staged, spaces, centers, len(pairs))
    files = [layout.space_folder(build.staged, space.name) / name for space in spaces for name in layout.ENCODED_FILES]
    build.ledger.record("encode", fingerprint, files, rows)
    shutil.rmtree(shards)
    return rows, False


def encode_held_out(
    build: StoreBuild, manifest: ModelManifest, open_encoder: Callable[[], StateEncoder]
) -> tuple[HeldOut, str]:
    """The held-out states of every space, and their fingerprint; kept in the build folder."""
    inputs = encode_fingerprint(build, manifest)
    fingerprint = digest_value(["held out", inputs, HELD_OUT_SENTENCES, HELD_OUT_STATES])
    folder = build.folder / _HELD_OUT
    spaces = build.chosen_spaces(manifest)
    known = build.ledger.recall("held out", fingerprint)
    if known is None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        known = {space.name: list(texts) for space, texts in _write_held_out(build, open_encoder(), folder)}
        build.ledger.record("held out", fingerprint, list(folder.iterdir()), known)
    queries = {
        space.name: np.array(map_array(folder / f"{space.name}.npy", np.float32, (None, space.size)))
        for space in spaces
    }
    return HeldOut(queries, {name: tuple(texts) for name, texts in known.items()}), fingerprint


def _fit_centers(
    shards: Path, spaces: Sequence[SpaceSpec], encoder: StateEncoder, pairs: PairTable, tokens: int
) -> dict[str, Floats]:
    """The mean state of each space over a sample that is spread over the corpus; kept beside the shards."""
    paths = {space.name: shards / f"center.{space.name}.npy" for space in spaces}
    if not all(path.is_file() for path in paths.values()):
        sample = sample_rows(len(pairs), _CENTER_SENTENCES).tolist()
        tokenizer = PairTokenizer.of(encoder.model)
        texts = {sentence: tokenizer.read(pairs[sentence]) for sentence in sample}
        for name, center in fit_centers(spaces, _encode(encoder, texts, tokens)).items():
            partial = paths[name].with_suffix(".tmp")
            write_array(partial, center)
            partial.replace(paths[name])
    return {space.name: np.array(map_array(paths[space.name], np.float32, (space.size,))) for space in spaces}


def _encode_shards(
    shards: Path,
    plan: BatchPlan,
    spaces: Sequence[SpaceSpec],
    centers: Mapping[str, Floats],
    encoder: StateEncoder,
    pairs: PairTable,
    progress: Progress,
) -> None:
    done = set(shard_numbers(shards))
    tokenizer = PairTokenizer.of(encoder.model)
    with progress.track("encode", len(pairs), "sentences") as advance:
        for shard in plan.shard_numbers():
            if shard in done:
                advance(sum(len(batch) for batch in plan.batches(shard)))
                continue
            encoded: list[SentenceStates] = []
            for batch in plan.batches(shard):
                encoded += _encode_batch(encoder, {sentence: tokenizer.read(pairs[sentence]) for sentence in batch})
                advance(len(batch))
            write_shard(shards, shard, spaces, centers, sorted(encoded, key=lambda sentence: sentence.sentence))


def _encode(encoder: StateEncoder, texts: Mapping[int, PairTokens], tokens: int) -> Iterator[SentenceStates]:
    """Encode sentences in batches of like length and give them in order of their ids."""
    ids = sorted(texts)
    lengths = np.array([(len(texts[s].source_ids), len(texts[s].target_ids)) for s in ids], np.int64).reshape(-1, 2)
    plan = plan_batches(lengths, max(1, len(ids)), tokens)
    encoded: list[SentenceStates] = []
    for batch in plan.batches(0) if ids else ():
        encoded += _encode_batch(encoder, {ids[place]: texts[ids[place]] for place in batch})
    return iter(sorted(encoded, key=lambda sentence: sentence.sentence))


def _encode_batch(encoder: StateEncoder, texts: Mapping[int, PairTokens]) -> list[SentenceStates]:
    sources = [tokens.source_ids for tokens in texts.values()]
    targets = [tokens.target_ids for tokens in texts.values()]
    found = encoder.encode(sources, targets)
    return [
        SentenceStates(sentence, source, target, states)
        for sentence, source, target, states in zip(texts, sources, targets, found, strict=True)
    ]


def _write_held_out(
    build: StoreBuild, encoder: StateEncoder, folder: Path
) -> Iterator[tuple[SpaceSpec, Sequence[str]]]:
    """Write the query vectors of each space; give the source text of each vector."""
    texts, sources = _tokenize_held_out(build, encoder)
    encoded = list(_encode(encoder, texts, build.batch_tokens))
    for space in build.chosen_spaces(encoder.model.manifest):
        center = map_array(layout.space_folder(build.staged, space.name) / layout.CENTER, np.float32, (space.size,))
        rows = [np.empty((0, space.size), np.float32), *(sentence.states[space.name] for sentence in encoded)]
        owners = [sources[s.sentence] for s in encoded for _ in range(len(s.states[space.name]))]
        states = np.concatenate(rows)
        chosen = sample_rows(len(states), HELD_OUT_STATES) if len(states) else np.empty(0, np.int64)
        write_array(folder / f"{space.name}.npy", normalize_states(states[chosen], center))
        yield space, [owners[row] for row in chosen]


def _tokenize_held_out(build: StoreBuild, encoder: StateEncoder) -> tuple[dict[int, PairTokens], dict[int, str]]:
    """The sample of held-out pairs without those that the model cannot read: tokens and source text by number."""
    tokenizer = PairTokenizer.of(encoder.model)
    texts: dict[int, PairTokens] = {}
    sources: dict[int, str] = {}
    for number, pair in enumerate(held_out_pairs(build)):
        try:
            texts[number] = tokenizer.read(pair)
        except RequestError:
            continue
        sources[number] = pair.source
    return texts, sources
