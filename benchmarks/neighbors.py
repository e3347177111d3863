"""Finding neighbors through the store's index against exact search, space by space."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.dates import Dates
from benchmarks.encode import make_batches
from benchmarks.measure import compare, median_ms, one_thread, time_once
from benchmarks.report import Figure, Report
from exported_models.contract.arrays import Floats
from exported_models.search.scoring import force_batch
from pipeline.store.batches import choose_batch_tokens
from state_store import layout
from state_store.index import RECALL_COUNT, ExactIndex, measure_recall
from state_store.scann_index import load_index
from state_store.spaces import sample_rows
from state_store.store import StateStore

TIMED_STATES = 200
RECALL_STATES = 1_000
ENCODED_SENTENCES = 1_000
SHOWN_SENTENCES = 20
SHOWN_NEIGHBORS = 20
"""As many as the page asks for."""


def run(dates: Dates) -> Report:
    """Time one query at a time, and measure recall over many, with states of sentences that are not in the store."""
    encoded = [
        sentence
        for batch in make_batches(dates.model, dates.pairs("test")[:ENCODED_SENTENCES], choose_batch_tokens())
        for sentence in force_batch(dates.model, batch.sources, batch.targets)
    ]
    with one_thread():
        rows = [
            _measure(dates.store, name, [sentence.states[name] for sentence in encoded])
            for name in dates.store.manifest.space_names
        ]
    return Report(
        f"Find the {RECALL_COUNT} nearest states, against exact search",
        rows,
        f"One state at a time, {TIMED_STATES} of them, from the test set; recall over {RECALL_STATES:,}. "
        f"A sentence: {SHOWN_NEIGHBORS} neighbors of each of its states, equal contexts folded.",
    )


def _measure(store: StateStore, name: str, encoded: Sequence[Floats]) -> dict[str, Figure]:
    opened = store.space(name)
    folder = layout.space_folder(store.folder, name) / layout.INDEX_FOLDER
    index, exact = load_index(folder, opened.space.vectors, opened.entry.index), ExactIndex(opened.space.vectors)
    states = np.concatenate(encoded)
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
        "a sentence, ms": _time_sentences(store, name, encoded),
    }


def _time_sentences(store: StateStore, name: str, encoded: Sequence[Floats]) -> float:
    """Median milliseconds in which all states of a sentence get their neighbors."""
    timings = [
        time_once(lambda states: store.neighbors(name, states, k=SHOWN_NEIGHBORS, exclude_source=None), states)
        for states in (encoded[number] for number in sample_rows(len(encoded), SHOWN_SENTENCES + 1))
    ]
    # The first query makes everything that is made on first use.
    return median_ms(timings[1:])
