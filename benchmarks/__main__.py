"""Run benchmarks and print what they found.

python -m benchmarks                  all of them
python -m benchmarks trace encode     some
python -m benchmarks --json           as JSON on standard output; progress goes to standard error
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.dates import Dates
from benchmarks.measure import describe_machine
from benchmarks.report import Report
from exported_models.contract.errors import BeamscopeError

BENCHMARKS = ("trace", "neighbors", "encode", "demo", "page", "crowd")
"""Modules of this package, each with a ``run`` from the dates project to a report."""
WORKSPACE = Path(__file__).resolve().parent.parent / "build" / "benchmarks"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for; return 0, or 1 with one sentence if it cannot be run."""
    options = _parse(arguments)
    dates = Dates(options.workspace)
    documents: list[dict[str, Any]] = []
    try:
        for name in options.names or BENCHMARKS:
            before = describe_machine()
            report: Report = importlib.import_module(f"benchmarks.{name}").run(dates)
            documents.append({"benchmark": name, "machine": before, **report.to_document()})
            if not options.json:
                print(f"\n{report.to_text()}\n[{before}]", flush=True)
    except BeamscopeError as error:
        print(error, file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(documents, indent=2))
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure Beamscope on the dates project.")
    # Not `choices`: argparse checks them against the empty list too.
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(BENCHMARKS)}; default: all")
    parser.add_argument("--workspace", type=Path, default=WORKSPACE, metavar="FOLDER", help="built once, kept there")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.names) - set(BENCHMARKS))
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]!r} (known: {', '.join(BENCHMARKS)})")
    return options


if __name__ == "__main__":
    sys.exit(main())
