"""A process that kills itself before a chosen change to the files of a folder.

    python -m campaign.file_events FOLDER 120 COMMAND ...    kill it before the 120th change
    python -m campaign.file_events FOLDER 0 COMMAND ...      only count them

Changes are counted by an audit hook (PEP 578): files opened for writing, renamed, removed and linked, folders made and
removed (a whole tree is one change). Two runs of one command meet the same changes in the same order, so a kill can be
repeated.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

COUNT_FILE: Final = "changes"
"""The file beside the folder that says how many changes a process made that was not killed."""
_CHANGES: Final = frozenset(
    {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.symlink", "os.link", "shutil.rmtree"}
)
_WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def die_before(folder: Path, number: int) -> None:
    """Kill this process before its ``number``-th change below a folder; 0 counts the changes until it ends."""
    inside, seen = os.fspath(folder.resolve()) + os.sep, 0

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        if not _changes_files(event, arguments) or not any(_is_below(inside, one) for one in arguments):
            return
        seen += 1
        if seen == number:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    if not number:
        atexit.register(lambda: folder.with_name(COUNT_FILE).write_text(str(seen), encoding="utf-8"))


def _changes_files(event: str, arguments: tuple[Any, ...]) -> bool:
    if event != "open":
        return event in _CHANGES
    flags = arguments[2]
    return isinstance(flags, int) and bool(flags & _WRITING)


def _is_below(inside: str, argument: Any) -> bool:
    if not isinstance(argument, str | os.PathLike):  # a descriptor, or a flag
        return False
    return os.fspath(Path.cwd() / argument).startswith(inside)


def main(arguments: Sequence[str]) -> None:
    """Run `beamscope` so; see the module."""
    from beamscope.cli import main as run

    folder, number, *command = arguments
    sys.argv[1:] = command
    die_before(Path(folder), int(number))
    run()


if __name__ == "__main__":
    main(sys.argv[1:])
