"""One run of a build: what it makes, where it works, and the steps it ran."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from pipeline.build.planned_store import PlannedStore
from pipeline.build.summary import StepSummary
from pipeline.progress import Progress, format_seconds
from pipeline.work.executors import Executor, LocalExecutor
from pipeline.work.ledger import Done

Result = TypeVar("Result")
StepRunner = Callable[[str, Callable[[], None]], None]
"""Runs a step of that name, once; `run_plainly` calls it, and a flow makes it a task."""


def run_plainly(name: str, step: Callable[[], None]) -> None:  # noqa: ARG001 (the runners' names)
    """Run a step in this thread."""
    step()


@dataclass(frozen=True, slots=True)
class BuildRun:
    """One run of a build: the store it makes, and where it works and reports.

    Attributes:
        executor: works on the blocks of the corpus.
        runner: runs the steps.
        steps: those that were run, in order.
    """

    store: PlannedStore
    progress: Progress
    executor: Executor = field(default_factory=LocalExecutor)
    runner: StepRunner = run_plainly
    started: float = field(default_factory=time.monotonic)
    steps: list[StepSummary] = field(default_factory=list)

    def step(self, name: str, do: Callable[[], Done[Result]]) -> Result:
        """Run a step, note how long it took, and return its result."""
        results: list[Result] = []

        def timed() -> None:
            started = time.monotonic()
            done = do()
            seconds = time.monotonic() - started
            self.steps.append(StepSummary(name, seconds, done.cached))
            self.progress.note(f"{name}: {'done before' if done.cached else format_seconds(seconds)}")
            results.append(done.result)

        self.runner(name, timed)
        (result,) = results
        return result
