"""The workbench as a program of its own, for tools that look at it from outside."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_SECONDS_TO_STOP = 30


@contextmanager
def running_workbench(command: str, workspace: Path, *options: str) -> Iterator[str]:
    """Run ``beamscope serve`` or ``demo`` on a free port of this machine; the value is its address.

    Raises:
        RuntimeError: it ended before it had an address; the message has what it said.
    """
    arguments = [sys.executable, "-m", "beamscope", command, "--port", "0", "--workspace", str(workspace), *options]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield find_address(process.stdout)
        finally:
            process.terminate()
            try:
                process.wait(_SECONDS_TO_STOP)
            except subprocess.TimeoutExpired:
                process.kill()


def find_address(lines: Sequence[str] | Iterator[str]) -> str:
    """The first address in what the program prints; its later lines are few, and are never waited for.

    Raises:
        RuntimeError: there is none.
    """
    said = []
    for line in lines:
        said.append(line.strip())
        address = next((word for word in line.split() if word.startswith("http://")), None)
        if address is not None:
            return address
    raise RuntimeError(f"The workbench did not start: {' / '.join(said) or 'it said nothing'}")
