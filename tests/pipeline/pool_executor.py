"""A second executor: the items of a step on a pool of processes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from pipeline.progress import Advance
from pipeline.work.executors import ItemType, Work


class PoolExecutor:
    """Works on the items in two other processes, last ones first; see `pipeline.work.executors.Executor`."""

    def __init__(self) -> None:
        self.items: list[object] = []

    def run(self, work: Work[ItemType], items: Sequence[ItemType], advance: Advance) -> None:
        self.items += items
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(2, mp_context=context, initializer=_open, initargs=(work,)) as pool:
            for size in pool.map(_do, reversed(items)):
                advance(size)


_opened: list[Any] = []


def _open(work: Work[Any]) -> None:
    _opened.append(work.open())


def _do(item: Any) -> int:
    (do,) = _opened
    do(item, lambda _: None)
    return int(item.size)
