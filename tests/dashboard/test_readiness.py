"""Readiness probes are answered at once, whatever the models take to open."""

from __future__ import annotations

import asyncio
import threading
import time

from dashboard.api import readiness
from dashboard.api.readiness import OPENING, Readiness
from dashboard.api.types import ReadyDocument

READY = ReadyDocument(ready=True, models=["dates"], missing=[])


def test_a_probe_does_not_wait_for_models_that_open() -> None:
    opened = threading.Event()

    def check() -> ReadyDocument:
        assert opened.wait(timeout=20)
        return READY

    async def scenario() -> None:
        known = Readiness(check)
        begun = time.monotonic()
        answers = await asyncio.gather(*(known.ask() for _ in range(20)))
        assert time.monotonic() - begun < 10 * readiness.PATIENCE_SECONDS
        assert answers == [OPENING] * 20

        opened.set()
        while (answer := await known.ask()) is OPENING:
            await asyncio.sleep(0.01)
        assert answer is READY

    asyncio.run(asyncio.wait_for(scenario(), timeout=20))


def test_a_check_is_made_once_for_many_probes_and_again_when_it_is_old() -> None:
    checks: list[int] = []

    def check() -> ReadyDocument:
        checks.append(len(checks))
        return READY

    async def scenario() -> None:
        known = Readiness(check)
        for _ in range(20):
            await known.ask()
        assert checks == [0]
        await asyncio.sleep(readiness.FRESH_SECONDS + 0.1)
        await known.ask()
        assert checks == [0, 1]

    asyncio.run(scenario())
