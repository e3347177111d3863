"""The history: a tree to walk."""

from dataclasses import replace

from dashboard.state.page_state import PageState
from dashboard.state.past import MAX_MOMENTS, Past
from exported_models.contract.request import Request

START, FIRST, SECOND = (PageState(Request("dates", "May 1", prefix)) for prefix in ((), ("1",), ("2",)))


def test_a_new_request_is_a_child_of_the_one_on_the_page() -> None:
    past = Past().visit(START, "start").visit(FIRST, "first")

    assert [(moment.label, moment.parent) for moment in past.moments] == [("start", None), ("first", 0)]
    assert past.now is not None
    assert past.now.state == FIRST


def test_undo_and_redo_walk_the_branch_left_last() -> None:
    past = Past().visit(START, "start").visit(FIRST, "first").visit(START, "").visit(SECOND, "second")

    assert past.undo_target == START
    back = past.visit(START, "")
    assert back.redo_target == SECOND
    assert back.undo_target is None
    assert [moment.parent for moment in back.moments] == [None, 0, 0]


def test_going_back_adds_nothing() -> None:
    past = Past().visit(START, "start").visit(FIRST, "first")

    assert len(past.visit(START, "again").moments) == 2


def test_another_hypothesis_is_the_same_moment() -> None:
    past = Past().visit(START, "start").visit(PageState(START.request, 2), "")

    assert len(past.moments) == 1
    assert past.now is not None
    assert past.now.state.hypothesis == 2


def test_an_empty_history_has_nowhere_to_go() -> None:
    past = Past.from_json(None)

    assert (past.now, past.undo_target, past.redo_target) == (None, None, None)


def test_the_oldest_moments_are_forgotten() -> None:
    states = [PageState(Request("dates", f"May {day}")) for day in range(MAX_MOMENTS + 2)]
    past = Past()
    for state in states:
        past = past.visit(state, state.request.source)

    assert [moment.state for moment in past.moments] == states[2:]
    assert [moment.parent for moment in past.moments] == [None, *range(MAX_MOMENTS - 1)]
    assert (past.now and past.now.state, past.undo_target) == (states[-1], states[-2])
    back = past.visit(states[-2], "")
    assert (back.undo_target, back.redo_target) == (states[-3], states[-1])


def test_what_followed_a_forgotten_moment_is_kept_and_begins_a_branch() -> None:
    past = Past().visit(START, "start")
    for number in range(MAX_MOMENTS):
        past = past.visit(START, "").visit(PageState(replace(START.request, beam_size=number + 1)), "beam")

    assert [moment.state.request.beam_size for moment in past.moments] == list(range(1, MAX_MOMENTS + 1))
    assert {(moment.parent, moment.next) for moment in past.moments} == {(None, None)}
    assert (past.current, past.undo_target) == (MAX_MOMENTS - 1, None)


def test_it_survives_the_browser() -> None:
    past = Past().visit(START, "start").visit(FIRST, "first").visit(START, "")

    assert Past.from_json(past.to_json()) == past
