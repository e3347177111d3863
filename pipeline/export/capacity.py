"""Memory and disk that a large export takes, compared with what the machine has before the export begins."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from exported_models.contract.publishing import format_size
from exported_models.contract.twins import TwinKind
from pipeline.adapters.huggingface.weight_files import read_header
from pipeline.errors import BuildError, CheckpointError

_NEGLIGIBLE = 256 << 20
"""Bytes of weights up to which a machine that runs Python has the memory."""
_FULL = 1.0
_TWINS: Mapping[TwinKind, float] = {"int8": 0.6, "float16": 0.55}
"""Sizes of an exported model and of its twins as parts of the weights; in int8, embeddings stay in float32."""
_RESIDENT = 1.5
"""Peak of an export as a part of the weights, and `_BESIDE` bytes of libraries and intermediate values."""
_BESIDE = 600 << 20
_IN_TENSORS = (".safetensors",)
_IN_OTHER_FILES = (".bin", ".npz", ".pt", ".pth")


@dataclass(frozen=True, slots=True)
class Capacity:
    """Bytes of memory and of disk: those that an export takes, or those that are free.

    ``memory`` is None where the system does not say.
    """

    memory: int | None
    disk: int


def estimate_weights(checkpoint: Path) -> int:
    """Bytes of a checkpoint's weights in float32; those of files that list no tensors count as they are."""
    files = [checkpoint] if checkpoint.is_file() else sorted(checkpoint.iterdir())
    listed = [_count(file) for file in files if file.suffix in _IN_TENSORS]
    return 4 * sum(listed) if listed else sum(file.stat().st_size for file in files if file.suffix in _IN_OTHER_FILES)


def estimate_export(weights: int) -> Capacity:
    """Memory and disk of an export of so many bytes of weights, its verification included."""
    return Capacity(int(_RESIDENT * weights) + _BESIDE, int(_FULL * weights))


def estimate_twin(weights: int, kind: TwinKind) -> Capacity:
    """Memory and disk of the twin of a model of so many bytes, its comparison included."""
    return Capacity(int(_RESIDENT * weights) + _BESIDE, int(_TWINS[kind] * weights))


def measure_free(folder: Path) -> Capacity:
    """Free memory of this machine, and free disk under a folder that need not exist yet."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return Capacity(_read_free_memory(), shutil.disk_usage(there).free)


def check_capacity(name: str, weights: int, needed: Capacity, free: Capacity) -> None:
    """Refuse a large export for which the machine is too small.

    Args:
        name: the model's, for the message.
        weights: bytes of its weights in float32.

    Raises:
        BuildError: with how much is needed and how much is free.
    """
    if weights <= _NEGLIGIBLE:
        return
    size = f"{name} has {format_size(weights)} of weights"
    if free.memory is not None and needed.memory is not None and needed.memory > free.memory:
        raise BuildError(
            f"{size}, for which an export needs about {format_size(needed.memory)} of memory, but "
            f"{format_size(free.memory)} are free; close other programs, or export it on a larger machine."
        )
    if needed.disk > free.disk:
        raise BuildError(
            f"{size}, for which an export needs about {format_size(needed.disk)} on the disk, but "
            f"{format_size(free.disk)} are free; free some space or choose another --workspace."
        )


def _count(file: Path) -> int:
    """Number of values in a safetensors file; 0 for a damaged one, which is refused when it is read."""
    try:
        return sum(math.prod(entry["shape"]) for entry in read_header(file).values())
    except (CheckpointError, LookupError, TypeError):
        return 0


def _read_free_memory() -> int | None:
    """Memory that programs can have, swap included, within the limit of the container."""
    sizes = _read_sizes(Path("/proc/meminfo"))
    if "MemAvailable" not in sizes:
        return None
    free = sizes["MemAvailable"] + sizes.get("SwapFree", 0)
    limit, used = (_read_number(Path("/sys/fs/cgroup") / name) for name in ("memory.max", "memory.current"))
    return free if limit is None or used is None else min(free, limit - used + _read_reclaimable())


def _read_reclaimable() -> int:
    """Bytes of cached files that the container may give up."""
    lines = _read(Path("/sys/fs/cgroup/memory.stat")).splitlines()
    return sum(int(line.split()[1]) for line in lines if line.split()[0] in ("inactive_file", "active_file"))


def _read_sizes(path: Path) -> dict[str, int]:
    fields = (line.split() for line in _read(path).splitlines() if line.endswith(" kB"))
    return {name.rstrip(":"): 1024 * int(value) for name, value, _ in fields}


def _read_number(path: Path) -> int | None:
    text = _read(path).strip()
    return int(text) if text.isdigit() else None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
