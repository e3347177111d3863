"""Print the exact version of everything that an install with all extras takes on this machine.

The output is a pip constraints file. It comes from pip's own resolver (a dry run, nothing is installed) and
names versions only: no index, no path, no local build suffix, and none of the wheels that only a CUDA build
of torch brings, so that one file serves CPU and GPU machines.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PROJECT = "beamscope"
EXTRAS = ("build", "test")
CUDA_ONLY = ("cuda-", "nvidia-", "triton")
HEADER = f"""\
# Written by `make lock`; do not edit. The versions that the tests ran with: Python 3.11, Linux x86_64.
# Use as constraints: pip install -c requirements/lock.txt -e .[{",".join(EXTRAS)}]
"""


def resolve(requirement: str) -> dict[str, Any]:
    """Ask pip what it would install for `requirement`; the answer is pip's installation report."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
        subprocess.run([*command, "--report", str(report), requirement], check=True, stdout=sys.stderr)
        answer: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
        return answer


def list_pins(report: dict[str, Any]) -> list[str]:
    """Turn pip's installation report into sorted `name==version` lines."""
    pins = []
    for entry in report["install"]:
        name = entry["metadata"]["name"].lower().replace("_", "-")
        if name != PROJECT and not name.startswith(CUDA_ONLY):
            public_version = entry["metadata"]["version"].partition("+")[0]
            pins.append(f"{name}=={public_version}")
    return sorted(pins)


def main() -> None:
    """Resolve the project in this checkout and print the lock file."""
    pins = list_pins(resolve(f"{ROOT}[{','.join(EXTRAS)}]"))
    print(HEADER + "\n".join(pins))


if __name__ == "__main__":
    main()
