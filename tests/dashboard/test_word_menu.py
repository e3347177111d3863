"""The menu of a word, the conditions of an answer and the settings of the search, as the page's calls answer them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dashboard.services import Services
from dashboard.state.page_state import Json, PageState
from dashboard.state.question import Beginning, Question
from dashboard.views.answers import answer
from dashboard.views.asides import complete_word, show_attention, show_word
from exported_models.contract.errors import RequestError
from exported_models.contract.request import AttentionOverride, ForbiddenPhrase, HeadAblation, Request
from exported_models.contract.workspace import Workspace
from tests.dashboard.test_comparing import ask, parts_of, text_of

ORIGIN = PageState(Request("dates", "March 3, 1999"))
END_STEP = 10


@pytest.fixture(scope="module")
def services(dates_workspace: Workspace) -> Services:
    return Services.open(dates_workspace)


def choose(services: Services, side: str, index: int) -> Json:
    """The menu of a word of `ORIGIN`."""
    question = {"state": ORIGIN.to_json(), "selection": {"side": side, "index": index}}
    return show_word(services, Question.model_validate(question))


def wishes_in(node: Any) -> list[Json]:
    """The wishes of the buttons below drawn nodes."""
    if isinstance(node, str):
        return []
    _tag, attributes, children = node if node and isinstance(node[0], str) else ("", {}, node)
    own = [json.loads(attributes["data-wish"])] if "data-wish" in attributes else []
    return own + [wish for child in children for wish in wishes_in(child)]


def content(found: Json, role: str) -> Any:
    return dict(found["parts"])[role]["html"]


def test_suggested_words_are_the_same_on_the_map_and_in_the_list(services: Services) -> None:
    found = choose(services, "source", 1)
    listed, mapped = (wishes_in(content(found, f"word-menu-{part}")) for part in ("list", "map"))

    assert found["word"] == "March"
    assert found["text"] == "March 3, 1999"
    assert {wish["verb"] for wish in listed} == {"substitute"}
    assert {wish["word"] for wish in listed} == {0}
    assert len(listed) > 5
    assert {wish["text"] for wish in mapped} <= {wish["text"] for wish in listed}
    assert "300 sentence pairs" in text_of(content(found, "word-menu-note"))


def test_a_suggestion_keeps_the_punctuation_of_its_word(services: Services) -> None:
    suggested = wishes_in(content(choose(services, "source", 6), "word-menu-list"))

    assert all(wish["text"].endswith(",") for wish in suggested)


def test_a_suggested_word_is_one_what_if_beside_its_origin(services: Services) -> None:
    wish = wishes_in(content(choose(services, "source", 1), "word-menu-list"))[0]
    found = answer(services, Question.model_validate({"wish": wish, "state": ORIGIN.to_json()}))

    assert found["compares"]
    assert PageState.from_json(found["state"]).request.source == f"{wish['text']} 3, 1999"


def test_a_target_word_is_forbidden_kept_or_written_anew(services: Services) -> None:
    found = choose(services, "target", 3)
    actions = wishes_in(content(found, "word-menu-actions"))
    token, word = "9", tuple("1999-03-03")

    assert {"verb": "force", "tokens": list("1999")} in actions
    assert {"verb": "forbid", "tokens": [token], "step": 3} in actions
    assert {"verb": "forbid", "tokens": [token]} in actions
    assert {"verb": "forbid", "tokens": list(word), "step": 0} in actions
    assert {wish["verb"] for wish in wishes_in(content(found, "word-menu-list"))} == {"substitute_target"}


def test_the_end_of_the_sentence_can_be_forbidden_and_not_written_anew(services: Services) -> None:
    found = choose(services, "target", END_STEP)

    assert found["word"] is None
    assert {"verb": "forbid", "tokens": ["</s>"], "step": END_STEP} in wishes_in(content(found, "word-menu-actions"))
    assert "stands for no text" in text_of(content(found, "word-menu-note"))


def test_a_word_that_is_not_there_is_refused(services: Services) -> None:
    with pytest.raises(RequestError, match="no target token 99"):
        choose(services, "target", 99)
    with pytest.raises(RequestError, match="No word is chosen"):
        show_word(services, Question.model_validate({"state": ORIGIN.to_json()}))


def test_the_attention_of_a_step_is_told(services: Services) -> None:
    trace, best = services.chosen(ORIGIN)
    attention = trace.attention(best)
    assert attention is not None
    question = {"state": ORIGIN.to_json(), "selection": {"side": "target", "index": 5}, "options": {"head": 0}}

    told = show_attention(services, Question.model_validate(question))

    assert told["weights"] == pytest.approx(attention[5, 0, 0].tolist(), abs=1e-4)
    with pytest.raises(RequestError, match="no step 100"):
        show_attention(services, Question.model_validate(question | {"selection": {"side": "target", "index": 99}}))


def test_words_that_begin_as_typed_come_from_the_corpus_the_frequent_first(services: Services) -> None:
    def complete(text: str, side: str = "source") -> list[str]:
        asked = {"model_id": "dates", "side": side, "text": text}
        found: list[str] = complete_word(services, Beginning.model_validate(asked))["texts"]
        return found

    assert len(complete("1")) == 8
    assert complete("march") == []
    assert "marzo" in complete("MAR")
    assert all(text.startswith("3 ") for text in complete("3 Ma"))
    assert complete("") == complete("March ") == complete("no such word") == []


def test_the_attention_of_the_pinned_answer_is_told_and_copied(services: Services) -> None:
    state = ORIGIN.pin(PageState(Request("dates", ORIGIN.request.source, prefix=("1",))))
    assert state.pinned is not None
    trace, best = services.chosen(state.pinned)
    attention = trace.attention(best)
    assert attention is not None
    question = {"state": state.to_json(), "selection": {"side": "target", "index": 5}, "options": {"mode": "attention"}}
    wish = {"verb": "copy_attention", "step": 5, "from_step": 4, "beside": True}

    told = show_attention(services, Question.model_validate(question | {"beside": True}))
    copied = answer(services, Question.model_validate(question | {"wish": wish}))

    assert told["weights"] == pytest.approx(attention[5].mean(axis=(0, 1)).tolist(), abs=1e-3)
    assert len(told["beside"]) == len(best.tokens)
    assert PageState.from_json(copied["state"]).pinned == state.pinned
    assert copied["moments"][-1]["label"] == f"6: attention of step 5 of “{best.text}”"


def test_attention_is_copied_from_a_pinned_answer_of_equally_many_tokens(services: Services) -> None:
    shorter = ORIGIN.pin(PageState(Request("dates", "May 1"))).to_json()
    question = {"state": shorter, "selection": {"side": "target", "index": 5}, "beside": True}
    wish = {"verb": "copy_attention", "step": 5, "from_step": 4, "beside": True}

    with pytest.raises(RequestError, match="equally many tokens"):
        answer(services, Question.model_validate({"state": shorter, "wish": wish}))
    with pytest.raises(RequestError, match="equally many tokens"):
        show_attention(services, Question.model_validate(question))
    with pytest.raises(RequestError, match="no translation beside"):
        show_attention(services, Question.model_validate(question | {"state": ORIGIN.to_json()}))


def test_attention_is_changed_on_one_answer_and_read_beside_the_pinned_one(services: Services) -> None:
    state = ORIGIN.pin(PageState(Request("dates", ORIGIN.request.source, prefix=("1",)))).to_json()
    question = {"state": state, "options": {"mode": "attention"}}
    wish = {"verb": "attend", "step": 5, "weights": [[1, 1.0]]}

    alone = answer(services, Question.model_validate(question))
    changed = answer(services, Question.model_validate(question | {"wish": wish}))

    assert (alone["compares"], changed["compares"]) == (False, True)
    assert "translation-target-words" in parts_of(alone)
    assert "comparison-after" in parts_of(changed)
    assert PageState.from_json(alone["state"]).to_json() == state


def test_every_condition_of_an_answer_can_be_taken_back(services: Services) -> None:
    request = Request(
        "dates",
        "03/04/05",
        prefix=tuple("200"),
        overrides=(AttentionOverride(2, ((1, 1.0),)),),
        ablations=(HeadAblation("cross", 0, 0),),
        forbidden=(ForbiddenPhrase(("9",), 6), ForbiddenPhrase(("1", "2"))),
        min_length=9,
        kept=(tuple("2009"),),
    )
    state = PageState(request)
    found = answer(services, Question.model_validate({"state": state.to_json()}))
    strip = parts_of(found)["conditions-list"]
    undone = wishes_in(strip["html"])
    after = [answer(services, Question.model_validate({"state": state.to_json(), "wish": wish})) for wish in undone]
    requests = [PageState.from_json(one["state"]).request for one in after]

    assert "first 3 tokens forced, to “0”" in text_of(strip["html"])
    assert [one.prefix for one in requests].count(()) == 2
    assert [one.kept for one in requests].count(()) == 2
    assert [one.overrides for one in requests].count(()) == 3
    assert [one.ablations for one in requests].count(()) == 2
    assert sorted(len(one.forbidden) for one in requests) == [0, 1, 1, 2, 2, 2, 2, 2]
    assert "length at least 9" in text_of(strip["html"])
    assert [one.min_length for one in requests].count(None) == 2


def test_an_answer_without_conditions_says_so(services: Services) -> None:
    strip = parts_of(ask(services, None))["conditions-list"]

    assert text_of(strip["html"]) == "Conditions none: the model decodes freely"
    assert wishes_in(strip["html"]) == []


def test_settings_of_the_search_are_shown_and_changed(services: Services) -> None:
    wish = {"verb": "set_search", "max_length": 7, "early_stopping": "first", "top_k": 3}
    changed = ask(services, wish)
    shown = parts_of(changed)
    own = {"verb": "set_search", "max_length": "default", "early_stopping": "default"}
    request = PageState.from_json(ask(services, own, changed)["state"]).request

    assert shown["search-max-length"]["control"] == {"value": 7}
    assert shown["search-ngram-size"]["control"] == {"value": 0}
    assert shown["search-early-stopping"]["control"] == {"value": "first"}
    assert len(shown["translation-top-k"]["html"]) == 7
    assert {len(column[2]) for column in shown["translation-top-k"]["html"]} == {3}
    assert (request.max_length, request.early_stopping, request.top_k) == (None, None, 3)
