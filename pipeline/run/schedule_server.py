"""The process that runs a Prefect server: ``python -m pipeline.run.schedule_server HOST PORT``."""

from __future__ import annotations

import subprocess
import sys

from pipeline.run.worker import end_with_parent, take_answers_pipe


def main(host: str, port: str) -> int:
    """Run the server until the parent ends."""
    take_answers_pipe()
    end_with_parent()
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", host, "--port", port]
    return subprocess.run(command, check=False, stdin=subprocess.DEVNULL).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
