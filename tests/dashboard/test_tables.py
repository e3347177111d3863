"""Tables of a trace as files: what they hold adds up, and both kinds hold the same."""

from __future__ import annotations

import csv
import io
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pyarrow import parquet

from dashboard.errors import MissingPackageError
from dashboard.table_columns import COLUMNS, MEDIA_TYPES, TABLES, TableName
from dashboard.tables import TableWriter, make_table, write_csv, write_parquet
from exported_models.contract.request import Request
from exported_models.contract.trace import Fate, Trace
from exported_models.contract.workspace import Workspace
from exported_models.engine import Engine
from tests.dashboard.serving import client_of

ASKED = {"model_id": "dates", "source": "03/04/05"}


@pytest.fixture(scope="module")
def trace(dates_workspace: Workspace) -> Trace:
    return Engine(dates_workspace).translate(Request("dates", "03/04/05"))


@pytest.fixture(scope="module")
def client(dates_workspace: Workspace) -> Iterator[TestClient]:
    with client_of(dates_workspace) as client:
        yield client


def read_parquet(content: bytes) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = parquet.read_table(io.BytesIO(content)).to_pydict()
    return found


def test_the_parts_of_every_hypothesis_add_up_to_its_score(trace: Trace) -> None:
    columns = read_parquet(write_parquet([make_table("hypotheses", trace)]))
    sums: dict[int, float] = defaultdict(float)
    for rank, part in zip(columns["hypothesis"], columns["score_part"], strict=True):
        sums[rank] += part

    assert [sums[rank] for rank in range(len(trace.hypotheses))] == pytest.approx(
        [one.score for one in trace.hypotheses], abs=1e-9
    )
    assert columns["log_prob"] == pytest.approx(columns["score_part"], abs=1e-5)
    assert "".join(columns["token"][:10]) == trace.best.text == columns["text"][0]


def test_kept_paths_outside_the_n_best_list_are_told_by_a_column(dates_workspace: Workspace, trace: Trace) -> None:
    pruned = next(one for one in trace.steps[0].candidates if one.fate is Fate.PRUNED)
    kept = Engine(dates_workspace).translate(Request("dates", "03/04/05", kept=((pruned.token,),)))
    columns = make_table("hypotheses", kept).to_columns()
    beside = {rank for rank, told in zip(columns["hypothesis"], columns["beside"], strict=True) if told}

    assert beside == {len(trace.hypotheses)}
    assert kept.hypotheses[-1].tokens[0] == pruned.token
    assert not any(make_table("hypotheses", trace).to_columns()["beside"])


@pytest.mark.parametrize("name", TABLES)
def test_csv_and_parquet_hold_the_same_values_under_the_same_names(trace: Trace, name: TableName) -> None:
    table = make_table(name, trace, rank=1, sentence=7)
    rows = list(csv.DictReader(io.StringIO(write_csv([table, table]), newline="")))
    columns = read_parquet(write_parquet([table, table]))

    assert list(columns) == list(rows[0]) == list(COLUMNS[name])
    assert len(rows) == 2 * len(table.rows) > 50
    for column, values in columns.items():
        assert [row[column] for row in rows] == ["" if value is None else str(value) for value in values]
    assert table.to_columns() == {column: values[: len(table.rows)] for column, values in columns.items()}


def test_every_candidate_and_every_weight_has_its_row(trace: Trace) -> None:
    candidates, weights = (make_table(name, trace).to_columns() for name in ("candidates", "attention"))
    attention = trace.attention(trace.best)

    assert len(candidates["fate"]) == sum(len(step.candidates) for step in trace.steps)
    assert set(candidates["fate"]) == {"kept", "finished", "pruned"}
    assert attention is not None
    assert weights["weight"] == attention.ravel().tolist()
    assert max(weights["position"]) == len(trace.source) - 1


def test_a_table_comes_over_http_as_a_file(client: TestClient, trace: Trace) -> None:
    asked = {"request": ASKED, "table": "top_k", "hypothesis": 1}
    one, other = (client.post("/api/v1/table", json={**asked, "format": kind}) for kind in ("csv", "parquet"))

    assert one.text == write_csv([make_table("top_k", trace, 1)])
    assert read_parquet(other.content) == make_table("top_k", trace, 1).to_columns()
    assert [reply.headers["content-type"] for reply in (one, other)] == list(MEDIA_TYPES.values())
    assert one.headers["content-disposition"] == 'attachment; filename="top_k.csv"'
    assert client.post("/api/v1/table", json={**asked, "hypothesis": 99}).status_code == 422


def test_without_pyarrow_parquet_is_refused_and_csv_is_written(
    client: TestClient, trace: Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(MissingPackageError, match="needs the package pyarrow"):
        TableWriter("parquet", "top_k", io.BytesIO())
    refused = client.post("/api/v1/table", json={"request": ASKED, "format": "parquet"})
    assert (refused.status_code, refused.json()["field"]) == (501, "format")
    assert write_csv([make_table("top_k", trace)]).startswith("sentence,model_id,")


def test_the_page_of_the_documentation_names_every_column() -> None:
    page = (Path(__file__).parents[2] / "docs" / "export.md").read_text(encoding="utf-8")
    for name, columns in COLUMNS.items():
        row = page.partition(f"| `{name}` | ")[2].partition("|\n")[0]
        assert re.findall(r"`(\w+)`", row) == list(columns)[4:]
    assert list(COLUMNS["top_k"])[:4] == re.findall(r"`(\w+)`", page.partition("every table: ")[2].partition(";")[0])
