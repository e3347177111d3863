"""Timing two ways of doing the same work in turns, so that whatever else the machine does slows both alike."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from exported_models.providers import has_nvidia_gpu

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Comparison:
    """Seconds that two ways took for the same items, item by item."""

    ours: tuple[float, ...]
    theirs: tuple[float, ...]

    @property
    def ratios(self) -> tuple[float, ...]:
        """How long our way took for each item, the other way being 1."""
        return tuple(ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=True))

    def figures(self, theirs: str) -> dict[str, float]:
        """Medians in milliseconds, and the distribution of the ratios; ``theirs`` names the other way."""
        low, middle, high = (float(value) for value in np.percentile(self.ratios, (10, 50, 90)))
        return {
            "ms": _milliseconds(self.ours),
            f"{theirs} ms": _milliseconds(self.theirs),
            "ratio": round(middle, 3),
            "p10": round(low, 3),
            "p90": round(high, 3),
        }


def compare(items: Sequence[Item], ours: Callable[[Item], object], theirs: Callable[[Item], object]) -> Comparison:
    """Time both ways on every item, one after the other; who goes first changes from item to item.

    The last item is run once beforehand and not counted, so that whatever is made on first use is made then.
    """
    seconds: tuple[list[float], list[float]] = ([], [])
    for way in (ours, theirs):
        way(items[-1])
    for number, item in enumerate(items):
        for place in (0, 1) if number % 2 else (1, 0):
            seconds[place].append(time_once((ours, theirs)[place], item))
    return Comparison(tuple(seconds[0]), tuple(seconds[1]))


def time_once(way: Callable[[Item], object], item: Item) -> float:
    """Seconds that it takes for an item."""
    started = time.perf_counter()
    way(item)
    return time.perf_counter() - started


@contextmanager
def one_thread() -> Iterator[None]:
    """NumPy and torch on one thread; ONNX Runtime and ScaNN are told where they are opened and called."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1), torch.inference_mode():
            yield
    finally:
        torch.set_num_threads(threads)


def describe_machine() -> str:
    """Processor, cores and how busy they are (the load of the last minute), in one line."""
    device = "with a GPU" if has_nvidia_gpu() else "no GPU"
    return f"{_processor()}, {os.cpu_count()} cores, {device}, load {os.getloadavg()[0]:.1f}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _milliseconds(seconds: Sequence[float]) -> float:
    return round(1000 * float(np.median(seconds)), 3)
