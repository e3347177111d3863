"""The options that write a table to a file."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import click

from beamscope.written_files import open_written
from dashboard.table_columns import TABLES, AnyTable, FileKind, TableName

if TYPE_CHECKING:
    from dashboard.tables import TableWriter
    from exported_models.contract.trace import Trace


class TableFile(Protocol):
    """Takes the table of a translation; ``sentence`` is its line, 0 for a text alone."""

    def __call__(self, trace: Trace, sentence: int = 0) -> None: ...


@contextlib.contextmanager
def open_table_file(name: TableName, csv: Path | None, parquet: Path | None) -> Iterator[TableFile]:
    """Open the file of a table of traces as `open_table` does; without one nothing is written."""
    with open_table(name, csv, parquet) as writer:

        def write(trace: Trace, sentence: int = 0) -> None:
            from dashboard.tables import make_table

            if writer is not None:
                writer.add(make_table(name, trace, sentence=sentence))

        yield write


@contextlib.contextmanager
def open_table(name: AnyTable, csv: Path | None, parquet: Path | None) -> Iterator[TableWriter | None]:
    """Open the file that was asked for; None where none was.

    Rows go to a file beside it, which takes its name when the last one is written.

    Raises:
        MissingPackageError: it is to be Parquet, and pyarrow is not installed.
        CommandError: the file cannot be written.
    """
    path = csv or parquet
    if path is None:
        yield None
        return
    from dashboard.tables import TableWriter

    kind: FileKind = "parquet" if parquet else "csv"
    with open_written(path) as stream, TableWriter(kind, name, stream) as writer:
        yield writer


def _one_file(context: click.Context, parameter: click.Parameter, value: Path | None) -> Path | None:
    if value is not None and (context.params.get("csv_file") or context.params.get("parquet_file")):
        raise click.BadParameter("write either CSV or Parquet.", context, parameter)
    return value


def table_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add ``--csv``, ``--parquet`` and ``--table`` to a command."""
    return table_file_options("a table of the search")(_TABLE(function))


def table_file_options(what: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add ``--csv`` and ``--parquet`` to a command, which write ``what``."""

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        return _file_option("csv", f"Write {what} as CSV.")(
            _file_option("parquet", f"Write {what} as Parquet (needs pyarrow).")(function)
        )

    return decorate


def _file_option(kind: FileKind, text: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    path = click.Path(path_type=Path, dir_okay=False)
    return click.option(f"--{kind}", f"{kind}_file", type=path, callback=_one_file, metavar="FILE", help=text)


_TABLE = click.option(
    "--table",
    type=click.Choice(TABLES),
    default=TABLES[0],
    show_default=True,
    help="Which table: every token of all hypotheses, the candidates of every step, the top k, or attention.",
)
