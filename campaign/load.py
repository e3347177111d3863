"""Load: analysts at work, hundreds of connections, builds that are swapped meanwhile, and hours of requests."""

from __future__ import annotations

import contextlib
import itertools
import json
import random
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from benchmarks.crowd import GOALS, Crowd, Question, ask, ask_once, connect, find_late, let_in
from campaign.outcome import Outcome, Setting
from exported_models.contract.publishing import publish, read_manifest
from exported_models.contract.workspace import Workspace
from scripts.running_workbench import running_workbench

_MODEL = "dates"
_SOURCES = [f"{day}/{month}/19{year}" for year in range(50, 99, 7) for month in range(1, 13) for day in (3, 14, 27)]
_FLAT = 1.05
_PROBE_SECONDS = 0.1
_SWAP_SECONDS = 1.0
_PROBE = """
import http.client, select, sys, time
while not select.select([sys.stdin], [], [], 0.05)[0]:
    begun = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=60)
    connection.request("GET", "/healthz")
    connection.getresponse().read()
    connection.close()
    print(time.perf_counter() - begun)
"""


def let_analysts_in(setting: Setting) -> Outcome:
    """Analysts who translate, look at neighbors and maps, and think in between."""
    outcome, answers = Outcome(), Answers()
    with running_workbench("serve", setting.workspace.root) as address:
        ask_once(address, _MODEL, _SOURCES[0])
        heard = let_in(address, _MODEL, _SOURCES, Crowd(setting.cases, setting.seconds), answers.hear)
    answers.report(outcome)
    for kind, one in heard.items():
        late = find_late(one.seconds)
        outcome.counts.update({"answered": len(one.seconds), "busy": one.refused, "failed": one.failed})
        outcome.figures[f"{kind} p95, s"] = round(late, 3)
        if one.failed or late > GOALS[kind]:
            outcome.broken.append(f"{kind}: p95 {late:.2f} s of {GOALS[kind]:g}, {one.failed} failed")
    return outcome


