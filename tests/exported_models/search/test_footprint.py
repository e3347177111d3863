"""Memory of searches: estimated before, counted after, and given back."""

from __future__ import annotations

import subprocess
import sys
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from exported_models import engine as engine_module
from exported_models.completion import complete_request, search_settings
from exported_models.contract.errors import RequestError
from exported_models.contract.request import Request
from exported_models.contract.trace import Trace
from exported_models.contract.workspace import Workspace
from exported_models.engine import Engine
from exported_models.runtime.model import ExportedModel
from exported_models.search.footprint import count_buffers, count_trace, estimate_bytes
from exported_models.search.search import search

WIDE = Request(
    "dates",
    "Wednesday, September 30, 1999",
    beam_size=40,
    top_k=80,
    max_length=60,
    early_stopping="never",
    length_penalty=10.0,
)


def test_views_of_one_buffer_count_once_and_whole() -> None:
    whole = np.zeros((100, 10), np.float32)

    assert count_buffers([whole[3], whole[4:6], whole]) == whole.nbytes
    assert count_buffers([whole[3], np.zeros(5, np.int64)]) == whole.nbytes + 40


def test_a_trace_counts_what_it_holds(dates_workspace: Workspace) -> None:
    engine = Engine(dates_workspace, threads=1)
    engine.translate(replace(WIDE, beam_size=2))
    tracemalloc.start()
    try:
        trace = engine.translate(WIDE)
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()

    assert len(trace.steps) == WIDE.max_length
    arrays: list[NDArray[np.generic]] = []
    for step in trace.steps:
        arrays += [step.top_ids, step.top_log_probs, *step.states.values()]
    # Buffers that ONNX Runtime made are not traced; the objects of the recording are.
    objects = count_trace(trace) - count_buffers(arrays)
    assert objects > held / 2
    assert count_trace(trace) > sum(array.nbytes for array in arrays)


def test_an_estimate_covers_a_search_that_goes_on_to_the_maximum_length(
    dates_model: ExportedModel, dates_workspace: Workspace
) -> None:
    trace = Engine(dates_workspace, threads=1).translate(WIDE)
    settings = search_settings(complete_request(WIDE, dates_model), dates_model)

    estimate = estimate_bytes(dates_model.manifest, settings, len(trace.source))

    assert count_trace(trace) <= estimate <= 2 * count_trace(trace)


def test_a_request_beyond_the_budget_is_refused_with_its_numbers(dates_workspace: Workspace) -> None:
    engine = Engine(dates_workspace, threads=1, request_bytes=2_000_000)

    with pytest.raises(RequestError) as caught:
        engine.translate(WIDE)

    assert caught.value.field == "beam_size"
    assert "(beam of 40, up to 60 steps, 30 source tokens), and this server allows 2.0 MB" in str(caught.value)
    assert len(str(caught.value)) < 300
    assert engine.translate(replace(WIDE, beam_size=2, top_k=5, max_length=30)).best.text


def test_large_requests_are_searched_one_at_a_time(dates_workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    running, most = 0, 0
    lock = threading.Lock()

    def count(*arguments: Any) -> Trace:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        try:
            return search(*arguments)
        finally:
            with lock:
                running -= 1

    monkeypatch.setattr(engine_module, "search", count)
    engine = Engine(dates_workspace, threads=1, cache_bytes=1)
    requests = [replace(WIDE, source=f"March {number + 1}, 1999", beam_size=10) for number in range(6)]

    with ThreadPoolExecutor(6) as threads:
        texts = [trace.best.text for trace in threads.map(engine.translate, requests)]
        assert most > 1
        most = 0
        monkeypatch.setattr(engine_module, "LARGE_REQUEST_BYTES", 1)
        assert [trace.best.text for trace in threads.map(engine.translate, requests)] == texts
    assert most == 1


MEASURE = """
import sys
from dataclasses import replace
from pathlib import Path
from exported_models.contract.workspace import Workspace
from exported_models.engine import Engine
from tests.exported_models.search.test_footprint import WIDE

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

engine = Engine(Workspace(Path(sys.argv[1])), threads=1, cache_bytes=1)
def ask_small(month):
    for number in range(8):
        engine.translate(replace(WIDE, source=f"{month} {number + 1}, 1999", beam_size=5, top_k=5, max_length=30))

ask_small("April")
before = resident()
for number in range(2):
    engine.translate(replace(WIDE, source=f"March {number + 1}, 1999", beam_size=100, top_k=100, max_length=200))
most = resident()
ask_small("May")
print(before, most, resident())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_of_large_requests_is_given_back(dates_workspace: Workspace) -> None:
    command = [sys.executable, "-c", MEASURE, str(dates_workspace.root)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    before, most, after = map(int, done.stdout.split())

    assert most > before + (40 << 20)
    assert after < 1.1 * before + (20 << 20)
