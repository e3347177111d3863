"""The menu of one word: words to write in its place, as a map and as a list, and what else can be done with it.

The browser opens it over a word (`assets/word_menu.js`) and asks once for what it shows. Buttons hold their wishes; the
fields for free text are the browser's own, and ask for words that begin as the analyst types.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from dash import html
from dash.development.base_component import Component

from dashboard.drawing.attributes import wild
from dashboard.drawing.word_map import HEIGHT, WIDTH, place_words
from dashboard.drawing.words import PairText, TokenText
from dashboard.services import Services
from dashboard.state.page_state import PageState, Selection
from dashboard.suggestions import Suggestions
from dashboard.views.ids import WordMenuRole, as_role
from dashboard.views.parts import Parts, html_part
from exported_models.contract.arrays import Floats
from exported_models.contract.errors import RequestError
from exported_models.contract.trace import Hypothesis, Trace
from exported_models.contract.whole_words import WholeWord
from exported_models.contract.wishes import Forbid, Force, Substitute, SubstituteTarget, Wish, write_wish
from state_store.local_maps import project

NO_TEXT = "This token stands for no text, so no word can be written in its place."


@dataclass(frozen=True, slots=True)
class ChosenWord:
    """One token of a translation, and the word that it belongs to.

    Attributes:
        word: None where the token stands for no text.
        suggestions: None where the word has no embedding to compare.
        missing: the reason why nothing is suggested; empty where something is.
    """

    selection: Selection
    trace: Trace
    hypothesis: Hypothesis
    texts: PairText
    word: WholeWord | None
    suggestions: Suggestions | None
    missing: str

    @property
    def writer(self) -> TokenText:
        """Writes tokens of the word's side."""
        return self.texts.source if self.selection.side == "source" else self.texts.target

    @property
    def shown(self) -> str:
        """The word as a person reads it."""
        tokens = self.trace.source.tokens if self.selection.side == "source" else self.hypothesis.tokens
        return self.word.text if self.word else self.writer.show(tokens[self.selection.index])

    def rewrite(self, text: str) -> Wish:
        """The wish that writes ``text`` in place of the word."""
        if self.selection.side == "source":
            return Substitute(self.trace.source.words[self.selection.index], text)
        return SubstituteTarget(self.selection.index, text)


def layout() -> Component:
    """The menu, unseen until a word is chosen."""
    word_map = as_role(WordMenuRole.MAP) | wild(aria_label="Words with near embeddings, as a map")
    word_list = as_role(WordMenuRole.LIST) | wild(aria_label="Words with near embeddings, nearest first")
    content = [
        html.H2(**as_role(WordMenuRole.TITLE)),
        html.Div(className="word-form"),
        html.Div(className="word-actions", **as_role(WordMenuRole.ACTIONS)),
        html.Div(
            [
                html.Div(className="word-map", role="group", style={"width": WIDTH, "height": HEIGHT}, **word_map),
                html.Div(className="word-list", role="group", style={"maxHeight": HEIGHT}, **word_list),
            ],
            className="word-near",
        ),
        html.P(className="note", **as_role(WordMenuRole.NOTE)),
    ]
    named = as_role(WordMenuRole.MENU) | wild(aria_label="Change a word")
    return html.Div(content, className="word-menu", role="dialog", hidden=True, **named)


def find_word(services: Services, state: PageState, selection: Selection) -> ChosenWord:
    """The chosen word of a translation, with the words that may stand in its place.

    Raises:
        RequestError: the translation has no such token.
    """
    trace, hypothesis = services.chosen(state)
    if selection.within(trace, hypothesis) is None:
        raise RequestError(f"The translation has no {selection.side} token {selection.index}; choose one of its words.")
    texts = services.token_text(state.request.model_id)
    word = _cut_word(services, state, trace, hypothesis, selection)
    suggestions, missing = None, NO_TEXT
    if word is not None:
        suggestions, missing = _suggest(services, state, trace, hypothesis, selection, word)
    return ChosenWord(selection, trace, hypothesis, texts, word, suggestions, missing)


def draw(chosen: ChosenWord) -> Parts:
    """Title, actions, map and list."""
    found = chosen.suggestions
    return {
        WordMenuRole.TITLE: html_part(name_word(chosen)),
        WordMenuRole.ACTIONS: html_part(draw_actions(chosen)),
        WordMenuRole.MAP: html_part(draw_map(chosen, found) if found else [], hidden=found is None),
        WordMenuRole.LIST: html_part(draw_list(chosen, found) if found else [], hidden=found is None),
        WordMenuRole.NOTE: html_part(explain(chosen)),
    }


def name_word(chosen: ChosenWord) -> list[Component | str]:
    """The word and its place."""
    place, side = chosen.selection.index + 1, chosen.selection.side
    kind = "chip source" if side == "source" else "chip target"
    where = f"source token {place}" if side == "source" else f"target step {place}"
    return [html.Span(chosen.shown, className=kind), html.Span(where, className="where")]


def draw_actions(chosen: ChosenWord) -> list[Component]:
    """Buttons for what can be done with the word besides writing another one."""
    if chosen.selection.side == "source":
        rewrite = [_wish_button("Leave it out", chosen.rewrite(""))] if chosen.word else []
        return [*rewrite, _browser_button("Edit the whole source…", "edit-source")]
    step, tokens = chosen.selection.index, chosen.hypothesis.tokens
    has_attention = chosen.trace.attention(chosen.hypothesis) is not None
    return [
        _wish_button("Keep up to here", Force(tokens[: step + 1])),
        *_forbid_buttons(chosen),
        *([_browser_button("Change its attention", "attend")] if has_attention else []),
        _browser_button("Edit the whole target…", "edit-target"),
    ]