def hold_connections(setting: Setting) -> Outcome:
    """Connections that ask nothing, and others that ask for maps at once, while the probe is asked."""
    outcome, statuses, answers = Outcome(), list[int](), Answers()
    with running_workbench("serve", setting.workspace.root) as address, contextlib.ExitStack() as held:
        ask_once(address, _MODEL, _SOURCES[0])
        place = urlsplit(address)
        for _ in range(setting.cases // 2):
            held.enter_context(socket.create_connection((place.hostname or "", place.port or 0)))
        questions = (Question("project", source) for source in itertools.cycle(_SOURCES))
        crowd = [
            threading.Thread(target=lambda asked=asked: statuses.append(_ask(address, asked, answers)))
            for asked in itertools.islice(questions, setting.cases // 2)
        ]
        for thread in crowd:
            thread.start()
        probes = _probe_while(place.port or 0, lambda: any(thread.is_alive() for thread in crowd))
    for status in statuses:
        outcome.note(str(status), f"{status} for a map" if status not in (200, 503) else "")
    answers.report(outcome)
    late = find_late(probes)
    outcome.figures |= {"probes": len(probes), "probe p95, s": round(late, 4), "longest, s": round(max(probes), 4)}
    if late > _PROBE_SECONDS:
        outcome.broken.append(f"95 of 100 probes took up to {late:.3f} s")
    return outcome


def swap_builds(setting: Setting) -> Outcome:
    """Publish other builds of the model and its store under load; every call is answered, or refused as busy."""
    outcome, copy = Outcome(), setting.copy_workspace()
    with running_workbench("serve", copy.root) as address:
        ask_once(address, _MODEL, _SOURCES[0])
        with _asking(address, 4, outcome):
            end = time.monotonic() + setting.seconds
            for number in itertools.count():
                if time.monotonic() > end:
                    break
                _publish_model(copy, number)
                _publish_store(copy, number)
                outcome.figures["swaps"] = number + 1
                time.sleep(_SWAP_SECONDS)
    return outcome


def soak(setting: Setting) -> Outcome:
    """Ask without end; memory at the end is that of the middle, within 5 percent."""
    outcome, memory = Outcome(), list[float]()
    with running_workbench("serve", setting.workspace.root) as address:
        ask_once(address, _MODEL, _SOURCES[0])
        with _asking(address, 2, outcome):
            end = time.monotonic() + setting.seconds
            while time.monotonic() < end:
                time.sleep(min(5.0, setting.seconds / 20))
                memory.append(_read_memory(address))
    middle, last = max(memory[len(memory) // 3 : 2 * len(memory) // 3]), max(memory[2 * len(memory) // 3 :])
    outcome.figures |= {"memory in the middle, MB": round(middle), "at the end, MB": round(last)}
    if last > middle * _FLAT:
        outcome.broken.append(f"memory grew from {middle:.0f} to {last:.0f} MB")
    return outcome


@contextlib.contextmanager
def _asking(address: str, clients: int, outcome: Outcome) -> Iterator[None]:
    """Clients that ask for maps and translations until the block ends."""
    over, lock, answers = threading.Event(), threading.Lock(), Answers()

    def work(number: int) -> None:
        chance = random.Random(number)
        while not over.is_set():
            question = Question(chance.choice(list(GOALS)), chance.choice(_SOURCES))
            status = _ask(address, question, answers)
            with lock:
                outcome.note(str(status), f"{status} for {question.kind}" if status not in (200, 503) else "")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()
        answers.report(outcome)


class Answers:
    """Answers so far: an equal question has an equal answer, whoever else is answered meanwhile."""

    def __init__(self) -> None:
        self._heard: dict[tuple[Question, str], bytes] = {}
        self._lock = threading.Lock()
        self._compared = 0
        self._broken: list[str] = []

    def hear(self, question: Question, body: bytes) -> None:
        """Compare an answer with the first one to the same question.

        A translation repeats its request with all settings filled in. Builds that are swapped differ in one of them.
        """
        request = json.loads(body).get("request")
        key = question, json.dumps(request)
        with self._lock:
            self._compared += key in self._heard
            if self._heard.setdefault(key, body) != body:
                self._broken.append(f"{question.kind} of {question.source!r} has two answers")
            if request is not None and request["source"] != question.source:
                self._broken.append(f"{question.source!r} was answered with {request['source']!r}")

    def report(self, outcome: Outcome) -> None:
        """Add what was found."""
        outcome.broken += self._broken
        outcome.figures["answers compared"] = self._compared


def _ask(address: str, question: Question, answers: Answers) -> int:
    with connect(address) as connection:
        return ask(connection, _MODEL, question, answers.hear)


def _read_memory(address: str) -> float:
    """Resident memory of the server in MB, as its own metrics have it."""
    with urllib.request.urlopen(f"{address}metrics", timeout=120) as reply:
        lines = reply.read().decode().splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith("process_resident_memory_bytes"))) / 1e6


def _probe_while(port: int, going_on: Callable[[], bool]) -> list[float]:
    """Seconds that the probe took each time, asked by another process than the crowd's."""
    command = [sys.executable, "-c", _PROBE, str(port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        while going_on():
            time.sleep(0.1)
        said, _ = process.communicate("")
    return [float(line) for line in said.split()]


def _publish_model(copy: Workspace, number: int) -> None:
    """Publish the model with another default, so that its store stays its own."""
    staged = copy.root / "staged"
    shutil.copytree(copy.model_folder(_MODEL), staged)
    manifest = read_manifest(staged)
    generation = {**manifest["generation"], "max_length": 60 + number % 2}
    publish(staged, copy.models_folder / _MODEL, {**manifest, "generation": generation}, {})


def _publish_store(copy: Workspace, number: int) -> None:
    """Publish the store with one file more."""
    staged = copy.root / "staged"
    shutil.copytree(copy.store_folder(_MODEL), staged)
    (staged / "note.txt").write_text(str(number), encoding="utf-8")
    publish(staged, copy.stores_folder / _MODEL, read_manifest(staged), {})
