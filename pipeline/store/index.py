"""Indexing: every space of the encoded corpus gets its neighbor index and the distances to judge by."""

from __future__ import annotations

from exported_models.contract.manifest import SpaceSpec
from exported_models.contract.publishing import digest_value
from pipeline.build.planned_store import StoreBuild
from pipeline.store.encode import HeldOut
from state_store import layout
from state_store.calibration import calibrate, write_calibration
from state_store.manifest import IndexEntry
from state_store.neighbors import NeighborSearch
from state_store.pairs import PairTable
from state_store.scann_index import build_index, choose_index_kind, load_index
from state_store.spaces import Space, sample_rows

RECALL_QUERIES = 500


def index_space(
    build: StoreBuild, space: SpaceSpec, rows: int, held_out: HeldOut, inputs: str
) -> tuple[IndexEntry, bool]:
    """Build and measure the index of one space; return its description and whether it was there already.

    Args:
        rows: rows of the space.
        inputs: fingerprint of the rows and of the held-out states.
    """
    step = f"index {space.name}"
    # Where ScaNN is installed another index is built than where it is not.
    fingerprint = digest_value([step, inputs, choose_index_kind(rows), RECALL_QUERIES])
    known = build.ledger.recall(step, fingerprint)
    if known is not None:
        return IndexEntry.model_validate(known), True
    folder = layout.space_folder(build.staged, space.name) / layout.INDEX_FOLDER
    queries = held_out.queries[space.name]
    chosen = queries[sample_rows(len(queries), RECALL_QUERIES)] if len(queries) else queries
    entry = build_index(folder, _open(build, space, rows).vectors, chosen)
    files = [path for path in folder.rglob("*") if path.is_file()]
    build.ledger.record(step, fingerprint, files, entry.model_dump(mode="json"))
    return entry, False


def calibrate_space(
    build: StoreBuild, space: SpaceSpec, rows: int, entry: IndexEntry, held_out: HeldOut, inputs: str
) -> int:
    """Measure how far held-out states are from the space, and return how many were measured."""
    step = f"calibrate {space.name}"
    fingerprint = digest_value([step, inputs, entry.model_dump(mode="json")])
    known = build.ledger.recall(step, fingerprint)
    if known is not None:
        return int(known["states"])
    folder = layout.space_folder(build.staged, space.name)
    opened = _open(build, space, rows)
    search = NeighborSearch(opened, load_index(folder / layout.INDEX_FOLDER, opened.vectors, entry))
    queries = held_out.queries[space.name]
    write_calibration(folder, calibrate(search, _pairs(build), queries, held_out.sources[space.name]))
    build.ledger.record(step, fingerprint, [folder / layout.CALIBRATION], {"states": len(queries)})
    return len(queries)


def _open(build: StoreBuild, space: SpaceSpec, rows: int) -> Space:
    folder = layout.space_folder(build.staged, space.name)
    return Space(folder, space.name, size=space.size, rows=rows, sentences=_sentences(build))


def _pairs(build: StoreBuild) -> PairTable:
    return PairTable(build.staged, _sentences(build))


def _sentences(build: StoreBuild) -> int:
    return int(build.planned["pairs"])
