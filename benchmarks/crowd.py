"""Waiting times of a crowd: analysts who translate, look at neighbors and maps, and think in between.

python -m benchmarks crowd                                     the dates model
python -m benchmarks.crowd --workspace FOLDER --model NAME     a model of a built workspace
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import urlsplit

import numpy as np

from benchmarks.measure import describe_machine, shorten
from benchmarks.report import Figure, Report
from exported_models.contract.workspace import Workspace
from exported_models.runtime.model import ExportedModel
from scripts.running_workbench import running_workbench
from state_store.store import StateStore

if TYPE_CHECKING:
    from benchmarks.dates import Dates

GOALS: Final[Mapping[str, float]] = {"translate": 1.0, "neighbors": 1.5, "project": 3.0}
"""Calls in the order in which an analyst makes them, and the seconds within which 95 of 100 are to be answered."""
SOURCES: Final = 2_000
TIMEOUT: Final = 120


@dataclass(frozen=True, slots=True)
class Crowd:
    """Analysts at work for some seconds, each thinking up to ``think`` seconds between two calls."""

    analysts: int = 50
    seconds: float = 60.0
    think: float = 2.0


@dataclass(frozen=True, slots=True)
class Question:
    """A call of a kind in `GOALS`."""

    kind: str
    source: str


Listener: TypeAlias = Callable[[Question, bytes], None]
"""Told of every answer with status 200, by many threads."""


def _ignore(_question: Question, _body: bytes) -> None:
    pass


@dataclass(slots=True)
class Heard:
    """Answers to one kind of call: seconds of those that were given, and how many calls were refused or failed."""

    seconds: list[float] = field(default_factory=list)
    refused: int = 0
    failed: int = 0

    def note(self, status: int, seconds: float) -> None:
        """Add an answer."""
        if status == http.HTTPStatus.OK:
            self.seconds.append(seconds)
        elif status == http.HTTPStatus.SERVICE_UNAVAILABLE:
            self.refused += 1
        else:
            self.failed += 1


def run(dates: Dates) -> Report:
    """Measure the dates model."""
    return measure(dates.store, dates.model, dates.workspace.root, Crowd())


def measure(store: StateStore, model: ExportedModel, workspace: Path, crowd: Crowd) -> Report:
    """Start a workbench, let the crowd at it, and report what was answered and when."""
    chosen = random.Random(7).sample(range(store.manifest.corpus.pairs), SOURCES)
    sources = [store.pair(number).source for number in chosen]
    with running_workbench("serve", workspace) as address:
        ask_once(address, model.manifest.model_id, sources[0])
        heard = let_in(address, model.manifest.model_id, sources, crowd)
    return Report(
        f"{crowd.analysts} analysts of {model.manifest.model_id} for {crowd.seconds:g} s, "
        f"who think 0 to {crowd.think:g} s between two calls",
        [_describe(kind, one) for kind, one in heard.items()],
        "Seconds from the call to the last byte of its answer, client and server on the same machine.",
    )


def let_in(
    address: str, model_id: str, sources: Sequence[str], crowd: Crowd, listener: Listener = _ignore
) -> dict[str, Heard]:
    """Answers by kind of call; every analyst has a connection and sources of their own."""
    heard = {kind: Heard() for kind in GOALS}
    end = time.monotonic() + crowd.seconds
    threads = [
        threading.Thread(
            target=_work, args=(address, model_id, sources, random.Random(number), crowd, end, heard, listener)
        )
        for number in range(crowd.analysts)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return heard


def ask_once(address: str, model_id: str, source: str) -> None:
    """One call of each kind, so that whatever is made on first use is made."""
    with connect(address) as connection:
        for kind in GOALS:
            ask(connection, model_id, Question(kind, source))


def _work(
    address: str,
    model_id: str,
    sources: Sequence[str],
    chance: random.Random,
    crowd: Crowd,
    end: float,
    heard: Mapping[str, Heard],
    listener: Listener,
) -> None:
    time.sleep(chance.uniform(0, crowd.think))
    with connect(address) as connection:
        while True:
            source = chance.choice(sources)
            for kind in GOALS:
                if time.monotonic() >= end:
                    return
                begun = time.perf_counter()
                status = ask(connection, model_id, Question(kind, source), listener)
                heard[kind].note(status, time.perf_counter() - begun)
                time.sleep(chance.uniform(0, crowd.think))


def ask(connection: http.client.HTTPConnection, model_id: str, question: Question, listener: Listener = _ignore) -> int:
    """The status of one call."""
    request = {"model_id": model_id, "source": question.source}
    asked = {
        "translate": request,
        "neighbors": {"request": request, "space": "decoder", "step": 0},
        "project": {"request": request, "space": "decoder"},
    }
    body, kind = json.dumps(asked[question.kind]), {"Content-Type": "application/json"}
    connection.request("POST", f"/api/v1/{question.kind}", body, kind)
    reply = connection.getresponse()
    answer = reply.read()
    if reply.status == http.HTTPStatus.OK:
        listener(question, answer)
    return reply.status


def connect(address: str) -> closing[http.client.HTTPConnection]:
    """A connection to a workbench, closed at the end of the block."""
    place = urlsplit(address)
    return closing(http.client.HTTPConnection(place.hostname or "", place.port, timeout=TIMEOUT))


def find_late(seconds: Sequence[float]) -> float:
    """Seconds within which 95 of 100 answers came; infinity where none came."""
    return float(np.percentile(seconds, 95)) if seconds else float("inf")


def _describe(kind: str, heard: Heard) -> dict[str, Figure]:
    median, late = np.median(heard.seconds or [float("inf")]), find_late(heard.seconds)
    met = "met" if late <= GOALS[kind] else "missed"
    return {
        "call": kind,
        "answered": len(heard.seconds),
        "503": heard.refused,
        "failed": heard.failed,
        "median s": shorten(median),
        "p95 s": shorten(late),
        "longest s": shorten(max(heard.seconds, default=float("inf"))),
        "goal for p95": f"<= {GOALS[kind]:g} {met}",
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure a model of a workspace."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crowd", description="Let a crowd at a workbench.")
    parser.add_argument("--workspace", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--model", required=True, metavar="NAME", help="a model with a store")
    parser.add_argument("--analysts", type=int, default=Crowd().analysts, metavar="N")
    parser.add_argument("--seconds", type=float, default=Crowd().seconds, metavar="S")
    options = parser.parse_args(arguments)
    workspace = Workspace(options.workspace)
    model = ExportedModel.open(workspace.model_folder(options.model))
    store = StateStore.open(workspace.store_folder(options.model), model)
    report = measure(store, model, options.workspace, Crowd(options.analysts, options.seconds))
    print(f"{report.to_text()}\n[{describe_machine()}]")
    return 0


if __name__ == "__main__":
    sys.exit(main())
