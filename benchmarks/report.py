"""The report of a benchmark: rows of named figures, shown as a table or as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

Figure = str | int | float


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of one benchmark.

    Attributes:
        title: what was measured.
        rows: column -> figure; every row has the same columns.
        note: what to know when reading them.
    """

    title: str
    rows: Sequence[Mapping[str, Figure]]
    note: str

    def to_document(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)

    def to_text(self) -> str:
        """As a title, a table and the note."""
        columns = list(self.rows[0]) if self.rows else []
        cells = [columns, *([_show(row[column]) for column in columns] for row in self.rows)]
        widths = [max(len(line[place]) for line in cells) for place in range(len(columns))]
        return "\n".join([self.title, *(_align(line, widths) for line in cells), self.note])


def _align(line: Sequence[str], widths: Sequence[int]) -> str:
    """The first column to the left, figures to the right."""
    first = line[0].ljust(widths[0])
    return "  " + "  ".join([first, *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))])


def _show(figure: Figure) -> str:
    return figure if isinstance(figure, str) else f"{figure:,}".removesuffix(".0")
