"""Session files: written, read again, and refused in one sentence; and the worked examples against the model."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.errors import SessionError
from dashboard.services import Services
from dashboard.state.packing import pack
from dashboard.state.page_state import Json, PageState
from dashboard.state.session import MAX_MOMENTS, MAX_SESSION_BYTES, SessionDocument, read_session
from dashboard.views.sessions import FRAGMENT, SESSION, SessionQuestion, open_session
from dashboard.worked_examples import load_examples
from exported_models.contract.request import Request
from exported_models.contract.workspace import Workspace
from tests.dashboard.serving import client_of

ORIGIN = PageState(Request("dates", "03/04/05"))
MARKUP = "<img src=x onerror=alert(1)><script>alert(2)</script> & “quoted”"
SESSION_FILE: Json = {
    "format": "beamscope-session",
    "version": 1,
    "title": "Which month?",
    "moments": [
        {"state": ORIGIN.to_json(), "label": "“03/04/05”", "text": "2005-03-04", "score": -0.055, "next": 1},
        {
            "state": PageState(Request("dates", "03/04/05", prefix=("2",))).to_json(),
            "label": "keep “2”",
            "parent": 0,
            "name": "try",
            "note": MARKUP,
            "star": True,
        },
    ],
    "current": 1,
    "pinned": 0,
    "views": {"drawing": "matrix", "a control of later": 3},
}


@pytest.fixture(scope="module")
def services(dates_workspace: Workspace) -> Services:
    return Services.open(dates_workspace)


@pytest.fixture(scope="module")
def app(dates_workspace: Workspace) -> Iterator[TestClient]:
    with client_of(dates_workspace) as client:
        yield client


def changed(**fields: object) -> Json:
    """The session with other fields."""
    return {**SESSION_FILE, **fields}


def test_what_is_written_is_read_again() -> None:
    session = read_session(json.dumps(SESSION_FILE))

    assert read_session(session.to_json()) == session
    assert session.state_of(0) == ORIGIN
    assert (session.moments[1].note, session.moments[1].star, session.pinned) == (MARKUP, True, 0)
    assert (session.views.drawing, session.models) == ("matrix", ("dates",))


def test_paths_kept_beside_the_beam_are_read_again(services: Services) -> None:
    kept = PageState(Request("dates", "03/04/05", kept=(tuple("2009"),)), 5)
    moment = {"state": kept.to_json(), "label": "4: “9” beside the beam", "parent": 0}
    session = read_session(json.dumps(changed(moments=[SESSION_FILE["moments"][0], moment], views={})))
    answer = open_session(services, SessionQuestion(text=session.to_json()))
    shown = answer["session"]["moments"][1]["state"]

    assert PageState.from_json(shown) == kept == session.state_of(1)
    _, hypothesis = services.chosen(PageState.from_json(shown))
    assert (hypothesis.tokens[:4], hypothesis.beside) == (tuple("2009"), True)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (json.dumps(SESSION_FILE)[:-120], "damaged or was cut off"),
        ("", "damaged or was cut off"),
        ("[" * 100_000, "damaged or was cut off"),
        ("[]", "not a session file"),
        (json.dumps({"moments": []}), "not a session file"),
        (
            json.dumps(changed(version=2, moments="in a way of its own")),
            "is of version 2, and this Beamscope reads up to",
        ),
        (json.dumps(changed(version="x")), "mistake at version"),
        (json.dumps(changed(moments=[])), "mistake at moments"),
        (json.dumps(changed(moments=SESSION_FILE["moments"] * MAX_MOMENTS)), "mistake at moments"),
        (json.dumps(changed(moments=[{**SESSION_FILE["moments"][0], "next": None, "parent": 0}])), "the parent 0"),
        (json.dumps(changed(current=2)), "current is moment 2, and there are 2"),
        (json.dumps(changed(pinned=-1)), "pinned is moment -1"),
        (" " * (MAX_SESSION_BYTES + 1), "has 2.0 MB, and files of up to 2 MB"),
    ],
)
def test_what_is_no_session_is_refused_in_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(SessionError, match=sentence) as caught:
        read_session(text)

    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")
    assert len(str(caught.value)) < 300


def read_or_refuse(text: str) -> SessionDocument | str:
    """The session, or the sentence that refuses it."""
    try:
        return read_session(text)
    except SessionError as error:
        return str(error)


@settings(max_examples=60)
@given(st.integers(0, 1200), st.text(max_size=4))
def test_no_damage_does_worse_than_a_sentence(place: int, inserted: str) -> None:
    text = json.dumps(SESSION_FILE)
    damaged = text[: place % len(text)] + inserted + text[place % len(text) + len(inserted) + 1 :]

    found = read_or_refuse(damaged)

    assert found.endswith(".") if isinstance(found, str) else read_session(found.to_json()) == found


def test_a_session_is_opened_by_its_text_its_name_and_its_link(app: TestClient) -> None:
    text = json.dumps(SESSION_FILE)
    questions = [{"text": text, "size": len(text)}, {"fragment": "#" + FRAGMENT + pack(SESSION_FILE)}]

    by_text, by_link = (app.post(SESSION, json=question).json() for question in questions)
    by_name = app.post(SESSION, json={"name": "2-a-search-error"}).json()

    assert by_text == by_link
    assert by_text["warning"] == ""
    assert by_text["session"]["moments"][1]["note"] == MARKUP
    assert by_text["session"]["views"]["drawing"] == "matrix"
    assert "room" not in by_text["session"]["views"]
    assert by_name["session"]["title"].startswith("A search error")


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ({"size": 5_000_000}, "The session file has 5.0 MB"),
        ({"text": "{"}, "damaged or was cut off"),
        ({"name": "<b>no</b>"}, "There is no session named '<b>no</b>' here; there are: 1-one-number-twice, "),
        ({"fragment": "#s1.AAAA"}, "This link does not hold a session"),
        ({"fragment": "#s1." + "A" * 9_000}, "This link does not hold a session"),
        ({"fragment": "#" + FRAGMENT + pack({"format": "other"})}, "not a session file"),
    ],
)
def test_a_session_that_cannot_be_opened_is_a_notice(app: TestClient, question: Json, sentence: str) -> None:
    answer = app.post(SESSION, json=question).json()

    assert set(answer) == {"notice"}
    assert sentence in answer["notice"]["text"]


def test_models_that_are_gone_or_not_what_they_were_are_named(services: Services) -> None:
    moments = SESSION_FILE["moments"]
    gone = {"state": PageState(Request("gone", "x")).to_json()}
    now = services.engine.model("dates").content_hash
    then, kept = moments[0] | {"model_hash": "0" * 64}, moments[1] | {"model_hash": now}
    text = json.dumps(changed(moments=[then, kept, gone]))

    answer = open_session(services, SessionQuestion(text=text))

    assert "The model gone is not in this workspace" in answer["warning"]
    assert "The model dates has changed since this was kept" in answer["warning"]
    assert len(answer["session"]["moments"]) == 3


def test_the_session_that_the_server_was_started_with_is_offered_by_name(dates_workspace: Workspace) -> None:
    session = SessionDocument.model_validate(SESSION_FILE)
    services = Services.open(dates_workspace, session=session)

    assert open_session(services, SessionQuestion(name="opened"))["session"]["title"] == "Which month?"


def test_worked_examples_say_what_the_shipped_model_does(services: Services) -> None:
    examples = load_examples(["dates"])

    assert len(examples) == 3
    assert load_examples(["another"]) == {}
    for session in examples.values():
        assert all(moment.name and moment.note for moment in session.moments)
        for index, moment in enumerate(session.moments):
            _, best = services.chosen(session.state_of(index))
            assert best.text == moment.text
            assert best.normalized == pytest.approx(moment.score, abs=1e-3)
