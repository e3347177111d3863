"""Answer a pane: one question a click, and one answer that fills every view.

``/_pane/answer`` grants the wish and draws what the trace alone decides. ``/_pane/surroundings`` draws the training
states around the same request, which take longer. An answer leaves out the parts that the browser has already.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from dashboard.errors import LinkError
from dashboard.services import Services
from dashboard.state.page_state import Json, PageState, Selection
from dashboard.state.question import Export, Options, Question
from dashboard.state.url_state import encode_fragment
from dashboard.views import (
    changes,
    comparison,
    conditions,
    exports,
    header,
    history,
    nbest,
    neighborhood,
    neighbors,
    search_settings,
    stages,
    translation,
    tree,
)
from dashboard.views.compared import Compared, look_at_both
from dashboard.views.notices import describe_error, notice, refuse
from dashboard.views.parts import Part, Parts
from dashboard.views.shown import Shown, Surroundings, find_on_view, look, look_around
from dashboard.views.wishes import Turn, grant, shown_state
from exported_models.contract.errors import BeamscopeError
from exported_models.runtime.cancellation import check_wanted

_LOG = logging.getLogger(__name__)

Value = TypeVar("Value", Shown, Compared, Surroundings)
Asked = TypeVar("Asked")

ANSWER: Final = "/_pane/answer"
SURROUNDINGS: Final = "/_pane/surroundings"

VIEWS: Final[tuple[Callable[[Shown], Parts], ...]] = (
    header.draw,
    search_settings.draw,
    history.draw,
    conditions.draw,
    stages.draw,
    translation.draw,
    nbest.draw,
    tree.draw,
)
VIEWS_OF_ANSWERS: Final[tuple[Callable[[Shown], Parts], ...]] = (
    header.draw,
    search_settings.draw,
    history.draw,
    conditions.draw,
)
"""Views of the shown answer while another one is pinned beside it."""
VIEWS_OF_COMPARISON: Final[tuple[Callable[[Compared], Parts], ...]] = (
    stages.draw_comparison,
    comparison.draw,
    changes.draw,
    tree.draw_overlaid,
)
VIEWS_OF_STATES: Final[tuple[Callable[[Surroundings], Parts], ...]] = (
    stages.draw_states,
    neighborhood.draw,
    neighbors.draw,
)


def answer(services: Services, question: Question) -> Json:
    """Grant a wish and draw what the pane shows then.

    Raises:
        BeamscopeError: the wish cannot be granted; the message says why.
    """
    before = _read_turn(question)
    if isinstance(question.wish, Export):
        return {"download": export(services, before, question.options, question.wish)}
    after = before if question.wish is None else grant(services, before, question.wish, question.options)
    return _fill_views(services, before.state, after, question)


def export(services: Services, turn: Turn, options: Options, wish: Export) -> Json:
    """The file that a wish asks for.

    Raises:
        RequestError: there is no translation yet.
        BeamscopeError: the model or its store lacks what the view shows, or Parquet cannot be written.
    """
    return exports.write(services, look(services, shown_state(turn), options), turn, wish)


def _fill_views(services: Services, before: PageState | None, turn: Turn, question: Question) -> Json:
    state = turn.state
    if state is None:
        return {}
    # The answer of a wish is read beside the pinned one, whatever was changed.
    mode = question.options.mode if question.wish is None else "words"
    shown = look(services, state, question.options.model_copy(update={"mode": mode}))
    picture = shown.picture
    selection = turn.selection and turn.selection.within(picture.trace, picture.hypothesis)
    return {
        "state": state.to_json(),
        "selection": selection and selection.to_json(),
        "moments": history.remember(services, before, state, turn.label),
        "compares": shown.on_view.compares,
        "link": link_to(state, _hash_models(services, state)),
        "warning": turn.warning,
        "parts": _pack(_draw_answer(services, shown), question.held),
    }


def _draw_answer(services: Services, shown: Shown) -> Parts:
    """Every view of the answer; beside a pinned one, those that compare both."""
    pinned = shown.on_view.pinned
    if pinned is None or not shown.on_view.compares:
        return _draw(VIEWS, shown)
    return {**_draw(VIEWS_OF_ANSWERS, shown), **_draw(VIEWS_OF_COMPARISON, look_at_both(services, shown, pinned))}


def surround(services: Services, question: Question) -> Json:
    """Draw the training states around what the pane shows."""
    turn = _read_turn(question)
    if turn.state is None:
        return {}
    trace, hypothesis = services.chosen(turn.state)
    selection = turn.selection and turn.selection.within(trace, hypothesis)
    state = find_on_view(turn.state, question.options)
    around = look_around(services, state, question.options, selection, follows=question.follows)
    chosen = {"space": around.options.space, "map": around.options.map, "method": around.options.method}
    return {"options": chosen, "parts": _pack(_draw(VIEWS_OF_STATES, around), question.held)}


def link_to(state: PageState, models: Mapping[str, str] | None = None) -> Json:
    """The fragment of a link to the page, or why there is none; of the two, one is empty.

    Args:
        models: hash of each model that answers.
    """
    try:
        return {"fragment": encode_fragment(state, models), "refusal": ""}
    except LinkError as error:
        return {"fragment": "", "refusal": str(error)}


def _read_turn(question: Question) -> Turn:
    word = question.selection
    return Turn(
        question.state.to_state() if question.state else None,
        Selection(word.side, word.index) if word else None,
    )


def _hash_models(services: Services, state: PageState) -> dict[str, str]:
    """The hash of each model that answers a state and its pin."""
    shown = (state, state.pinned) if state.pinned else (state,)
    return {each.request.model_id: services.trace(each.request).model_hash for each in shown}


def _draw(views: tuple[Callable[[Value], Parts], ...], value: Value) -> Parts:
    """The parts of all views.

    Raises:
        UnwantedError: the call was cancelled; a thousand steps take a while to draw.
    """
    parts: dict[str, Part] = {}
    for view in views:
        check_wanted()
        parts.update(view(value))
    return parts


def _pack(parts: Parts, held: Mapping[str, str]) -> list[list[object]]:
    """``[role, digest, content]`` of each part that the browser does not have."""
    named = ((str(role), part.digest, part.content) for role, part in parts.items())
    return [[role, digest, content] for role, digest, content in named if held.get(role) != digest]


def respond(services: Services, act: Callable[[Services, Asked], Json], question: Asked) -> Json:
    """The answer to a question; an error becomes a notice on the page, which stays as it was."""
    try:
        return act(services, question)
    except BeamscopeError as error:
        return {"notice": refuse(error, question)}
    except Exception as error:
        _LOG.error("A question of the page failed.", exc_info=error)
        return {"notice": notice("error", describe_error(error))}
