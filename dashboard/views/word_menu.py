"""The menu of one word: words to write in its place, as a map and as a list, and what else can be done with it.

The browser opens it over a word (`assets/word_menu.js`) and asks once for what it shows. Buttons hold their wishes; the
fields for free text are the browser's own, and ask for words that begin as the analyst types.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
from dash import html
from dash.development.base_component import Component

from dashboard.chosen_word import ChosenWord
from dashboard.drawing.attributes import wild
from dashboard.drawing.word_map import HEIGHT, WIDTH, place_words
from dashboard.suggestions import Suggestions
from dashboard.views.ids import WordMenuRole, as_role
from dashboard.views.parts import Parts, html_part
from exported_models.contract.arrays import Floats
from exported_models.contract.wishes import Forbid, Force, Wish, write_wish
from state_store.local_maps import project


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
        return [*rewrite, *_try_all(chosen), _browser_button("Edit the whole source…", "edit-source")]
    step, tokens = chosen.selection.index, chosen.hypothesis.tokens
    has_attention = chosen.trace.attention(chosen.hypothesis) is not None
    return [
        _wish_button("Keep up to here", Force(tokens[: step + 1])),
        *_forbid_buttons(chosen),
        *_try_all(chosen),
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
                html.Th(_wish_button(near.text, chosen.rewrite_core(near.text)), scope="row"),
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


def _try_all(chosen: ChosenWord) -> list[Component]:
    return (
        [_browser_button(f"Try all {len(chosen.suggestions.words)} near words", "try-all")]
        if chosen.suggestions
        else []
    )


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
    wish = json.dumps(write_wish(chosen.rewrite_core(text)))
    return html.Button(text, style=style, **wild(data_wish=wish, data_near=str(index)))


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
