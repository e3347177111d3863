"""The page over a real model: what its panes are answered, asked as the browser asks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from dashboard.drawing.attention_ranking import AttentionView
from dashboard.errors import LinkError
from dashboard.services import Services
from dashboard.state.page_state import Json, PageState
from dashboard.state.question import Options, Translate
from dashboard.state.url_state import Link, decode_link, encode_fragment
from dashboard.views.answers import ANSWER, SURROUNDINGS, link_to
from dashboard.views.header import draw as draw_header
from dashboard.views.ids import HeaderRole, TranslationRole, TreeRole
from dashboard.views.shown import Surroundings, look, look_around
from dashboard.views.stages import NO_INDEX, find_in_states
from dashboard.views.wishes import Turn, open_link, translate
from exported_models.contract.documents import TraceDocument
from exported_models.contract.errors import RequestError
from exported_models.contract.manifest import Languages
from exported_models.contract.request import Request
from exported_models.contract.workspace import Workspace
from tests.dashboard.serving import client_of

SOURCE = "March 3, 1999"
STATE = PageState(Request("dates", SOURCE))


@pytest.fixture(scope="module")
def app(dates_workspace: Workspace) -> Iterator[TestClient]:
    with client_of(dates_workspace) as client:
        yield client


@pytest.fixture(scope="module")
def services(dates_workspace: Workspace) -> Services:
    return Services.open(dates_workspace)


def ask(app: TestClient, question: Json, path: str = ANSWER) -> Json:
    """The answer to a pane that shows ``STATE``."""
    reply = app.post(path, json={"state": STATE.to_json()} | question)
    assert reply.status_code == 200
    answer: Json = reply.json()
    return answer


def wish(app: TestClient, verb: str, **arguments: Any) -> PageState:
    """The pane's state after a wish."""
    return PageState.from_json(ask(app, {"wish": {"verb": verb, **arguments}})["state"])


def parts_of(answer: Json) -> dict[str, Json]:
    """Content of each part, by role."""
    return {role: content for role, _, content in answer["parts"]}


def texts_in(nodes: list[Any]) -> Iterator[str]:
    """Every text of drawn nodes, in order."""
    for node in nodes:
        if isinstance(node, str):
            yield node
        else:
            yield from texts_in(node[2])


def header(source: str, beam: int | None, penalty: float | None) -> Translate:
    """The wish of a visitor who typed a text."""
    return Translate(verb="translate", model="dates", source=source, beam_size=beam, length_penalty=penalty, typed=True)


def around(services: Services) -> Surroundings:
    return look_around(services, STATE, Options(), None, follows=False)


def open_at_first(services: Services, fragment: str) -> PageState | None:
    """The state of a page that opens with a link."""
    return open_link(services, Turn(None, None), fragment).state


def test_the_page_opens_with_an_example(services: Services) -> None:
    store = services.store("dates")

    assert store is not None
    assert open_at_first(services, "") == PageState(Request("dates", store.pair(0).source))


def test_a_link_opens_what_it_holds(services: Services) -> None:
    state = PageState(Request("dates", SOURCE, prefix=("2",)), 1)
    fragment = "#" + encode_fragment(state)

    assert open_at_first(services, fragment) == state
    with pytest.raises(LinkError):
        open_at_first(services, fragment[:-3])


def test_a_link_to_a_hypothesis_there_is_not_shows_the_last(services: Services) -> None:
    opened = open_at_first(services, encode_fragment(PageState(Request("dates", SOURCE, beam_size=2), 50)))

    assert opened is not None
    assert opened.hypothesis == 1


def test_a_page_too_long_for_a_link_has_none_and_says_so() -> None:
    incompressible = "".join(chr(0x4E00 + (index * 7919) % 20000) for index in range(4000))

    assert link_to(STATE)["refusal"] == ""
    refused = link_to(PageState(Request("dates", incompressible)))
    assert refused["fragment"] == ""
    assert "links end at 8 kB" in refused["refusal"]


def test_submitting_what_is_shown_changes_nothing(services: Services) -> None:
    assert translate(services, STATE, header(SOURCE, 5, 1.0)) == STATE
    changed = translate(services, STATE, header(SOURCE, 2, 1.0))
    assert changed is not None
    assert changed.request.beam_size == 2


@pytest.mark.parametrize("source", ["", "x" * 5000, "May 🙂", "<b>\x07</b>"])
def test_a_bad_text_is_one_clear_sentence(services: Services, source: str) -> None:
    with pytest.raises(RequestError) as caught:
        translate(services, STATE, header(source, None, None))

    assert "\n" not in str(caught.value)


