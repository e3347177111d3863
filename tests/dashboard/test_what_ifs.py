"""The wishes of a page, as requests and as labels of the history."""

from dataclasses import replace

import pytest

from dashboard.drawing.findings import Finding, find_reading
from dashboard.state.page_state import PageState, Selection, Side
from dashboard.views.head_ablation import choose_wish
from dashboard.views.wishes import start_over
from exported_models.contract.errors import RequestError
from exported_models.contract.request import AttentionOverride, HeadAblation, Request
from exported_models.contract.trace import Fate
from exported_models.contract.wishes import Attend, Choose, ForceCandidate, ForceNode, Wish
from exported_models.edits import apply, revise
from exported_models.wording import describe_change, describe_source
from tests.dashboard.sentences import PAIR_TEXT, make_trace

TRACE = make_trace()
BEST = TRACE.best


def test_a_word_of_the_top_k_is_chosen_after_the_words_before_it() -> None:
    request = apply(Choose(3, 1), TRACE, BEST).request

    assert request.prefix == (*BEST.tokens[:3], TRACE.top_k(BEST)[3][1].token)


def test_tokens_that_the_model_does_not_know_or_read_are_said_before_its_states() -> None:
    source = TRACE.source

    assert find_reading(source) is None
    unknown = find_reading(replace(source, unknown=(0, 2)))
    cut = find_reading(replace(source, unknown=(0, 2), cut=7))
    assert unknown == Finding(f"2 of {len(source)} tokens are unknown to the model", look=True)
    assert cut == Finding(f"7 of {len(source) + 7} tokens were cut off", look=True)


def test_a_kept_node_forces_its_path() -> None:
    node = TRACE.hypotheses[1].nodes[4]

    assert apply(ForceNode(node), TRACE, BEST).request.prefix == TRACE.hypotheses[1].tokens[:5]


def test_a_pruned_candidate_forces_its_prefix_and_token() -> None:
    candidate = next(entry for entry in TRACE.steps[4].candidates if entry.fate is Fate.PRUNED)

    prefix = apply(ForceCandidate(4, candidate.rank), TRACE, BEST).request.prefix

    assert prefix == (*(node.token for node in TRACE.path(candidate.parent)), candidate.token)


def test_a_path_forced_in_the_tree_keeps_the_overrides_of_its_steps_and_drops_later_ones() -> None:
    overrides = tuple(AttentionOverride(step, ((0, 1.0),)) for step in (3, 4, 5))
    trace = replace(TRACE, request=replace(TRACE.request, overrides=overrides))
    candidate = next(entry for entry in trace.steps[4].candidates if entry.fate is Fate.PRUNED)

    wishes: list[Wish] = [ForceCandidate(4, candidate.rank), ForceNode(trace.hypotheses[1].nodes[4]), Choose(4, 1)]
    forced = [apply(wish, trace, trace.best).request for wish in wishes]

    assert {request.overrides for request in forced} == {overrides[:2]}


def test_a_head_is_ablated_and_brought_back() -> None:
    without = revise(TRACE.request, choose_wish(TRACE.request, 2, [4]))

    assert without.ablations == (HeadAblation("cross", 2, 4),)
    assert revise(without, choose_wish(without, 2, [4])).ablations == ()


def test_all_heads_of_a_layer_are_ablated_before_any_is_brought_back() -> None:
    one = revise(TRACE.request, choose_wish(TRACE.request, 1, [0]))
    layer = revise(one, choose_wish(one, 1, range(3)))

    assert layer.ablations == tuple(HeadAblation("cross", 1, head) for head in range(3))
    assert revise(layer, choose_wish(layer, 1, range(3))).ablations == ()


def test_the_history_names_heads_as_people_count_them() -> None:
    heads = tuple(HeadAblation("cross", 1, head) for head in range(3))
    without, layer = (replace(TRACE, request=replace(TRACE.request, ablations=some)) for some in (heads[:1], heads))

    assert describe_change(TRACE, BEST, without, PAIR_TEXT) == "without cross head 2.1"
    assert describe_change(without, BEST, layer, PAIR_TEXT) == "without 2 heads"
    assert describe_change(without, BEST, TRACE, PAIR_TEXT) == "with cross head 2.1"


def test_a_draft_of_clicks_becomes_an_override_after_the_words_before_it() -> None:
    request = apply(Attend(2, ((3, 2.0), (10, 1.0)), None, 0), TRACE, BEST).request

    assert request.overrides == (AttentionOverride(2, ((3, 2.0), (10, 1.0)), None, 0),)
    assert request.prefix == BEST.tokens[:2]


def test_new_options_keep_the_what_if_and_a_new_text_drops_it() -> None:
    state = PageState(Request("dates", "May 1", prefix=("2",)))

    assert start_over(state, "dates", "May 1", 3, 1.0) == replace(state.request, beam_size=3, length_penalty=1.0)
    assert start_over(state, "dates", "May 2", 3, 1.0).prefix == ()
    assert start_over(state, "names", "May 1", 3, 1.0).prefix == ()


@pytest.mark.parametrize("source", ["", "  \n"])
def test_an_empty_text_is_refused(source: str) -> None:
    with pytest.raises(RequestError, match="nothing to translate"):
        start_over(None, "dates", source, None, None)


@pytest.mark.parametrize(
    ("change", "label"),
    [
        ({"prefix": ("A", "dog", "the")}, "3: “jumps” → “the”"),
        ({"prefix": ("A", "dog")}, "2: keep “dog”"),
        ({"prefix": ("the", "log")}, "2: keep “log”"),
        ({"overrides": (AttentionOverride(4, ((1, 0.2), (3, 0.7))),)}, "5: attention → “über”"),
        ({"beam_size": 10}, "beam 10"),
        ({"length_penalty": 0.6}, "length α 0.6"),
        ({"beam_size": 1, "prefix": ("A",)}, "1: keep “A”, beam 1"),
        ({"source": "Ein Mann"}, "“Ein Mann”"),
        ({"model_id": "tiny-int8"}, "tiny-int8"),
        ({"max_length": 9, "ngram_size": 2}, "length at most 9, no-repeat n-gram 2"),
        ({"cut_source": True}, "other options"),
    ],
)
def test_the_history_names_what_changed(change: dict[str, object], label: str) -> None:
    after = replace(TRACE, request=replace(TRACE.request, **change))  # type: ignore[arg-type]

    assert describe_change(TRACE, BEST, after, PAIR_TEXT) == label


def test_taking_a_what_if_back_is_named_too() -> None:
    forced = replace(TRACE, request=replace(TRACE.request, prefix=("A",)))
    drawn = replace(TRACE, request=replace(TRACE.request, overrides=(AttentionOverride(0, ((0, 1.0),)),)))

    assert describe_change(forced, BEST, TRACE, PAIR_TEXT) == "no prefix"
    assert describe_change(drawn, BEST, TRACE, PAIR_TEXT) == "own attention"


def test_a_long_text_is_named_by_its_beginning() -> None:
    assert len(describe_source("x" * 100)) == 26


def test_a_selection_outlives_only_a_sentence_that_has_its_word() -> None:
    def read(side: Side, index: int) -> Selection | None:
        return Selection(side, index).within(TRACE, BEST)

    assert read("target", 10) == Selection("target", 10)
    assert read("target", 11) is None
    assert read("source", 9) == Selection("source", 9)
