"""The notebook of the Python API runs from its first cell to its last."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from exported_models.contract.workspace import Workspace

NOTEBOOK = Path(__file__).parents[2] / "examples" / "python_api.ipynb"


def run_cell(code: str, names: dict[str, Any]) -> object:
    """Run a cell; the value of its last expression, which a notebook shows, or None."""
    *statements, last = ast.parse(code).body
    shown = ast.Expression(last.value) if isinstance(last, ast.Expr) else None
    body = ast.Module(statements if shown else [*statements, last], [])
    exec(compile(body, NOTEBOOK.name, "exec"), names)
    return eval(compile(shown, NOTEBOOK.name, "eval"), names) if shown else None


def test_every_cell_runs_and_shows_what_its_text_says(
    dates_workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(dates_workspace.root)
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    names: dict[str, Any] = {}
    values = [run_cell("".join(cell["source"]), names) for cell in cells if cell["cell_type"] == "code"]

    assert [cell["id"] for cell in cells if cell.get("outputs")] == []
    assert sum(hasattr(value, "_repr_html_") for value in values) == 7
    assert names["t"].text == "2005-03-04"
    assert [one.text for one in (names["attended"], names["chosen"])] == ["2005-04-04", "2005-09-04"]
    printed = capsys.readouterr().out
    assert "closer to the training data than" in printed
    assert printed.endswith("True\n")
