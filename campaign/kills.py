"""Builds that are killed: the next one goes on and ends with the same hashes."""

from __future__ import annotations

import contextlib
import random
import shutil
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from functools import cache
from typing import Final

from campaign.builds import Beginning, begin_with_nothing, begin_with_published, build_again, run, run_until
from campaign.outcome import Outcome, Setting
from exported_models.contract.workspace import Workspace
from pipeline.run.flow import prefect_environment, prefect_folder, start_process

_ROUND: Final = 40
_FROM_NOTHING: Final = 36
"""Of each round of cases, those from this one on begin with an empty workspace."""
_SERVER_SECONDS: Final = 300

Prefect = Callable[[], tuple[str, float]]
"""Starts a Prefect server where there is none yet; gives its API and the seconds that Prefect adds to a build."""


def kill_builds(setting: Setting) -> Outcome:
    """Kill a build and run it again: every second time before a random change to files, else at a random time.

    Those that are killed at a time run under Prefect in turn; its processes cannot be counted along with the build's.
    One case in ten begins with an empty workspace, the others with the published model and a store of fewer pairs.
    """
    outcome, chance = Outcome(), random.Random(5)
    with contextlib.ExitStack() as held:

        @cache
        def begin(from_nothing: bool) -> Beginning:
            return begin_with_nothing(setting) if from_nothing else begin_with_published(setting)

        @cache
        def prefect() -> tuple[str, float]:
            api = held.enter_context(_prefect_server(Workspace(setting.scratch / "server")))
            return api, _time_prefect(begin(False), Workspace(setting.scratch / "under-prefect"), api)

        for number in range(setting.cases):
            beginning = begin(number % _ROUND >= _FROM_NOTHING)
            workspace = Workspace(setting.scratch / f"killed-{number}")
            beginning.lay_out(workspace)
            what = _kill(number, beginning, workspace, chance, prefect)
            build_again(outcome, beginning, workspace, what)
            shutil.rmtree(workspace.root)
    return outcome


def _kill(number: int, beginning: Beginning, workspace: Workspace, chance: random.Random, prefect: Prefect) -> str:
    if number % 2 == 0:
        change = chance.randint(1, beginning.changes)
        run(beginning.counted(workspace, change))
        return f"killed before change {change} of {beginning.changes}"
    if number % 4 == 1:
        api, more = prefect()
        seconds = chance.uniform(0, more + beginning.seconds)
        run_until(seconds, beginning.command(workspace), PREFECT_API_URL=api)
        return f"killed after {seconds:.1f} s under Prefect"
    seconds = chance.uniform(0, beginning.seconds)
    run_until(seconds, beginning.command(workspace, "--no-prefect"))
    return f"killed after {seconds:.1f} s"


def _time_prefect(beginning: Beginning, workspace: Workspace, api: str) -> float:
    """Seconds that Prefect adds to a build."""
    beginning.lay_out(workspace)
    begun = time.monotonic()
    run(beginning.command(workspace), PREFECT_API_URL=api).check_returncode()
    return max(time.monotonic() - begun - beginning.seconds, 0.0)


@contextlib.contextmanager
def _prefect_server(home: Workspace) -> Iterator[str]:
    """A Prefect server for all builds, which would each start one of their own; gives the address of its API."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = ["pipeline.run.schedule_server", "127.0.0.1", str(port)]
    log = prefect_folder(home) / "server.log"
    with start_process(arguments, log, prefect_environment(home)) as process:
        end = time.monotonic() + _SERVER_SECONDS
        while not _answers(f"http://127.0.0.1:{port}/api/health"):
            if process.poll() is not None or time.monotonic() > end:
                raise ChildProcessError(f"The Prefect server did not start: {log.read_text(encoding='utf-8')[-300:]}")
            time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/api"


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False
