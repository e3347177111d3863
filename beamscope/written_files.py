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

    A link, a pipe or a device is written as it is: another file in its place would not be what it leads to.

    Raises:
        CommandError: the file cannot be written. Any `OSError` of the block is taken for that.
    """
    written = path.with_name(f"{path.name}.unfinished") if _is_plain(path) else path
    try:
        with written.open("wb") as stream:
            yield stream
        if written != path:
            written.replace(path)
    except OSError as error:
        raise CommandError(f"{path} cannot be written ({error.strerror or error}).") from error
    finally:
        if written != path:
            written.unlink(missing_ok=True)


def write_file(path: Path, content: str | bytes) -> None:
    """Write a file by `open_written`; text as UTF-8."""
    with open_written(path) as stream:
        stream.write(content.encode("utf-8") if isinstance(content, str) else content)


def _is_plain(path: Path) -> bool:
    """Whether an ordinary file stands there, or nothing."""
    return not path.is_symlink() and (path.is_file() or not path.exists())
