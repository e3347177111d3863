"""The process that runs a Prefect server: ``python -m pipeline.run.schedule_server HOST PORT``."""

from __future__ import annotations

import subprocess
import sys

from pipeline.run.child import open_answers


def main(host: str, port: str) -> int:
    """Run the server until the parent ends."""
    open_answers()
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", host, "--port", port]
    return subprocess.run(command, check=False, stdin=subprocess.DEVNULL).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
