"""Files that the page saves: every view for print, tables, and the trace."""

from __future__ import annotations

import base64
import csv
import io
import xml.etree.ElementTree as ET
from typing import get_args

import pytest
from dash import html
from pyarrow import parquet

from dashboard.drawing.palette import colors
from dashboard.services import Services
from dashboard.state.page_state import Json, PageState
from dashboard.state.question import PrintedView, Question
from dashboard.table_columns import COLUMNS
from dashboard.views.answers import answer
from dashboard.views.exports import PNG_SCALE, layout
from exported_models.contract.errors import BeamscopeError
from exported_models.contract.request import Request
from exported_models.contract.workspace import Workspace

STATE = PageState(Request("dates", "03/04/05"))
BOTH = PageState(Request("dates", "03/04/06")).pin(STATE)
VIEWS = get_args(PrintedView)


@pytest.fixture(scope="module")
def services(dates_workspace: Workspace) -> Services:
    return Services.open(dates_workspace)


def save(services: Services, value: str, kind: str, state: PageState = STATE, **more: object) -> Json:
    wish = {"verb": "export", "value": value, "format": kind}
    file: Json = answer(services, Question.model_validate({"wish": wish, "state": state.to_json(), **more}))["download"]
    return file


def texts_in(svg: str) -> list[str]:
    return [element.text for element in ET.fromstring(svg).iter() if element.text and element.text.strip()]


def test_the_panel_has_a_button_for_every_file() -> None:
    rows = layout().children
    assert isinstance(rows, list)
    buttons = [button for row in rows for button in row.children if isinstance(button, html.Button)]
    names = [getattr(button, "aria-label") for button in buttons]

    assert len(set(names)) == len(names) == 2 * (len(VIEWS) + len(COLUMNS)) + 2
    asked = [wish for button in buttons if (wish := vars(button).get("data-wish"))]
    wishes = [Question.model_validate_json(f'{{"wish": {wish}}}').wish for wish in asked]
    assert [wish.verb for wish in wishes if wish] == ["export"] * (len(names) - 1)


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_is_saved_for_print_whatever_the_page_wears(services: Services, view: str) -> None:
    dark = {"theme": "dark"}
    alone, both = (save(services, view, "svg", state, options=dark) for state in (STATE, BOTH))
    pixels = save(services, view, "png", options=dark)

    assert alone["filename"] == f"dates-{view}.svg"
    assert (pixels["filename"], pixels["content"], pixels["scale"]) == (
        f"dates-{view}.png",
        alone["content"],
        PNG_SCALE,
    )
    for file in (alone, both):
        assert f'<rect width="100%" height="100%" fill="{colors("light")["card"]}"/>' in file["content"]
        assert "@font-face" in file["content"]
        assert texts_in(file["content"])[0] == texts_in(file["content"])[2]
    assert [" 03/04/06" in texts_in(file["content"])[0] for file in (alone, both)] == [False, True]


def test_the_neighbors_are_those_of_the_chosen_word(services: Services) -> None:
    chosen = {"side": "target", "index": 3}
    first, other = (save(services, "neighbors", "svg", selection=word)["content"] for word in (None, chosen))

    assert any("step 7, before “3” · closest call" in text for text in texts_in(first))
    assert any(text.startswith("step 4, before “5” · Nearest state at") for text in texts_in(other))


def test_tables_of_the_shown_hypothesis_are_saved(services: Services) -> None:
    second = PageState(STATE.request, hypothesis=1)
    rows = base64.b64decode(save(services, "top_k", "csv", second)["content"]).decode().splitlines()
    content = base64.b64decode(save(services, "hypotheses", "parquet", second)["content"])

    assert rows[1].split(",")[4] == "1"
    assert set(parquet.read_table(io.BytesIO(content)).to_pydict()["text"]) >= {"2005-03-04", "2005-09-04"}


def read_rows(file: Json) -> list[dict[str, str]]:
    content = base64.b64decode(file["content"]).decode()
    return list(csv.DictReader(io.StringIO(content, newline="")))


def test_the_neighbors_of_every_word_are_a_table(services: Services) -> None:
    rows = read_rows(save(services, "neighbors", "csv", options={"space": "context"}))
    store = services.store("dates")
    assert store is not None
    nearest = next(row for row in rows if row["position"] == "6")

    assert {row["space"] for row in rows} == {"context"}
    assert [int(row["position"]) for row in rows if row["rank"] == "0"] == list(range(11))
    assert (nearest["token"], nearest["by_model"]) == ("3", "False")
    assert nearest["pair_target"] == store.pair(int(nearest["pair"])).target
    assert nearest["pair_token"] == nearest["pair_target"][int(nearest["pair_position"])]


def test_a_comparison_is_a_table_of_its_columns(services: Services) -> None:
    rows = read_rows(save(services, "comparison", "csv", BOTH))
    changed = [row for row in rows if row["change"] == "changed"]

    assert {(row["source"], row["other_source"]) for row in rows} == {("03/04/05", "03/04/06")}
    assert ["".join(row[name] for row in rows[:10]) for name in ("token", "other_token")] == [
        rows[0]["text"],
        rows[0]["other_text"],
    ]
    assert changed[0]["token"] != changed[0]["other_token"]
    with pytest.raises(BeamscopeError, match="Nothing is compared"):
        save(services, "comparison", "csv")


def test_a_file_that_there_is_not_is_no_question() -> None:
    with pytest.raises(ValueError, match="matrix is written as svg or png, not as csv"):
        Question.model_validate({"wish": {"verb": "export", "value": "matrix", "format": "csv"}})


def test_what_cannot_be_drawn_is_one_sentence(services: Services, outdated_workspace: Workspace) -> None:
    with pytest.raises(BeamscopeError, match="was built with the model"):
        save(Services.open(outdated_workspace), "map", "svg")
    nothing = Question.model_validate({"wish": {"verb": "export", "value": "tree", "format": "svg"}})
    with pytest.raises(BeamscopeError, match="no translation yet"):
        answer(services, nothing)