def test_one_answer_fills_every_view(app: TestClient, services: Services) -> None:
    answer = ask(app, {"wish": {"verb": "choose", "step": 0, "rank": 1}})

    parts, state = parts_of(answer), PageState.from_json(answer["state"])
    trace, hypothesis = services.chosen(state)
    assert state.request.prefix == (services.trace(STATE.request).top_k(services.chosen(STATE)[1])[0][1].token,)
    assert "".join(texts_in(parts[TranslationRole.TARGET_WORDS]["html"])) == "".join(hypothesis.tokens[:-1]) + "⏎"
    assert len(parts[TranslationRole.TOP_K]["html"]) == len(hypothesis.tokens)
    assert len(parts[TreeRole.GRAPH]["graph"]) == 2 * len(trace.nodes) - 1
    assert [moment["label"] for moment in answer["moments"]] == [f"1: “1” → “{state.request.prefix[0]}”"]
    assert answer["moments"][0]["text"] == hypothesis.text
    assert answer["moments"][0]["score"] == pytest.approx(hypothesis.normalized, abs=1e-5)
    assert decode_link(answer["link"]["fragment"]) == Link(state, {"dates": trace.model_hash[:12]})


def test_what_the_browser_has_is_not_sent_again(app: TestClient) -> None:
    first = ask(app, {})
    held = {role: digest for role, digest, _ in first["parts"]}

    again = ask(app, {"held": held})
    moved = ask(app, {"held": held, "options": {"mass": 100}})

    assert len(held) > 10
    assert again["parts"] == []
    assert {role for role, _, _ in moved["parts"]} <= {TranslationRole.LINKS, TranslationRole.VIEW, "stages-sentence-3"}


def test_only_what_is_looked_at_is_sent(app: TestClient) -> None:
    links, matrix, text = (
        set(parts_of(ask(app, {"options": {"drawing": drawing}}))) for drawing in ("links", "matrix", "text")
    )

    drawings = {TranslationRole.LINKS, TranslationRole.MATRIX, TranslationRole.TWIN}
    assert links & drawings == {TranslationRole.LINKS}
    assert matrix & drawings == {TranslationRole.MATRIX}
    assert text & drawings == {TranslationRole.TWIN}


def test_a_node_of_the_tree_forces_its_path(app: TestClient, services: Services) -> None:
    trace, _ = services.chosen(STATE)

    state = wish(app, "force_node", node=trace.hypotheses[1].nodes[-1])

    assert state.request.prefix == trace.hypotheses[1].tokens


def test_another_hypothesis_is_the_same_request(app: TestClient) -> None:
    assert wish(app, "hypothesis", value="2") == PageState(STATE.request, 2)


def test_a_selected_word_is_let_go_where_the_sentence_has_none(app: TestClient) -> None:
    kept, gone = (ask(app, {"selection": {"side": "source", "index": index}})["selection"] for index in (2, 99))

    assert kept == {"side": "source", "index": 2}
    assert gone is None


def test_a_neighbor_opens_with_its_word_selected(app: TestClient, services: Services) -> None:
    store = services.store("dates")
    assert store is not None

    answer = ask(app, {"wish": {"verb": "neighbor", "value": "7:2"}, "options": {"space": "decoder"}})

    assert PageState.from_json(answer["state"]).request.source == store.pair(7).source
    assert answer["selection"] == {"side": "target", "index": 2}


def test_a_failing_wish_is_a_sentence_and_no_traceback(app: TestClient) -> None:
    bad = {**STATE.to_json(), "request": {"model_id": "dates", "source": "🙂"}}

    answer = ask(app, {"state": bad, "wish": {"verb": "choose", "step": 0, "rank": 1}})

    assert set(answer) == {"notice"}
    assert "not in the model's vocabulary" in answer["notice"]["text"]


@pytest.mark.parametrize("path", [ANSWER, SURROUNDINGS])
def test_an_unexpected_failure_is_logged_and_not_shown(
    app: TestClient, path: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_services: Services, _request: object) -> None:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr(Services, "trace", fail)

    answer = ask(app, {}, path)

    assert "Something went wrong" in answer["notice"]["text"]
    assert "defect" not in answer["notice"]["text"]
    assert any(record.exc_info for record in caplog.records)


def test_going_back_brings_the_request_back(app: TestClient) -> None:
    second = PageState(Request("dates", SOURCE, prefix=("2",)))

    answer = ask(app, {"state": second.to_json(), "wish": {"verb": "show", "state": STATE.to_json()}})

    assert PageState.from_json(answer["state"]) == STATE
    assert answer["warning"] == ""


