"""Steps over states: encoding the pairs, indexing the spaces, drawing their maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from exported_models.contract.publishing import digest_value
from pipeline.build.build_run import BuildRun
from pipeline.build.pair_steps import PlannedPairs
from pipeline.build.planned_store import PlannedStore
from pipeline.export.planned import FinishedModel
from pipeline.store import encode
from pipeline.store.blocks import Block, list_digests
from pipeline.store.encode import EncodedCorpus, EncodeWork, StateSettings
from pipeline.store.held_out import (
    HELD_OUT_STATES,
    HeldOut,
    HeldOutPairs,
    HeldOutStates,
    read_held_out,
    write_held_out,
)
from pipeline.store.index import RECALL_QUERIES, Calibrated, EncodedSpace, calibrate_space, index_space
from pipeline.store.maps import DrawnMap, UmapSettings, draw_map
from pipeline.work.ledger import Done
from state_store.manifest import IndexEntry
from state_store.scann_index import choose_index_kind


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


def encode_pairs(run: BuildRun, model: FinishedModel, pairs: PlannedPairs) -> Done[EncodedPairs]:
    """6. Encode the blocks of the corpus, and the held-out pairs, and merge them into a store."""
    folder, ledger = run.store.folder, run.store.ledger
    settings = run.store.state_settings(model)
    inputs = settings.rows_fingerprint(pairs.store.blocks)
    held_out_inputs = digest_value(["held out", inputs, list_digests(pairs.held_out.blocks), HELD_OUT_STATES])
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
            draw = partial(draw_map, store.folder.staged, spec, kind, umap)
            done.append(store.ledger.run_once(name, digest_value([name, encoded.inputs, settings]), DrawnMap, draw))
            advance(1)
    return Done([map_.result for map_ in done], cached=all(map_.cached for map_ in done))


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
    # The kind depends on whether ScaNN is installed.
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
