"""Tables of a trace, its neighbors or a comparison, for analysis elsewhere: as CSV, and as Parquet with pyarrow.

A row names its translation (``sentence``, ``model_id``, ``source``), so that tables of many translations can be put
into one file. Log-probabilities are natural.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, BinaryIO, Final

import numpy as np

from dashboard.errors import MissingPackageError
from dashboard.table_columns import COLUMNS, AnyTable, FileKind, TableName
from exported_models.comparison.comparison import Comparison
from exported_models.comparison.sides import Side
from exported_models.contract.errors import RequestError
from exported_models.contract.trace import ROOT, Trace
from state_store.neighborhood import TokenEvidence

Row = tuple[Any, ...]
MAX_ROWS: Final = 1_000_000
"""Most rows of a table of attention: a long sentence of a deep model has millions of weights."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of a translation; ``COLUMNS`` has their names and types."""

    name: AnyTable
    rows: Sequence[Row]

    def to_columns(self) -> dict[str, list[Any]]:
        """Column name -> values, as data frames take them."""
        names = list(COLUMNS[self.name])
        values = zip(*self.rows, strict=True) if self.rows else ((),) * len(names)
        return {name: list(column) for name, column in zip(names, values, strict=True)}


def make_table(name: TableName, trace: Trace, rank: int = 0, sentence: int = 0) -> Table:
    """A table of a trace.

    Args:
        rank: the hypothesis of ``top_k`` and ``attention``; the other tables are of the whole search.
        sentence: number of the translation, for instance a line of a file.

    Raises:
        RequestError: it would have more than `MAX_ROWS` weights.
    """
    return Table(name, [(*_name(trace, sentence), *row) for row in _ROWS[name](trace, rank)])


def make_neighbor_table(trace: Trace, rank: int, space: str, evidence: Sequence[TokenEvidence]) -> Table:
    """The neighbors of tokens of a hypothesis, token by token and nearest first."""
    own = (*_name(trace, 0), rank, space)
    return Table("neighbors", [(*own, *row) for token in evidence for row in _list_neighbors(token)])


def make_comparison_table(found: Comparison, sentence: int = 0) -> Table:
    """The aligned columns of two translations; ``sentence`` as of `make_table`."""
    before, after = found.before, found.after
    own = (*_name(before.trace, sentence), before.hypothesis.text, *_name(after.trace, sentence)[1:])
    rows = [
        (*own, after.hypothesis.text, place, str(one.change), *_cells(before, one.before), *_cells(after, one.after))
        for place, one in enumerate(found.columns)
    ]
    return Table("comparison", rows)


def _name(trace: Trace, sentence: int) -> Row:
    return (sentence, trace.request.model_id, trace.model_hash, trace.request.source)


def write_csv(tables: Sequence[Table]) -> str:
    """Tables of one name under one header, as RFC 4180 has it."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    writer.writerow(COLUMNS[tables[0].name])
    for table in tables:
        writer.writerows(table.rows)
    return stream.getvalue()


def write_parquet(tables: Sequence[Table]) -> bytes:
    """Tables of one name as one Parquet file.

    Raises:
        MissingPackageError: pyarrow is not installed.
    """
    stream = io.BytesIO()
    with TableWriter("parquet", tables[0].name, stream) as writer:
        for table in tables:
            writer.add(table)
    return stream.getvalue()


def write_table(table: Table, kind: FileKind) -> bytes:
    """A table as a file.

    Raises:
        MissingPackageError: it is to be Parquet, and pyarrow is not installed.
    """
    return write_parquet([table]) if kind == "parquet" else write_csv([table]).encode()


class TableWriter:
    """Writes tables of one name to a binary stream, one after the other; a context manager."""

    def __init__(self, kind: FileKind, name: AnyTable, stream: BinaryIO) -> None:
        """Begin the file.

        Raises:
            MissingPackageError: it is to be Parquet, and pyarrow is not installed.
        """
        self._stream = stream
        self._parquet = None
        if kind == "parquet":
            self._arrow, parquet = import_arrow()
            fields = [(column, getattr(self._arrow, _ARROW_TYPES[each])()) for column, each in COLUMNS[name].items()]
            self._schema = self._arrow.schema(fields)
            self._parquet = parquet.ParquetWriter(stream, self._schema)
        else:
            stream.write(write_csv([Table(name, [])]).encode())

    def add(self, table: Table) -> None:
        """Write the rows of a table."""
        if self._parquet:
            self._parquet.write_table(self._arrow.table(table.to_columns(), schema=self._schema))
        else:
            self._stream.write(write_csv([table]).partition("\r\n")[2].encode())

    def __enter__(self) -> TableWriter:
        return self

    def __exit__(self, *_: object) -> None:
        if self._parquet:
            self._parquet.close()


_ARROW_TYPES: Final = {
    "int32": "int32",
    "int64": "int64",
    "float64": "float64",
    "string": "string",
    "bool": "bool_",
}


def import_arrow() -> tuple[ModuleType, ModuleType]:
    """The package pyarrow and its Parquet module.

    Raises:
        MissingPackageError: pyarrow is not installed.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            "Parquet needs the package pyarrow, which the base install leaves out: run pip install pyarrow; CSV needs "
            "no package."
        ) from error
    return pyarrow, parquet


