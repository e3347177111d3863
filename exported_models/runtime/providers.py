"""The device that graphs run on: a GPU where there is one, else the CPU; and the number of threads."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import onnxruntime as ort

CUDA = "CUDAExecutionProvider"
CPU = "CPUExecutionProvider"
_LOG_ERRORS_ONLY = 3
_SMALL_MODEL = 64 << 20
_MOST_THREADS = 4


@cache
def has_nvidia_gpu() -> bool:
    """Whether the machine has an NVIDIA device that the process may use.

    ONNX Runtime's GPU build lists CUDA as available on machines without a GPU, and complains on stderr when CUDA is
    asked for there. The driver's device is looked for first.
    """
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    return not hidden and Path("/dev/nvidiactl").exists()


def provider_order() -> list[str]:
    """Execution providers to ask for, best first."""
    return [CUDA, CPU] if has_nvidia_gpu() and CUDA in ort.get_available_providers() else [CPU]


def may_run_on_gpu() -> bool:
    """Whether sessions are asked to run on CUDA."""
    return CUDA in provider_order()


def runs_on_gpu(session: ort.InferenceSession) -> bool:
    """Whether a session runs on CUDA, by the providers that it got and not by those that were asked for."""
    return CUDA in session.get_providers()


def choose_threads(model_bytes: int) -> int:
    """Cores that one call of a request takes, by the size of the model's files.

    Products in a step of a small model take less time than waking a thread; one thread is a fifth quicker than two. A
    large model takes half of the cores, and at most a few, so that requests can run side by side.
    """
    if model_bytes < _SMALL_MODEL:
        return 1
    return max(1, min(_MOST_THREADS, _count_cores() // 2))


def _count_cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def session_options(threads: int | None) -> ort.SessionOptions:
    """Options of every session: no log, and threads that sleep while they wait, so that sessions can share cores."""
    options = ort.SessionOptions()
    options.log_severity_level = _LOG_ERRORS_ONLY
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if threads is not None:
        options.intra_op_num_threads = threads
    return options