def test_an_answer_of_another_build_is_named(app: TestClient) -> None:
    shown = ask(app, {"wish": {"verb": "show", "state": STATE.to_json(), "model_hash": "0" * 64}})
    opened = ask(app, {"wish": {"verb": "open", "fragment": encode_fragment(STATE, {"dates": "0" * 64})}})

    for answer in (shown, opened):
        assert PageState.from_json(answer["state"]) == STATE
        assert answer["warning"].startswith("The model dates has changed since this was kept: ")


def test_the_drawing_has_the_links_of_the_page(app: TestClient) -> None:
    for mass in (10, 75, 100):
        file = ask(
            app, {"wish": {"verb": "export", "value": "translation", "format": "svg"}, "options": {"mass": mass}}
        )["download"]

        links = parts_of(ask(app, {"options": {"mass": mass}}))[TranslationRole.LINKS]["graph"]
        edges = [element for element in links if "source" in element["data"]]
        assert file["filename"] == "dates-translation.svg"
        assert file["content"].count("<path") == len(edges)


def test_states_never_travel(app: TestClient) -> None:
    answer = ask(app, {"options": {"extent": "all"}})

    assert "states" not in json.dumps(answer["parts"])
    assert len(json.dumps(answer)) < 60_000


def test_the_strip_compares_states_with_the_corpus(services: Services) -> None:
    trace, hypothesis = services.chosen(STATE)

    encoder, decoder = find_in_states(around(services))

    assert encoder.sentence.endswith(f"of {len(trace.source)} tokens sit with their own")
    assert decoder.sentence.endswith(f"of {len(hypothesis.tokens)} steps")


def test_a_store_without_the_spaces_of_the_strip_has_nothing_to_judge(contexts_workspace: Workspace) -> None:
    assert find_in_states(around(Services.open(contexts_workspace))) == (NO_INDEX, NO_INDEX)


def test_languages_are_lists_beside_the_source_where_the_model_has_some(services: Services) -> None:
    shown = look(services, STATE, Options())
    languages = Languages(tags={"en": 5, "de": 4}, source="en", target=None, source_tag="before", target_tag="first")
    spoken = replace(shown, manifest=shown.manifest.model_copy(update={"languages": languages}))

    without, listed = (draw_header(each)[HeaderRole.SOURCE_LANGUAGE].content["control"] for each in (shown, spoken))

    assert (without["data"], without["display"]) == ([], "none")
    assert ([each["value"] for each in listed["data"]], listed["display"]) == (["de", "en"], "block")


def test_a_language_that_the_model_lacks_is_refused_in_a_sentence(app: TestClient) -> None:
    answer = ask(app, {"wish": {"verb": "set_languages", "target": "xx"}})

    assert answer["notice"]["text"] == "dates has no target language to choose; leave 'xx' out."


def test_a_layer_that_the_model_lacks_becomes_the_clearest(services: Services) -> None:
    shown = look(services, STATE, Options(layer=7, head=9))

    assert shown.view == AttentionView(0, 0, clearest=True)


def test_the_clearest_attention_is_drawn_first_and_what_is_picked_instead(services: Services) -> None:
    first, mean = (look(services, STATE, options) for options in (Options(), Options(layer="mean", head=0)))

    assert first.view == AttentionView(0, 0, clearest=True)
    assert mean.view == AttentionView(None, 0)


def test_the_trace_is_written_with_the_chosen_hypothesis_in_view(app: TestClient, services: Services) -> None:
    state = PageState(Request("dates", SOURCE), hypothesis=1)
    trace, chosen = services.chosen(state)

    file = ask(app, {"state": state.to_json(), "wish": {"verb": "export", "value": "trace", "format": "json"}})[
        "download"
    ]

    document = TraceDocument.model_validate_json(file["content"])
    assert (document.hypothesis, document.text, document.tokens) == (1, chosen.text, list(chosen.tokens))
    assert document.hypotheses[0].text == trace.best.text


def test_a_source_that_is_too_long_may_be_cut_instead(app: TestClient) -> None:
    long = "1 " * 600
    typed = {"model": "dates", "source": long, "beam_size": 1, "length_penalty": None, "typed": True}

    refusal = ask(app, {"wish": {"verb": "translate", **typed}})["notice"]
    instead = refusal["instead"]
    shown = ask(app, {"wish": instead["wish"]})

    assert instead["label"] == "Cut it"
    assert shown["state"]["request"]["cut_source"] is True
    assert ask(app, {"wish": instead["wish"] | {"source": "May 1"}})["state"]["request"]["source"] == "May 1"
    assert "cut_source" not in wish(app, "translate", **{**typed, "source": "May 1"}).to_json()["request"]
