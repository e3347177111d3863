"""The page over a real model: what its callbacks answer, asked as the browser asks."""

from __future__ import annotations

import json
from typing import Any

import dash
import pytest
from dash.exceptions import PreventUpdate

from dashboard.app import create_page
from dashboard.errors import LinkError
from dashboard.services import Services
from dashboard.state.page_state import Json, PageState
from dashboard.state.past import Past
from dashboard.state.url_state import encode_fragment
from dashboard.views.header import link_to, open_link, submit, write_trace
from dashboard.views.history import extend
from dashboard.views.ids import HeaderId, HistoryId, NBestId, PageId, TranslationId, TreeId
from dashboard.views.stages import NO_INDEX, find_in_states
from dashboard.views.translation import pruned_links
from exported_models.contract.documents import TraceDocument
from exported_models.contract.errors import RequestError
from exported_models.contract.request import Request
from exported_models.contract.workspace import Workspace

SOURCE = "March 3, 1999"


@pytest.fixture(scope="module")
def app(dates_workspace: Workspace) -> dash.Dash:
    return create_page(Services.open(dates_workspace))


@pytest.fixture(scope="module")
def services(dates_workspace: Workspace) -> Services:
    return Services.open(dates_workspace)


@pytest.fixture(scope="module")
def shown(services: Services) -> Json:
    return services.answer(Request("dates", SOURCE))


def ask(app: dash.Dash, output: str, changed: str, values: dict[str, Any]) -> tuple[int, str]:
    """Call the callback that writes ``output`` when ``changed`` changes, with these property values."""
    callback = next(
        entry
        for entry in app._callback_list
        if output in str(entry["output"])
        and changed in {f"{wired['id']}.{wired['property']}" for wired in entry["inputs"]}
        and not entry.get("clientside_function")
    )
    body = {
        "output": callback["output"],
        "outputs": _outputs(callback["output"]),
        "inputs": [
            {**wired, "value": values.get(f"{wired['id']}.{wired['property']}")} for wired in callback["inputs"]
        ],
        "state": [{**wired, "value": values.get(f"{wired['id']}.{wired['property']}")} for wired in callback["state"]],
        "changedPropIds": [changed],
    }
    reply = app.server.test_client().post("/_dash-update-component", json=body)
    return reply.status_code, reply.text


def _filled(wired: list[dict[str, str]], values: dict[str, Any]) -> list[dict[str, Any]]:
    return [{**entry, "value": values.get(f"{entry['id']}.{entry['property']}")} for entry in wired]


def _outputs(written: str) -> Any:
    parts = [part.rsplit(".", 1) for part in written.strip(".").split("...")]
    entries = [{"id": name, "property": prop} for name, prop in parts]
    return entries if written.startswith("..") else entries[0]


def test_the_page_opens_with_an_example(services: Services) -> None:
    opened = PageState.from_json(open_link(services, "", None))

    store = services.store("dates")
    assert store is not None
    assert opened == PageState(Request("dates", store.pair(0).source))


def test_a_link_opens_what_it_holds_once(services: Services) -> None:
    state = PageState(Request("dates", SOURCE, prefix=("2",)), 1)
    fragment = "#" + encode_fragment(state)

    opened = open_link(services, fragment, None)
    assert PageState.from_json(opened) == state
    with pytest.raises(PreventUpdate):
        open_link(services, fragment, opened)
    with pytest.raises(LinkError):
        open_link(services, fragment[:-3], None)


def test_a_link_to_a_hypothesis_there_is_not_shows_the_last(services: Services) -> None:
    opened = open_link(services, encode_fragment(PageState(Request("dates", SOURCE, beam_size=2), 50)), None)

    assert opened["hypothesis"] == 1


def test_a_page_too_long_for_a_link_has_none_and_says_so() -> None:
    incompressible = "".join(chr(0x4E00 + (index * 7919) % 20000) for index in range(4000))

    assert link_to(PageState(Request("dates", SOURCE)))["refusal"] == ""
    refused = link_to(PageState(Request("dates", incompressible)))
    assert refused["fragment"] == ""
    assert "links end at 8 kB" in refused["refusal"]


def test_submitting_what_is_shown_changes_nothing(services: Services, shown: Json) -> None:
    with pytest.raises(PreventUpdate):
        submit(services, shown, ("dates", SOURCE, 5, 1.0))
    assert PageState.from_json(submit(services, shown, ("dates", SOURCE, 2, 1.0))).request.beam_size == 2


@pytest.mark.parametrize("source", ["", "x" * 5000, "May 🙂", "<b>\x07</b>"])
def test_a_bad_text_is_one_clear_sentence(services: Services, shown: Json, source: str) -> None:
    with pytest.raises(RequestError) as caught:
        submit(services, shown, ("dates", source, None, None))

    assert "\n" not in str(caught.value)


def test_choosing_a_word_decodes_from_there(app: dash.Dash, services: Services, shown: Json) -> None:
    values = {f"{TranslationId.CHOICE}.data": {"value": "0:1", "at": 1}, f"{PageId.REQUEST}.data": shown}

    status, text = ask(app, PageId.REQUEST, f"{TranslationId.CHOICE}.data", values)

    state = PageState.from_json(written(text))
    trace, hypothesis = services.chosen(PageState.from_json(shown))
    assert status == 200
    assert state.request.prefix == (trace.top_k(hypothesis)[0][1].token,)