def _list_hypotheses(trace: Trace, _rank: int) -> Iterator[Row]:
    for rank, one in enumerate(trace.hypotheses):
        own = (rank, one.text, one.score, one.normalized, one.finished, one.beside)
        before = trace.nodes[ROOT].score
        for step, node in enumerate(one.nodes):
            score = trace.nodes[node].score
            yield (*own, step, one.token_ids[step], one.tokens[step], one.log_probs[step], score - before)
            before = score


def _list_candidates(trace: Trace, _rank: int) -> Iterator[Row]:
    for step, record in enumerate(trace.steps):
        for one in record.candidates:
            prefix = " ".join(node.token for node in trace.path(one.parent))
            numbers = (one.log_prob, one.score, one.normalized)
            pruned_by = None if one.pruned_by is None else str(one.pruned_by)
            yield (step, one.rank, prefix, one.token_id, one.token, *numbers, str(one.fate), pruned_by)


def _list_top_k(trace: Trace, rank: int) -> Iterator[Row]:
    shown = trace.hypotheses[rank]
    for step, (chosen, choices) in enumerate(zip(shown.tokens, trace.top_k(shown), strict=True)):
        for place, choice in enumerate(choices):
            yield (rank, step, chosen, place, choice.token_id, choice.token, choice.log_prob)


def _list_attention(trace: Trace, rank: int) -> Iterator[Row]:
    shown = trace.hypotheses[rank]
    attention = trace.attention(shown)
    if attention is None:
        return
    if attention.size > MAX_ROWS:
        raise RequestError(
            f"The table of attention would have {attention.size:,} rows, and may have {MAX_ROWS:,}; take the array "
            "from Python (`beamscope.Translation.attention`).",
            field="table",
        )
    for (step, layer, head, position), weight in np.ndenumerate(attention):
        source = trace.source.tokens[position]
        yield (rank, step, shown.tokens[step], layer, head, position, source, float(weight))


def _list_neighbors(token: TokenEvidence) -> Iterator[Row]:
    for rank, one in enumerate(token.neighbors):
        pair = one.pair
        of_pair = (pair.sentence, pair.line, pair.source, pair.target, pair.target_is_model_output)
        near = (rank, one.distance, one.duplicates, *of_pair, one.position, one.token, one.next_token)
        yield (token.position, token.token, *near)


def _cells(side: Side, places: Sequence[int]) -> Row:
    """First step, tokens and log-probability of a side of a column."""
    if not places:
        return (None, None, None)
    shown = side.hypothesis
    token = " ".join(shown.tokens[place] for place in places)
    return (places[0], token, sum(shown.log_probs[place] for place in places))


_ROWS: Final[Mapping[TableName, Callable[[Trace, int], Iterator[Row]]]] = {
    "hypotheses": _list_hypotheses,
    "candidates": _list_candidates,
    "top_k": _list_top_k,
    "attention": _list_attention,
}
