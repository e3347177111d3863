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
from threadpoolctl import threadpool_limits

from exported_models.runtime.providers import has_nvidia_gpu

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds that one run took: on the clock, and on the processor, which hardly depends on who else uses it."""

    clock: float
    processor: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Times of two ways for the same items, item by item."""

    ours: tuple[Timing, ...]
    theirs: tuple[Timing, ...]

    def figures(self, theirs: str) -> dict[str, float]:
        """Median milliseconds of both, how many times as fast ours is, and that on the processor alone.

        ``theirs`` names the other way. Speedups are taken item by item, as both ways met the same load: the median,
        and the bounds of the slowest and the fastest tenth.
        """
        pairs = list(zip(self.ours, self.theirs, strict=True))
        low, middle, high = np.percentile([theirs.clock / ours.clock for ours, theirs in pairs], (10, 50, 90))
        on_processor = np.median([theirs.processor / ours.processor for ours, theirs in pairs])
        return {
            "ms": median_ms(self.ours),
            f"{theirs} ms": median_ms(self.theirs),
            "speedup": shorten(middle),
            "p10": shorten(low),
            "p90": shorten(high),
            "cpu speedup": shorten(on_processor),
        }


def compare(items: Sequence[Item], ours: Callable[[Item], object], theirs: Callable[[Item], object]) -> Comparison:
    """Time both ways on every item, one after the other; who goes first changes from item to item.

    The last item is run once beforehand and not counted, so that whatever is made on first use is made then.
    """
    timings: tuple[list[Timing], list[Timing]] = ([], [])
    for way in (ours, theirs):
        way(items[-1])
    for number, item in enumerate(items):
        for place in (0, 1) if number % 2 else (1, 0):
            timings[place].append(time_once((ours, theirs)[place], item))
    return Comparison(tuple(timings[0]), tuple(timings[1]))


def time_once(way: Callable[[Item], object], item: Item) -> Timing:
    """Time of a way for one item."""
    clock, processor = time.perf_counter(), time.process_time()
    way(item)
    return Timing(time.perf_counter() - clock, time.process_time() - processor)


def shorten(value: float | np.floating) -> float:
    """Three digits are as many as a timing has."""
    return float(f"{value:.3g}")


def median_ms(timings: Sequence[Timing]) -> float:
    """Milliseconds on the clock."""
    return shorten(1000 * np.median([timing.clock for timing in timings]))


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