def draw_map(chosen: ChosenWord, found: Suggestions) -> list[Component]:
    """The word in the middle of those that are near, each a button that writes it."""
    words = [chosen.word.core if chosen.word else chosen.shown, *(near.text for near in found.words)]
    points = project(_scale(np.stack([found.vector, *(near.vector for near in found.words)])), "mds")
    weights = [1.0, *(near.similarity for near in found.words)]
    return [
        _map_word(chosen, words[place.index], place.index, _style(place.left, place.top, place.width, place.size))
        for place in place_words(words, points, weights)
    ]


def draw_list(chosen: ChosenWord, found: Suggestions) -> Component:
    """The same words as a table, nearest first."""
    counted = found.pairs is not None
    names = ("word", "similarity", *(("in corpus",) if counted else ()))
    rows = [
        html.Tr(
            [
                html.Th(_wish_button(near.text, _rewrite_core(chosen, near.text)), scope="row"),
                html.Td(f"{near.similarity:.2f}"),
                *([html.Td(f"{near.count:,}")] if near.count is not None else []),
            ],
            **wild(data_near=str(index)),
        )
        for index, near in enumerate(found.words, 1)
    ]
    head = html.Thead(html.Tr([html.Th(name, scope="col") for name in names]))
    return html.Table([head, html.Tbody(rows)], className="near-words")


def explain(chosen: ChosenWord) -> str:
    """The origin of the suggested words, or the reason why there are none."""
    found = chosen.suggestions
    if found is None:
        return chosen.missing
    side = chosen.selection.side
    if found.pairs is None:
        return f"Whole words of the vocabulary, nearest in the model's own {side} embeddings."
    return f"Words of {found.pairs:,} sentence pairs, nearest in the model's own {side} embeddings."


def text_of(chosen: ChosenWord) -> str:
    """The whole text of the word's side."""
    return chosen.trace.source.payload if chosen.selection.side == "source" else chosen.hypothesis.text


def _cut_word(
    services: Services, state: PageState, trace: Trace, hypothesis: Hypothesis, selection: Selection
) -> WholeWord | None:
    try:
        if selection.side == "source":
            start, end = trace.source.spans[selection.index]
            return WholeWord.of_source(trace.source, trace.source.words[selection.index]) if start < end else None
        target = services.engine.target_text(state.request.model_id)
        return WholeWord.of_target(hypothesis, selection.index, target)
    except RequestError:
        return None


def _suggest(
    services: Services,
    state: PageState,
    trace: Trace,
    hypothesis: Hypothesis,
    selection: Selection,
    word: WholeWord,
) -> tuple[Suggestions | None, str]:
    """Words near to a word, or the reason why there are none."""
    model_id = state.request.model_id
    known = trace.source.ids if selection.side == "source" else hypothesis.token_ids
    if not known:
        return None, "The source is no text; nothing can be suggested."
    ids = tuple(known[place] for place in word.core_places)
    store, _ = services.store_or_reason(model_id)
    try:
        found = services.suggestions.suggest(services.engine, store, model_id, selection.side, ids, word.core)
    except RequestError as error:
        return None, str(error)
    return (found, "") if found.words else (None, "No word of the vocabulary is near; type one.")


def _forbid_buttons(chosen: ChosenWord) -> list[Component]:
    """Forbid the token, and the whole word where it has several."""
    step, tokens = chosen.selection.index, chosen.hypothesis.tokens
    phrases: list[tuple[str, int, tuple[str, ...]]] = [(chosen.writer.show(tokens[step]), step, (tokens[step],))]
    if chosen.word and len(chosen.word.places) > 1:
        places = chosen.word.places
        phrases.append((chosen.word.text, places[0], tuple(tokens[place] for place in places)))
    return [_forbid_group(name, place, phrase) for name, place, phrase in phrases]


def _forbid_group(name: str, step: int, tokens: tuple[str, ...]) -> Component:
    here = _wish_button("here", Forbid(tokens, step=step), f"Forbid “{name}” at step {step + 1}")
    everywhere = _wish_button("everywhere", Forbid(tokens), f"Forbid “{name}” at every step")
    return html.Span([f"Forbid “{name}”", here, everywhere], className="forbid")


def _map_word(chosen: ChosenWord, text: str, index: int, style: dict[str, float]) -> Component:
    if index == 0:
        return html.Span(text, className=f"near-own {chosen.selection.side}", style=style)
    wish = json.dumps(write_wish(_rewrite_core(chosen, text)))
    return html.Button(text, style=style, **wild(data_wish=wish, data_near=str(index)))


def _rewrite_core(chosen: ChosenWord, text: str) -> Wish:
    """The wish for a suggested word: punctuation that clings to the word stays."""
    return chosen.rewrite(chosen.word.rewrite(text) if chosen.word else text)


def _scale(vectors: Floats) -> Floats:
    """The vectors at unit length, so that near on the map is near by cosine."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1), np.float32)


def _style(left: float, top: float, width: float, size: float) -> dict[str, float]:
    return {"left": round(left), "top": round(top), "width": round(width), "fontSize": size}


def _wish_button(text: str, wish: Wish, spoken: str | None = None) -> Component:
    named: Sequence[tuple[str, str]] = [("aria_label", spoken)] if spoken else []
    return html.Button(text, className="act", **wild(data_wish=json.dumps(write_wish(wish)), **dict(named)))


def _browser_button(text: str, act: str) -> Component:
    return html.Button(text, className="act", **wild(data_act=act))
