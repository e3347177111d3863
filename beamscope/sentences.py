"""The source texts of a file: one a line, with the number of a line that cannot be read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from beamscope.errors import CommandError

_BYTE_ORDER_MARK = "\ufeff"


@dataclass(frozen=True, slots=True)
class Sentence:
    """One line of a file, counted from 1; ``text`` is None where the line is not UTF-8."""

    line: int
    text: str | None

    def read(self) -> str:
        """The text.

        Raises:
            CommandError: the line is not UTF-8.
        """
        if self.text is None:
            raise CommandError("This is not UTF-8; convert the file to UTF-8.")
        return self.text

    def describe_failure(self, error: Exception) -> str:
        """One line for people: the number of this line, and the reason why there is no answer to it."""
        return f"beamscope: Line {self.line}: {' '.join(str(error).split())}"


def read_sentences(stream: Iterable[bytes]) -> Iterator[Sentence]:
    """Every line of a binary stream. A line ends at a newline, with or without a carriage return, and nowhere else."""
    for number, raw in enumerate(stream, start=1):
        try:
            text = raw.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8")
        except UnicodeDecodeError:
            yield Sentence(number, None)
            continue
        yield Sentence(number, text.removeprefix(_BYTE_ORDER_MARK) if number == 1 else text)
