"""Memory of a child process at its peak, anonymous and mapped from files told apart."""

from __future__ import annotations

import resource
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from exported_models.contract.errors import BeamscopeError

_BETWEEN_SAMPLES = 0.02


class ChildError(BeamscopeError):
    """A measured command failed; the message has the end of what it wrote."""


@dataclass(frozen=True, slots=True)
class Peak:
    """A command that ran to its end.

    Attributes:
        seconds: on the clock.
        processor: seconds on all cores, which hardly depend on who else uses them.
        resident: the largest resident size in bytes, as the system counts it (``VmHWM``): pages of mapped files
            included, once for every mapping.
        anonymous: the largest sampled size of memory that no file backs. The rest can be reclaimed at any time.
        output: standard output.
    """

    seconds: float
    processor: float
    resident: int
    anonymous: int
    output: str


def run_child(command: Sequence[str]) -> Peak:
    """Run a command to its end and watch its memory.

    Raises:
        ChildError: it ended with an error.
    """
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        started, used = time.monotonic(), _processor_seconds()
        with subprocess.Popen(command, stdout=output, stderr=errors, text=True) as child:
            resident = anonymous = 0
            while child.poll() is None:
                sizes = read_sizes(child.pid)
                resident, anonymous = max(resident, sizes.get("VmHWM", 0)), max(anonymous, sizes.get("RssAnon", 0))
                time.sleep(_BETWEEN_SAMPLES)
        seconds = time.monotonic() - started
        output.seek(0)
        errors.seek(0)
        if child.returncode:
            raise ChildError(f"{' '.join(command)} ended with {child.returncode}: {errors.read()[-500:].strip()}")
        return Peak(seconds, _processor_seconds() - used, resident, anonymous, output.read())


def _processor_seconds() -> float:
    """Of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def read_sizes(process: int) -> dict[str, int]:
    """Bytes of the sizes in a process's status; none once it is over, or where there is no such file (not Linux)."""
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    fields = (line.split() for line in lines if line.endswith(" kB"))
    return {name.rstrip(":"): 1024 * int(value) for name, value, _ in fields}
