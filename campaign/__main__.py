"""Run parts of the campaign and print what they found; exit code 1 where anything is broken.

python -m campaign                        all parts, as often as docs/reliability.md asks for
python -m campaign api damage --cases 50  some, with a number of cases each
python -m campaign soak --seconds 1800    parts with a duration
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from campaign.builds import project_of
from campaign.clock import set_clock_back
from campaign.damage import corrupt_files
from campaign.disks import fill_disk
from campaign.inputs import fuzz_api, fuzz_command_line, fuzz_page
from campaign.kills import kill_builds
from campaign.load import hold_connections, let_analysts_in, soak, swap_builds
from campaign.outcome import Outcome, Setting
from campaign.publishing import kill_publishing
from exported_models.contract.workspace import Workspace
from pipeline.build.building import build
from pipeline.build.project_file import load_project
from pipeline.progress import open_progress

WORKSPACE: Final = Path(__file__).resolve().parent.parent / "build" / "campaign"


class Part(NamedTuple):
    """A part, with the number of cases and the seconds of a whole campaign."""

    run: Callable[[Setting], Outcome]
    cases: int
    seconds: float = 0


PARTS: Final = {
    "api": Part(fuzz_api, 6_500),  # of which 5,000 come about: some calls can be varied in few ways
    "page": Part(fuzz_page, 1_000),
    "command-line": Part(fuzz_command_line, 1_000),
    "damage": Part(corrupt_files, 500),
    "analysts": Part(let_analysts_in, 50, 300),
    "connections": Part(hold_connections, 300),
    "swap": Part(swap_builds, 0, 120),
    "disk": Part(fill_disk, 20),
    "clock": Part(set_clock_back, 10),
    "kills": Part(kill_builds, 100),
    "publishing": Part(kill_publishing, 100),
    "soak": Part(soak, 0, 1_800),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for."""
    options = _parse(arguments)
    options.workspace.mkdir(parents=True, exist_ok=True)
    workspace, project = Workspace(options.workspace), project_of(options.workspace)
    build(load_project(project), workspace, progress=open_progress())
    broken = 0
    for name in options.names or PARTS:
        part = PARTS[name]
        with tempfile.TemporaryDirectory(prefix="campaign-") as scratch:
            setting = Setting(
                workspace,
                project,
                Path(scratch),
                part.cases if options.cases is None else options.cases,
                part.seconds if options.seconds is None else options.seconds,
            )
            begun = time.monotonic()
            outcome = part.run(setting)
        print(
            json.dumps({"part": name, "seconds": round(time.monotonic() - begun), **outcome.to_document()}), flush=True
        )
        broken += len(outcome.broken)
    return 1 if broken else 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m campaign", description="See how a served workspace stands it.")
    parser.add_argument("names", nargs="*", metavar="PART", help=f"some of {', '.join(PARTS)}; default: all")
    parser.add_argument("--cases", type=int, metavar="N", help="cases, analysts or connections of each part")
    parser.add_argument("--seconds", type=float, metavar="S", help="duration of each part that has one")
    parser.add_argument("--workspace", type=Path, default=WORKSPACE, metavar="FOLDER", help="built once, kept there")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.names) - set(PARTS))
    if unknown:
        parser.error(f"there is no part {unknown[0]!r} (known: {', '.join(PARTS)})")
    return options


if __name__ == "__main__":
    sys.exit(main())
