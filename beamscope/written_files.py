"""Files that a person asked for: there whole, or as they were before."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from beamscope.errors import CommandError


@contextlib.contextmanager
def open_written(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing. A file beside it is written, which takes its name once the block ends without an error.

    Raises:
        CommandError: the file cannot be written. Any `OSError` of the block is taken for that.
    """
    unfinished = path.with_name(f"{path.name}.unfinished")
    try:
        with unfinished.open("wb") as stream:
            yield stream
        unfinished.replace(path)
    except OSError as error:
        raise CommandError(f"{path} cannot be written ({error.strerror or error}).") from error
    finally:
        unfinished.unlink(missing_ok=True)


def write_file(path: Path, content: str | bytes) -> None:
    """Write a file by `open_written`; text as UTF-8."""
    with open_written(path) as stream:
        stream.write(content.encode("utf-8") if isinstance(content, str) else content)
