"""Indexing: every space of the encoded corpus gets a neighbor index, and percentiles to judge distances by."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from exported_models.contract.manifest import SpaceSpec
from pipeline.store.held_out import HeldOut
from state_store import layout
from state_store.calibration import calibrate, write_calibration
from state_store.manifest import IndexEntry
from state_store.neighbors import NeighborSearch
from state_store.pairs import PairTable
from state_store.scann_index import build_index, load_index
from state_store.spaces import Space, sample_rows

RECALL_QUERIES = 500


@dataclass(frozen=True, slots=True)
class EncodedSpace:
    """One encoded space in a store's folder: its rows, and the sentences of the store."""

    store: Path
    spec: SpaceSpec
    rows: int
    sentences: int

    @property
    def folder(self) -> Path:
        return layout.space_folder(self.store, self.spec.name)

    def open(self) -> Space:
        """The rows, as memory maps.

        Raises:
            StoreError: a file is missing or damaged.
        """
        spec = self.spec
        return Space(self.folder, spec.name, size=spec.size, rows=self.rows, sentences=self.sentences)


@dataclass(frozen=True, slots=True)
class Calibrated:
    """The number of held-out states that a space was calibrated with."""

    states: int


def index_space(space: EncodedSpace, held_out: HeldOut) -> tuple[IndexEntry, list[Path]]:
    """Build the index of a space and measure its recall; return its description and its files."""
    folder = space.folder / layout.INDEX_FOLDER
    queries = held_out.queries[space.spec.name]
    chosen = queries[sample_rows(len(queries), RECALL_QUERIES)] if len(queries) else queries
    entry = build_index(folder, space.open().vectors, chosen)
    return entry, [path for path in folder.rglob("*") if path.is_file()]


def calibrate_space(space: EncodedSpace, entry: IndexEntry, held_out: HeldOut) -> tuple[Calibrated, list[Path]]:
    """Measure how far held-out states are from a space; return how many were measured, and the file."""
    opened, name = space.open(), space.spec.name
    search = NeighborSearch(opened, load_index(space.folder / layout.INDEX_FOLDER, opened.vectors, entry))
    pairs = PairTable(space.store, space.sentences)
    write_calibration(space.folder, calibrate(search, pairs, held_out.queries[name], held_out.sources[name]))
    return Calibrated(len(held_out.queries[name])), [space.folder / layout.CALIBRATION]
