"""Where graphs run: the GPU when there is one, else the CPU."""

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
    """Whether this machine has an NVIDIA device the process may use.

    ONNX Runtime's GPU build names CUDA as available on machines without a GPU, and complains on stderr when asked for
    it there: so look for the driver's device first.
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
    """Whether a session really runs on CUDA: the providers it got, not those it was asked for."""
    return CUDA in session.get_providers()


def choose_threads(model_bytes: int) -> int:
    """Cores that one call of a request takes, of a model whose files have that size.

    Products of a small model's step take less time than waking a thread; one thread is a fifth quicker than two. A
    large model takes half the cores, and few of many: requests run beside each other, and none waits for all of them.
    """
    if model_bytes < _SMALL_MODEL:
        return 1
    return max(1, min(_MOST_THREADS, _count_cores() // 2))


def _count_cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def session_options(threads: int | None) -> ort.SessionOptions:
    """Options for every session: quiet, and threads that sleep while they wait so that sessions can share cores."""
    options = ort.SessionOptions()
    options.log_severity_level = _LOG_ERRORS_ONLY
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if threads is not None:
        options.intra_op_num_threads = threads
    return options