def test_a_node_of_the_tree_forces_its_path(app: dash.Dash, services: Services, shown: Json) -> None:
    trace, _ = services.chosen(PageState.from_json(shown))
    node = trace.hypotheses[1].nodes[-1]
    values = {f"{TreeId.CHOICE}.data": {"value": str(node), "at": 1}, f"{PageId.REQUEST}.data": shown}

    _, text = ask(app, PageId.REQUEST, f"{TreeId.CHOICE}.data", values)

    assert PageState.from_json(written(text)).request.prefix == trace.hypotheses[1].tokens


def test_another_hypothesis_is_the_same_request(app: dash.Dash, shown: Json) -> None:
    values = {f"{NBestId.CHOICE}.data": {"value": "2", "at": 1}, f"{PageId.REQUEST}.data": shown}

    _, text = ask(app, PageId.REQUEST, f"{NBestId.CHOICE}.data", values)

    assert written(text) == {**shown, "hypothesis": 2}


def test_a_failing_callback_shows_a_sentence_and_no_traceback(app: dash.Dash, shown: Json) -> None:
    bad = {**shown, "request": {**shown["request"], "source": "🙂"}}
    values = {f"{TranslationId.CHOICE}.data": {"value": "0:1", "at": 1}, f"{PageId.REQUEST}.data": bad}

    status, text = ask(app, PageId.REQUEST, f"{TranslationId.CHOICE}.data", values)

    assert status == 200
    assert "not in the model's vocabulary" in text
    assert "Traceback" not in text


def test_an_unexpected_failure_is_logged_and_not_shown(
    app: dash.Dash, shown: Json, caplog: pytest.LogCaptureFixture
) -> None:
    values = {f"{TranslationId.CHOICE}.data": {"value": "nonsense", "at": 1}, f"{PageId.REQUEST}.data": shown}

    _, text = ask(app, PageId.REQUEST, f"{TranslationId.CHOICE}.data", values)

    assert "Something went wrong" in text
    assert "nonsense" not in text
    assert any(record.exc_info for record in caplog.records)


def test_going_back_brings_the_request_back(app: dash.Dash, services: Services, shown: Json) -> None:
    first = PageState.from_json(shown)
    second = PageState(Request("dates", SOURCE, prefix=("2",)))
    past = extend(services, extend(services, Past(), first), second)
    values = {f"{HistoryId.STORE}.data": past.to_json(), f"{HistoryId.UNDO}.n_clicks": 1}

    _, text = ask(app, PageId.REQUEST, f"{HistoryId.UNDO}.n_clicks", values)

    assert PageState.from_json(written(text)) == first
    assert [moment.label for moment in past.moments] == [f"“{SOURCE}”", "1: “1” → “2”"]


def test_the_drawing_has_the_links_of_the_page(app: dash.Dash, services: Services, shown: Json) -> None:
    for mass in (10, 75, 100):
        values = {f"{PageId.REQUEST}.data": shown, f"{TranslationId.MASS}.value": mass, f"{PageId.THEME}.data": "light"}

        _, text = ask(app, HeaderId.DOWNLOAD, f"{HeaderId.EXPORT_SVG}.n_clicks", values)

        drawing = json.loads(text)["response"][HeaderId.DOWNLOAD]["data"]["content"]
        links = pruned_links(services.picture(PageState.from_json(shown)), mass, None, None)
        assert drawing.count("<path") == len(links)


def test_states_never_travel(app: dash.Dash, shown: Json) -> None:
    values = {f"{PageId.REQUEST}.data": shown, f"{TreeId.EXTENT}.value": "all"}

    _, text = ask(app, TreeId.GRAPH, f"{PageId.REQUEST}.data", values)

    assert "states" not in text
    assert len(text) < 60_000


def test_the_strip_compares_states_with_the_corpus(services: Services, shown: Json) -> None:
    state = PageState.from_json(shown)
    trace, hypothesis = services.chosen(state)

    encoder, decoder = find_in_states(services, state)

    assert encoder.sentence.endswith(f"of {len(trace.source)} tokens sit with their own")
    assert decoder.sentence.endswith(f"of {len(hypothesis.tokens)} steps")


def test_a_store_without_the_spaces_of_the_strip_has_nothing_to_judge(contexts_workspace: Workspace) -> None:
    services = Services.open(contexts_workspace)

    assert find_in_states(services, PageState(Request("dates", SOURCE))) == (NO_INDEX, NO_INDEX)


def written(text: str) -> Json:
    """What a callback wrote into the request."""
    response = json.loads(text)["response"]
    value: Json = response[PageId.REQUEST]["data"]
    return value


def test_the_trace_is_written_with_the_chosen_hypothesis_in_view(services: Services) -> None:
    state = PageState(Request("dates", SOURCE), hypothesis=1)
    trace, chosen = services.chosen(state)

    document = TraceDocument.model_validate_json(write_trace(services, state))

    assert (document.hypothesis, document.text, document.tokens) == (1, chosen.text, list(chosen.tokens))
    assert document.hypotheses[0].text == trace.best.text
