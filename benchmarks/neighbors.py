"""Finding neighbors through the store's index against exact search, space by space."""

from __future__ import annotations

import numpy as np

from benchmarks.dates import Dates
from benchmarks.encode import make_batches
from benchmarks.measure import compare, one_thread
from benchmarks.report import Figure, Report
from exported_models.scoring import force_batch
from exported_models.trace import Floats
from pipeline.batches import choose_batch_tokens
from state_store import layout
from state_store.index import RECALL_COUNT, ExactIndex, measure_recall
from state_store.scann_index import load_index
from state_store.spaces import sample_rows
from state_store.store import StateStore

TIMED_STATES = 200
RECALL_STATES = 1_000


def run(dates: Dates) -> Report:
    """Time one query at a time, and measure recall over many, with states of sentences that are not in the store."""
    encoded = [
        sentence
        for batch in make_batches(dates.model, dates.pairs("test")[:RECALL_STATES], choose_batch_tokens())
        for sentence in force_batch(dates.model, batch.sources, batch.targets)
    ]
    with one_thread():
        rows = [
            _measure(dates.store, name, np.concatenate([sentence.states[name] for sentence in encoded]))
            for name in dates.store.manifest.space_names
        ]
    return Report(
        f"Find the {RECALL_COUNT} nearest states, against exact search",
        rows,
        f"One state at a time, {TIMED_STATES} of them, from the test set; recall over {RECALL_STATES:,}.",
    )


def _measure(store: StateStore, name: str, states: Floats) -> dict[str, Figure]:
    opened = store.space(name)
    folder = layout.space_folder(store.folder, name) / layout.INDEX_FOLDER
    index, exact = load_index(folder, opened.space.vectors, opened.entry.index), ExactIndex(opened.space.vectors)
    queries = opened.space.normalize(states[sample_rows(len(states), RECALL_STATES)])
    found = compare(
        [queries[row : row + 1] for row in sample_rows(len(queries), TIMED_STATES)],
        lambda query: index.search(query, RECALL_COUNT),
        lambda query: exact.search(query, RECALL_COUNT),
    )
    return {
        "space": name,
        "states": opened.entry.rows,
        "index": opened.entry.index.kind,
        **found.figures("exact"),
        "recall@10": round(measure_recall(index, exact, queries), 4),
    }
