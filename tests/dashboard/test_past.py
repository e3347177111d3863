"""The history: a tree to walk."""

from dashboard.page_state import PageState
from dashboard.past import Past
from exported_models.request import Request

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


def test_it_survives_the_browser() -> None:
    past = Past().visit(START, "start").visit(FIRST, "first").visit(START, "")

    assert Past.from_json(past.to_json()) == past
