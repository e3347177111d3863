"""Approximate search with ScaNN (Guo et al. 2020), where it is installed and the space is large enough.

The index is a tree of partitions whose rows are compared on one byte a dimension. ScaNN's other way to compare,
hashing, is smaller, but states of a trained model lie in clusters that are too dense for hashes. Over the decoder
states of 330,000 characters hashing found 88 % of the ten nearest rows among 640 candidates; one byte a dimension found
99.9 % among 20.

ScaNN proposes candidates; their true distances are measured on the stored vectors, which stay a memory map. Rows are
their own ids: ScaNN pickles any other ids, and no pickle is read.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import math
import mmap
import re
import shutil
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from exported_models.contract.arrays import Floats
from exported_models.contract.publishing import explain_disk_errors
from state_store import layout
from state_store.arrays import map_array
from state_store.distances import NO_ROW, rescore
from state_store.errors import StateError, StoreError
from state_store.index import RECALL_COUNT, ExactIndex, NeighborIndex, measure_recall
from state_store.manifest import IndexEntry
from state_store.spaces import Rows

IndexKind = Literal["exact", "tree"]

# Above the promised 0.99, as states other than the measured ones must reach that too.
RECALL_WANTED = 0.995
# ScaNN's own advice: below this size, comparing with every row is as quick.
TREE_FROM_ROWS = 20_000
# More training rows hardly improve the partitions, and training takes most of the time of a build.
_TRAINING_ROWS_PER_LEAF = 64
# (candidates for each row wanted, share of the leaves searched), cheapest first.
_LADDER = ((2, 0.02), (4, 0.02), (4, 0.05), (4, 0.1), (8, 0.2), (16, 0.4), (16, 1.0))
_TREE_IN_MEMORY_FROM_ROWS = 2000
_LEAF_SHARE_IN_MEMORY = 0.1
_CANDIDATES_IN_MEMORY = 2
_PICKLED_IDS = "scann_docids.pkl"
_ASSETS = "scann_assets.pbtxt"
_SET_LOG_LEVEL = re.compile(rb"_ZN4absl(\d+lts_\d+)?14SetMinLogLevelENS0?_18LogSeverityAtLeastE")
"""``absl::SetMinLogLevel``, whose namespace names the release of Abseil."""
_ERRORS = 2
"""``absl::LogSeverityAtLeast::kError``."""


def scann_is_installed() -> bool:
    """Whether ScaNN is installed; it has wheels for some platforms only."""
    return importlib.util.find_spec("scann") is not None


def choose_index_kind(rows: int) -> IndexKind:
    """Choose the index for a space of that many rows on this machine."""
    return "tree" if rows >= TREE_FROM_ROWS and scann_is_installed() else "exact"


class ScannIndex:
    """Candidates from ScaNN, true distances from the stored vectors."""

    def __init__(self, searcher: Any, vectors: NDArray[np.float16], *, leaves_searched: int, candidates: int) -> None:
        self._searcher = searcher
        self._vectors = vectors
        self._leaves_searched = leaves_searched
        self._candidates = candidates

    def search(self, queries: Floats, count: int) -> tuple[Rows, Floats]:
        # ScaNN ends the process over numbers that are not finite.
        if not np.isfinite(queries).all():
            raise StateError("A state to search for is not made of finite numbers.")
        proposed = min(len(self._vectors), max(count, RECALL_COUNT) * self._candidates)
        rows, distances = self._searcher.search_batched(
            np.ascontiguousarray(queries, np.float32),
            final_num_neighbors=proposed,
            leaves_to_search=self._leaves_searched,
        )
        # Where ScaNN finds too few rows, it adds row 0 at distance NaN, or rows that do not exist.
        found = np.isfinite(distances) & (rows < len(self._vectors))
        candidates = np.where(found, rows.astype(np.int64), NO_ROW)
        return rescore(self._vectors, queries, candidates, count)


def build_index(
    folder: Path, vectors: NDArray[np.float16], queries: Floats, *, kind: IndexKind | None = None
) -> IndexEntry:
    """Build the index of a space and measure its recall.

    Equal vectors give equal files. The search settings are raised until recall@10 reaches `RECALL_WANTED`; where no
    setting reaches it, the space is searched exactly.

    Args:
        folder: folder of the index, replaced; exact search has none.
        vectors: [rows, size] finite float16.
        queries: [queries, size] float32 unit vectors of held-out states, for measuring the recall.
        kind: None for the choice by number of rows.

    Raises:
        StateError: a vector is not finite. PublishingError: the disk is full or not writable.
    """
    kind = kind or choose_index_kind(len(vectors))
    shutil.rmtree(folder, ignore_errors=True)
    if kind == "exact":
        return _exact_entry(len(queries))
    searcher = _train(vectors)
    entry = _tune(searcher, vectors, queries)
    if entry.kind != "exact":
        with explain_disk_errors(folder):
            folder.mkdir(parents=True)
            searcher.serialize(str(folder), relative_path=True)
    return entry


def load_index(folder: Path, vectors: NDArray[np.float16], entry: IndexEntry) -> NeighborIndex:
    """Open the index of a space as its manifest entry describes it; exact search where ScaNN is not installed.

    Raises:
        StoreError: its files are missing or damaged.
    """
    if entry.kind == "exact" or not scann_is_installed():
        return ExactIndex(vectors)
    if not (folder / _ASSETS).is_file():
        raise StoreError(f"The index {folder} is missing from the state store; build the store again.")
    _check_assets(folder)
    rows = len(map_array(folder / layout.INDEX_DATA, np.int8, (None, None)))
    if rows != len(vectors):
        raise StoreError(
            f"The index {folder} holds {rows} rows where the space has {len(vectors)}; build the store again."
        )
    if (folder / _PICKLED_IDS).exists():
        raise StoreError(f"The index {folder} holds pickled data, which is never read; build the store again.")
    try:
        searcher = _open_scann().load_searcher(str(folder), assets_backcompat_shim=False)
    except Exception as error:  # ScaNN and protobuf raise types of their own over a damaged file
        raise StoreError(f"The index {folder} cannot be opened ({error}); build the store again.") from error
    return ScannIndex(searcher, vectors, leaves_searched=entry.leaves_searched, candidates=entry.candidates)


def _check_assets(folder: Path) -> None:
    """Refuse an index whose list of files names one that is not in its own folder."""
    listing = (folder / _ASSETS).read_text(encoding="utf-8", errors="replace")
    for name in re.findall(r'asset_path: *"(.*)"', listing):
        if name != Path(name).name or not (folder / name).is_file():
            raise StoreError(
                f"The index {folder} names a file {name[:80]!r} that is not in its folder; build the store again."
            )


def index_in_memory(vectors: NDArray[np.float16]) -> NeighborIndex:
    """Make a quick index for a build's own use, neither measured nor stored."""
    if len(vectors) < _TREE_IN_MEMORY_FROM_ROWS or not scann_is_installed():
        return ExactIndex(vectors)
    searched = math.ceil(_count_leaves(vectors) * _LEAF_SHARE_IN_MEMORY)
    return ScannIndex(_train(vectors), vectors, leaves_searched=searched, candidates=_CANDIDATES_IN_MEMORY)


