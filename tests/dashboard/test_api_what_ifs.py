"""Many what-ifs over HTTP: tried, swept, and searched for attention."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from exported_models.contract.workspace import Workspace
from tests.dashboard.serving import client_of

REQUEST = {"model_id": "dates", "source": "March 3, 1999"}


@pytest.fixture(scope="module")
def client(dates_workspace: Workspace) -> Iterator[TestClient]:
    with client_of(dates_workspace) as client:
        yield client


def ask(client: TestClient, call: str, **asked: object) -> Any:
    reply = client.post(f"/api/v1/{call}", json={"request": REQUEST, **asked})
    return reply.json() if reply.status_code == 200 else (reply.status_code, reply.json()["field"])


def test_what_ifs_are_ranked_and_can_be_asked_for_in_parts(client: TestClient) -> None:
    whole = ask(client, "what-ifs", kinds=["words", "heads"])

    parts = [ask(client, "what-ifs", kinds=["words", "heads"], first=first, count=30) for first in (0, 30)]

    shares = [trial["changed_share"] for trial in whole["trials"]]
    assert shares == sorted(shares, reverse=True)
    assert len(whole["trials"]) == whole["total"] == parts[0]["total"] == sum(len(part["trials"]) for part in parts)
    wishes = [trial["wish"] for part in parts for trial in part["trials"]]
    assert sorted(map(str, wishes)) == sorted(str(trial["wish"]) for trial in whole["trials"])
    first = whole["trials"][0]
    alone = client.post("/api/v1/what-if", json={"request": REQUEST, "wish": first["wish"]}).json()
    assert (alone["words"], alone["trace"]["text"]) == (first["words"], first["text"])


def test_substitutes_are_tried_for_a_word(client: TestClient) -> None:
    found = ask(client, "what-ifs", kinds=["substitutes"], substitutes={"word": 0, "texts": ["May", "June"]})

    assert {trial["text"] for trial in found["trials"]} == {"1999-05-03", "1999-06-03"}


@pytest.mark.parametrize("side", ["source", "target"])
def test_suggested_words_are_tried_where_none_are_named(client: TestClient, side: str) -> None:
    found = ask(client, "what-ifs", kinds=["substitutes"], substitutes={"word": 0, "side": side})
    part = ask(client, "what-ifs", kinds=["substitutes"], substitutes={"word": 0, "side": side}, first=0, count=3)

    assert 3 < found["total"] == part["total"] == len({trial["wish"]["text"] for trial in found["trials"]})
    assert {trial["wish"]["verb"] for trial in found["trials"]} == {
        "substitute" if side == "source" else "substitute_target"
    }
    shares = [trial["changed_share"] for trial in found["trials"] if not trial["reason"]]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 0
    assert len(part["trials"]) == 3


def test_attention_is_found_and_can_be_applied(client: TestClient) -> None:
    found = ask(client, "find-attention", step=3, token="1")

    best = found["trials"][0]
    top_k = client.post("/api/v1/translate", json=REQUEST).json()["top_k"][3]
    rank = [choice["token"] for choice in top_k].index("1")
    assert ask(client, "find-attention", step=3, rank=rank) == found
    assert (found["found"], best["succeeds"], best["source"]) == (True, True, "1")
    applied = client.post("/api/v1/what-if", json={"request": REQUEST, "wish": best["wish"]}).json()["trace"]
    assert applied["top_k"][3][0]["token"] == "1"
    assert applied["top_k"][3][0]["probability"] == pytest.approx(best["probability"], abs=1e-4)


def test_a_sweep_names_the_winner_of_every_setting(client: TestClient) -> None:
    found = ask(client, "sweep", beam_sizes=[1, 4], length_penalties=[0, 2])

    assert found["winners"] == [[0, 0], [0, 0]]
    assert found["hypotheses"][0]["text"] == "1999-03-03"
    assert {event["event"] for event in found["events"]} >= {"appears"}


@pytest.mark.parametrize(
    ("call", "asked", "expected"),
    [
        ("what-ifs", {"kinds": []}, (422, "kinds")),
        ("what-ifs", {"hypothesis": 99}, (422, "hypothesis")),
        ("what-ifs", {"kinds": ["substitutes"], "substitutes": {"word": 99}}, (422, "word")),
        ("what-ifs", {"request": {**REQUEST, "model_id": "gone"}}, (404, "model_id")),
        ("find-attention", {"step": 99, "token": "1"}, (422, "step")),
        ("find-attention", {"step": 0, "token": "ß"}, (422, "token")),
        ("find-attention", {"step": 0, "rank": 99}, (422, "wish.rank")),
        ("find-attention", {"step": 0}, (422, "token")),
        ("sweep", {"beam_sizes": [2, 1]}, (422, "beam_sizes")),
        ("sweep", {"beam_sizes": [101]}, (422, "beam_sizes.0")),
    ],
)
def test_what_cannot_be_tried_is_refused_by_name(
    client: TestClient, call: str, asked: dict[str, object], expected: tuple[int, str]
) -> None:
    assert ask(client, call, **asked) == expected
