"""The options that write a table of each translation to a file."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import click

from beamscope.errors import CommandError
from dashboard.table_columns import TABLES, FileKind, TableName

if TYPE_CHECKING:
    from exported_models.contract.trace import Trace


class TableFile(Protocol):
    """Takes the table of a translation; ``sentence`` is its line, 0 for a text alone."""

    def __call__(self, trace: Trace, sentence: int = 0) -> None: ...


@contextlib.contextmanager
def open_table_file(name: TableName, csv: Path | None, parquet: Path | None) -> Iterator[TableFile]:
    """Open the file that was asked for; without one nothing is written.

    Rows go to a file beside it, which takes its name when the last one is written.

    Raises:
        MissingPackageError: it is to be Parquet, and pyarrow is not installed.
        CommandError: the file cannot be written.
    """
    path = csv or parquet
    if path is None:
        yield lambda trace, sentence=0: None  # noqa: ARG005 - nothing is to be written
        return
    from dashboard.tables import TableWriter, make_table

    kind: FileKind = "parquet" if parquet else "csv"
    unfinished = path.with_name(f"{path.name}.unfinished")
    try:
        with unfinished.open("wb") as stream, TableWriter(kind, name, stream) as writer:
            yield lambda trace, sentence=0: writer.add(make_table(name, trace, sentence=sentence))
        unfinished.replace(path)
    except OSError as error:
        raise CommandError(f"{path} cannot be written ({error.strerror or error}).") from error
    finally:
        unfinished.unlink(missing_ok=True)


def _one_file(context: click.Context, parameter: click.Parameter, value: Path | None) -> Path | None:
    if value is not None and (context.params.get("csv_file") or context.params.get("parquet_file")):
        raise click.BadParameter("write either CSV or Parquet.", context, parameter)
    return value


def table_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add ``--table``, ``--csv`` and ``--parquet`` to a command."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


_PATH = click.Path(path_type=Path, dir_okay=False)
_OPTIONS = (
    click.option(
        "--csv", "csv_file", type=_PATH, callback=_one_file, metavar="FILE", help="Write a table of the search as CSV."
    ),
    click.option(
        "--parquet",
        "parquet_file",
        type=_PATH,
        callback=_one_file,
        metavar="FILE",
        help="Write a table of the search as Parquet (needs pyarrow).",
    ),
    click.option(
        "--table",
        type=click.Choice(TABLES),
        default=TABLES[0],
        show_default=True,
        help="Which table: every token of all hypotheses, the candidates of every step, the top k, or attention.",
    ),
)
