"""Pin an answer and look at another one beside it."""

from __future__ import annotations

import pytest

from dashboard.services import Services
from dashboard.state.page_state import Json, PageState
from dashboard.state.question import Question
from dashboard.state.url_state import decode_fragment, encode_fragment
from dashboard.views.answers import answer, surround
from dashboard.views.stages import sentence_role
from exported_models.contract.request import Request
from exported_models.contract.workspace import Workspace

ORIGIN = PageState(Request("dates", "03/04/05"))
OTHER = PageState(Request("dates", "03/04/06"))


@pytest.fixture(scope="module")
def services(dates_workspace: Workspace) -> Services:
    return Services.open(dates_workspace)


def ask(services: Services, wish: Json | None, before: Json | None = None, **more: object) -> Json:
    """The answer to a wish after another answer; without one, to the wish on a page that shows `ORIGIN`."""
    state = before["state"] if before else ORIGIN.to_json()
    return answer(services, Question.model_validate({"wish": wish, "state": state, **more}))


def compare(services: Services, state: PageState = OTHER, pinned: PageState = ORIGIN, **options: object) -> Json:
    question = {"state": state.pin(pinned).to_json(), "options": options}
    return answer(services, Question.model_validate(question))


def parts_of(found: Json) -> dict[str, Json]:
    return {role: content for role, _, content in found["parts"]}


def text_of(node: object) -> str:
    """The text of drawn nodes."""
    if isinstance(node, str):
        return node
    assert isinstance(node, list)
    children = node[2] if len(node) == 3 and isinstance(node[1], dict) else node
    return " ".join(text_of(child) for child in children)


def test_a_pinned_answer_stays_while_others_are_shown(services: Services) -> None:
    pinned = ask(services, {"verb": "pin"})
    changed = ask(services, {"verb": "choose", "step": 6, "rank": 1}, pinned)

    assert not pinned["compares"]
    assert changed["compares"]
    assert PageState.from_json(changed["state"]).pinned == ORIGIN
    assert "comparison-after" in parts_of(changed)
    assert "translation-target-words" not in parts_of(changed)


def test_sums_of_other_rules_are_named_and_not_set_against_each_other(services: Services) -> None:
    penalized = PageState(Request("dates", "03/04/05", repetition_penalty=1.2))

    plain, weighed = (
        text_of(parts_of(compare(services, state))["changes-content"]["html"]) for state in (OTHER, penalized)
    )

    assert "sum of log-probabilities" in plain
    assert "sum, weighed by the search" in weighed
    assert "The searches differ in repetition penalty: a higher score" in weighed


def test_swapping_twice_changes_nothing(services: Services) -> None:
    pinned = ask(services, {"verb": "pin"})
    changed = ask(services, {"verb": "choose", "step": 6, "rank": 1}, pinned)
    swapped = ask(services, {"verb": "swap"}, changed)
    back = ask(services, {"verb": "swap"}, swapped)

    assert swapped["state"]["request"] == changed["state"]["pinned"]["request"]
    assert back["state"] == changed["state"]
    assert [moment["text"] for moment in back["moments"]] == ["2005-03-04", "2005-09-04"]


def test_unpinning_ends_comparing(services: Services) -> None:
    found = ask(services, {"verb": "unpin"}, ask(services, {"verb": "choose", "step": 6, "rank": 1}))

    assert not found["compares"]
    assert found["state"].get("pinned") is None
    assert "translation-target-words" in parts_of(found)


def test_any_answer_of_the_history_can_be_pinned_and_let_go(services: Services) -> None:
    changed = ask(services, {"verb": "choose", "step": 6, "rank": 1}, ask(services, None))
    pinned = ask(services, {"verb": "pin", "state": ORIGIN.to_json()}, changed)

    assert pinned["compares"]
    assert ask(services, {"verb": "pin", "state": ORIGIN.to_json()}, pinned)["compares"] is False


def test_a_pinned_answer_whose_model_is_gone_is_let_go_in_a_sentence(services: Services) -> None:
    gone = PageState(Request("gone", "May 1"))
    wishes: list[Json] = [
        {"verb": "show", "state": OTHER.pin(gone).to_json()},
        {"verb": "open", "fragment": encode_fragment(OTHER.pin(gone), {"dates": "", "gone": "0" * 64})},
    ]

    for found in (ask(services, wish) for wish in wishes):
        assert PageState.from_json(found["state"]) == OTHER
        assert found["warning"].startswith("The model gone is not in this workspace")


def test_an_answer_of_the_history_may_bring_its_pin(services: Services) -> None:
    wanted = OTHER.pin(PageState(Request("dates", "May 1")))
    pinned = ask(services, {"verb": "pin"})

    assert ask(services, {"verb": "show", "state": wanted.to_json()}, pinned)["state"] == wanted.to_json()
    assert ask(services, {"verb": "show", "state": OTHER.to_json()}, pinned)["state"] == OTHER.pin(ORIGIN).to_json()


