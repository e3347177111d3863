"""Answers that change nothing: what the word menu and the attention editor of the browser need to know.

``/_pane/word`` draws the menu of the word that a question selects. ``/_pane/completions`` lists words that begin as a
text ends. ``/_pane/attention`` gives the attention of the selected target step.
"""

from __future__ import annotations

from typing import Final

from dashboard.chosen_word import find_word
from dashboard.services import Services
from dashboard.state.page_state import Json, PageState, Selection
from dashboard.state.question import Beginning, Question
from dashboard.views import word_menu
from exported_models.contract.errors import RequestError
from exported_models.edits import check_beside

WORD: Final = "/_pane/word"
COMPLETIONS: Final = "/_pane/completions"
ATTENTION: Final = "/_pane/attention"


def show_word(services: Services, question: Question) -> Json:
    """The menu of the selected word, and the text that it stands in.

    Raises:
        BeamscopeError: there is no such word; the message says why.
    """
    state, selection = _read_word(question)
    chosen = find_word(services, state, selection)
    parts = [[str(role), part.content] for role, part in word_menu.draw(chosen).items()]
    # Without a word there is nothing to write anew.
    return {"parts": parts, "text": word_menu.text_of(chosen), "word": chosen.word.text if chosen.word else None}


def complete_word(services: Services, asked: Beginning) -> Json:
    """Texts that the typed one may become, its last word completed.

    Raises:
        BeamscopeError: there is no such model.
    """
    before, space, last = asked.text.rpartition(" ")
    store, _ = services.store_or_reason(asked.model_id)
    words = services.suggestions.complete(services.engine, store, asked.model_id, asked.side, last)
    return {"texts": [before + space + word for word in words]}


def show_attention(services: Services, question: Question) -> Json:
    """The attention of the selected target step, in the view of the layer and head that the options name.

    The step is one of the pinned answer where the question says so. ``beside`` of the result has that answer's words.

    Raises:
        BeamscopeError: there is no such step, layer or head, or no attention; or nothing is pinned whose source has
            equally many tokens.
    """
    state, selection = _read_word(question)
    pinned = state.pinned if state.compares else None
    if question.beside:
        check_beside(services.trace(state.request), services.chosen(pinned) if pinned else None)
        state = pinned or state
    picture = services.picture(state)
    view = picture.view(question.options.layer, question.options.head)
    if view is None:
        raise RequestError(f"The model {state.request.model_id} has no attention to change.")
    attention = picture.attention(view.layer, view.head)
    if attention is None or selection.side != "target" or not 0 <= selection.index < len(attention):
        raise RequestError(f"The translation has no step {selection.index + 1}.")
    weights = [round(float(weight), 4) for weight in attention[selection.index]]
    return {"step": selection.index, "weights": weights, "beside": _name_words(services, pinned)}


def _name_words(services: Services, state: PageState | None) -> list[str]:
    """The target words of an answer as drawn; none without one."""
    if state is None:
        return []
    _, hypothesis = services.chosen(state)
    return list(services.token_text(state.request.model_id).target.show_all(hypothesis.tokens))


def _read_word(question: Question) -> tuple[PageState, Selection]:
    if question.state is None or question.selection is None:
        raise RequestError("No word is chosen; choose one of the translation.")
    word = question.selection
    return question.state.to_state(), Selection(word.side, word.index)
