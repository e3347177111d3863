"""A session as a report: whole, readable offline, and honest about what it cannot show."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from dashboard.errors import SessionError
from dashboard.services import Services
from dashboard.state.page_state import Json
from dashboard.state.session import validate_session
from dashboard.views.report import MAX_DRAWN, ReportQuestion, answer_report, report_session
from exported_models.contract.workspace import Workspace

MARKUP = "<script>alert('x')</script> & <b>"


@pytest.fixture(scope="module")
def services(dates_workspace: Workspace) -> Services:
    return Services.open(dates_workspace)


def session(*moments: Json, **more: object) -> Json:
    return {"format": "beamscope-session", "version": 1, "moments": list(moments), **more}


def moment(source: str = "03/04/05", model_id: str = "dates", **more: object) -> Json:
    request = {"model_id": model_id, "source": source, **dict(more.pop("request", {}))}  # type: ignore[call-overload]
    return {"state": {"request": request, "hypothesis": 0}, **more}


class Reader(HTMLParser):
    """Collects tags, targets and texts, and fails where the tags are not nested."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.targets: list[str] = []
        self.anchors: list[str] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(document)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append(tag)
        self.targets += [value or "" for name, value in attrs if name in ("href", "src")]
        self.anchors += [found["id"] or ""] if "id" in found else []
        if tag != "meta":
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_every_answer_has_its_section_and_nothing_is_fetched(services: Services) -> None:
    asked = session(
        moment(name="Month first", note=f"A note.\n{MARKUP}", star=True),
        moment(request={"prefix": list("2005-09")}, label="7: “3” → “9”", parent=0),
        moment("04/13/05", label="another source", parent=1),
        title=MARKUP,
        current=1,
        pinned=0,
    )
    document = report_session(services, validate_session(asked))
    found = Reader(document)

    assert found.anchors[:4] == ["compared", "answer-1", "answer-2", "answer-3"]
    assert {f"#{anchor}" for anchor in found.anchors} >= {one for one in found.targets if one.startswith("#")}
    assert [one for one in found.targets if not one.startswith(("#", "data:"))] == []
    assert not re.search(r"url\((?!data:)|@import", document)
    assert "script" not in found.tags
    assert MARKUP in "".join(found.texts)
    text = " ".join(found.texts)
    assert "“03/04/05” gives “2005-09-04”." in text
    assert "Source: “3” became “4”" in text
    # One drawing each, trees of what is marked or on view, the states of what is on view, and all of what is compared.
    titles = [one for one in found.texts if " of dates: " in one or " · dates: " in one]
    assert found.tags.count("svg") >= 12
    for view in (
        "Compare",
        "Beam trees",
        "Translation",
        "Beam tree",
        "Attention",
        "Decoder states",
        "Training examples",
    ):
        assert any(title.startswith(view) for title in titles), view
    assert document.count("@font-face") == 1


def test_what_cannot_be_shown_is_said_and_the_rest_is_there(services: Services) -> None:
    asked = session(
        moment(),
        moment(model_id="gone", text="a word", label="other model", parent=0),
        moment(request={"prefix": ["no such token"]}, label="damaged", parent=0),
        moment(model_hash="0" * 64, label="old build", parent=0),
        pinned=1,
    )
    text = " ".join(Reader(report_session(services, validate_session(asked))).texts)

    assert "The model gone is not in this workspace" in text
    assert "It was “a word”." in text
    assert "'no such token' is not one the model can produce" in text
    assert "The model dates has changed since this was kept" in text
    assert "“03/04/05” gives “2005-03-04”." in text


def test_a_long_history_is_drawn_in_part_and_listed_whole(services: Services) -> None:
    count = MAX_DRAWN + 2
    moments = [moment(label=f"step {place}", parent=place - 1 if place else None) for place in range(count)]
    found = Reader(report_session(services, validate_session(session(*moments, current=count - 1))))

    assert sum(anchor.startswith("answer-") for anchor in found.anchors) == count
    assert f"{MAX_DRAWN} of them are drawn" in " ".join(found.texts)
    assert MAX_DRAWN <= found.tags.count("svg") < MAX_DRAWN + 10


def test_the_page_gets_a_file_and_no_other_document_is_taken(services: Services) -> None:
    file = answer_report(services, ReportQuestion(session=session(moment())))["download"]

    assert (file["filename"], file["type"]) == ("beamscope-report.html", "text/html")
    assert "<nav>" not in file["content"]
    with pytest.raises(SessionError, match="not a session file"):
        answer_report(services, ReportQuestion(session={"format": "other"}))