@pytest.mark.parametrize(
    "wish",
    [
        {"verb": "edit_source", "text": "03/04/06"},
        {"verb": "edit_target", "text": "2005-04-03"},
        {"verb": "substitute_target", "step": 0, "text": "2005-04-03"},
    ],
)
def test_an_edit_of_either_text_is_compared_with_what_it_was(services: Services, wish: Json) -> None:
    found = ask(services, wish)

    assert found["compares"]
    assert PageState.from_json(found["state"]).pinned == ORIGIN


def test_the_link_keeps_both_answers(services: Services) -> None:
    found = compare(services)
    opened = decode_fragment(found["link"]["fragment"])

    assert opened.pinned == ORIGIN
    assert opened.bare == OTHER
    assert ask(services, {"verb": "open", "fragment": found["link"]["fragment"]})["compares"]


def test_what_changed_is_said_in_words_and_numbers(services: Services) -> None:
    said = text_of(parts_of(compare(services, reference="2005-03-04"))["changes-content"]["html"])

    assert "Source: “5” became “6”" in said
    assert "1 of 1 word differ" in said
    assert "part at step" in said
    assert "Pivot against the reference: BLEU 100" in said


def test_the_step_where_both_part_has_both_tokens_though_one_was_added(services: Services) -> None:
    longer = PageState(Request("dates", "03/04/05", prefix=("2", "0", "0", "0")))

    said = text_of(parts_of(compare(services, longer))[sentence_role(4)]["html"])

    assert said.endswith("part at step 4: 5, 0")


@pytest.mark.parametrize(
    ("drawing", "role"),
    [("links", "comparison-links-after"), ("matrix", "comparison-matrix"), ("text", "comparison-twin")],
)
def test_attention_is_drawn_as_it_is_looked_at(services: Services, drawing: str, role: str) -> None:
    assert role in parts_of(compare(services, comparison=drawing))


def test_an_answer_beside_itself_moves_nothing(services: Services) -> None:
    other = PageState(Request("dates", "03/04/05", beam_size=4))
    found = parts_of(compare(services, other, comparison="moved"))

    assert found["comparison-links-before"]["paths"] == []
    assert "Both give the same words." in text_of(found["changes-content"]["html"])


def test_both_trees_are_one_drawing(services: Services) -> None:
    graph = parts_of(compare(services))["tree-graph"]["graph"]
    kinds = {kind for element in graph for kind in element["classes"].split()}

    assert {"both", "before", "after"} <= kinds
    assert len({element["data"]["id"] for element in graph}) == len(graph)


def test_both_trajectories_are_on_one_map(services: Services) -> None:
    question = {"state": OTHER.pin(ORIGIN).to_json()}
    parts = parts_of(surround(services, Question.model_validate(question)))

    assert len(parts["neighborhood-graph"]["figure"]["data"]) == 8
    assert "stayed" in text_of(parts["neighborhood-summary"]["html"])
    assert "Neighbors of" in text_of(parts["neighborhood-of-both"]["html"])


def test_a_source_word_is_written_anew_beside_the_old(services: Services) -> None:
    chips = parts_of(ask(services, None))["translation-source-words"]["html"]
    named = chips[0][1]
    found = ask(services, {"verb": "substitute", "word": int(named["data-word"]), "text": "03/04/06"})

    assert named["data-text"] == "03/04/05"
    assert found["compares"]
    assert found["moments"][-1]["label"] == "“03/04/05” → “03/04/06”"


def test_a_path_kept_beside_the_beam_stays_through_pin_swap_and_link(services: Services) -> None:
    kept = ask(services, {"verb": "keep", "tokens": list("2009")}, ask(services, {"verb": "pin"}))
    swapped = ask(services, {"verb": "swap"}, kept)
    opened = ask(services, {"verb": "open", "fragment": swapped["link"]["fragment"]})
    summary, twin = (
        text_of(parts_of(compared)[role]["html"])
        for role, compared in (
            ("tree-summary", kept),
            ("tree-overlay", ask(services, None, kept, options={"extent": "text"})),
        )
    )

    assert kept["compares"]
    assert PageState.from_json(kept["state"]).request.kept == (tuple("2009"),)
    assert opened["state"] == swapped["state"]
    pinned = PageState.from_json(opened["state"]).pinned
    assert pinned is not None
    assert pinned.request.kept == (tuple("2009"),)
    assert "0 only pivot · 0 only compare" in summary
    assert summary.endswith(" beside")
    assert "beside only compare" in twin
