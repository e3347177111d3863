"""The command line as a shell sees it."""

from collections.abc import Callable
from subprocess import CompletedProcess

from click.testing import Result

Beamscope = Callable[..., Result]
Program = Callable[..., CompletedProcess[str]]


def one_sentence(stderr: str) -> str:
    """The only line on stderr, without the program's name; fails if there is more, or a traceback."""
    line, *rest = stderr.splitlines()
    assert not rest, stderr
    assert line.startswith("beamscope: "), stderr
    assert line.endswith("."), stderr
    return line.removeprefix("beamscope: ")