def _count_leaves(vectors: NDArray[np.float16]) -> int:
    return math.isqrt(len(vectors))


def _train(vectors: NDArray[np.float16]) -> Any:
    scann = _open_scann()
    from scann.scann_ops.py.scann_builder import ReorderType

    data = np.asarray(vectors, np.float32)
    if not np.isfinite(data).all():
        raise StateError("The vectors to index are not all finite numbers; encode the corpus again.")
    leaves = _count_leaves(vectors)
    # One thread and no random start, so that two builds of the same vectors are equal.
    builder = (
        scann.builder(data, RECALL_COUNT, "squared_l2")
        .set_n_training_threads(1)
        .tree(
            leaves,
            leaves,
            training_sample_size=min(len(data), leaves * _TRAINING_ROWS_PER_LEAF),
            random_init=False,
        )
        .score_brute_force(ReorderType.INT8)
    )
    return builder.build()


def _tune(searcher: Any, vectors: NDArray[np.float16], queries: Floats) -> IndexEntry:
    """Find the cheapest settings that reach the wanted recall."""
    exact = _Remembered(ExactIndex(vectors), queries)
    leaves = _count_leaves(vectors)
    for candidates, share in _LADDER:
        searched = math.ceil(leaves * share)
        index = ScannIndex(searcher, vectors, leaves_searched=searched, candidates=candidates)
        recall = measure_recall(index, exact, queries)
        if recall >= RECALL_WANTED:
            return IndexEntry(
                kind="tree",
                leaves=leaves,
                leaves_searched=searched,
                candidates=candidates,
                recall_at_10=round(recall, 4),
                recall_queries=len(queries),
            )
    return _exact_entry(len(queries))


class _Remembered:
    """Exact answers to one set of queries, computed once for all settings that are tried."""

    def __init__(self, index: NeighborIndex, queries: Floats) -> None:
        self._answer = index.search(queries, RECALL_COUNT)

    def search(self, queries: Floats, count: int) -> tuple[Rows, Floats]:  # noqa: ARG002
        return self._answer


def _exact_entry(queries: int) -> IndexEntry:
    return IndexEntry(kind="exact", recall_at_10=1.0, recall_queries=queries)


@functools.cache
def _open_scann() -> Any:
    """ScaNN's module, told to log errors alone.

    ScaNN logs its progress to file descriptor 2 and has no switch. The descriptor belongs to the whole process, so it
    is left as it is. ScaNN logs through Abseil, which reads no environment variable: the library's own copy of Abseil
    has the level. Where that function cannot be found, ScaNN stays as talkative as it is.
    """
    from scann.scann_ops.py import scann_ops_pybind

    library = scann_ops_pybind.scann_pybind.__file__
    with Path(library).open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        symbol = _SET_LOG_LEVEL.search(content)
        name = symbol.group().decode() if symbol else ""
    set_log_level = getattr(ctypes.CDLL(library), name, None) if name else None
    if set_log_level is not None:
        set_log_level(ctypes.c_int(_ERRORS))
    return scann_ops_pybind
