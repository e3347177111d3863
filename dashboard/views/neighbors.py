"""What the model has seen here: the training examples around the state of one word, and what they say next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dash import Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component

from dashboard.drawing.attributes import wild
from dashboard.drawing.evidence import (
    ImpliedRow,
    MarkedText,
    compare_predictions,
    describe_author,
    describe_distance,
    mark_token,
)
from dashboard.drawing.findings import Focus, find_focus
from dashboard.drawing.words import END_MARK, TokenText, count
from dashboard.services import Services
from dashboard.state.page_state import Json, PageState, Selection
from dashboard.views.controls import card, segmented
from dashboard.views.ids import NeighborhoodId, NeighborsId, PageId
from dashboard.views.missing_store import explain_missing_store
from dashboard.views.scene import Scene, open_scene
from exported_models.contract.wishes import StartOver
from exported_models.edits import revise
from state_store.neighborhood import TokenEvidence
from state_store.neighbors import Neighbor

Children = list[Component | str]


@dataclass(frozen=True, slots=True)
class NeighborsContent:
    """What the card shows."""

    card_class: str
    summary: str
    implied: Children
    pairs: Children


def layout() -> Component:
    """The card."""
    offsets = segmented(
        NeighborsId.OFFSET, {"-1": "−1", "0": "0", "1": "+1"}, "0", "Which token is highlighted, from the state's own"
    )
    return card(
        NeighborsId.CARD,
        "What the model has seen here",
        [html.Span(id=NeighborsId.SUMMARY, className="summary")],
        [
            html.Div([html.Div(id=NeighborsId.IMPLIED, className="evidence"), offsets], className="evidence-frame"),
            html.Ol(id=NeighborsId.LIST, className="pairs", **wild(data_send=NeighborsId.CHOICE)),
            dcc.Store(id=NeighborsId.CHOICE),
        ],
        stages="1 2",
    )


def register(app: Dash, services: Services) -> None:
    """Add the callbacks of this view."""

    @app.callback(
        Output(NeighborsId.CARD, "className"),
        Output(NeighborsId.SUMMARY, "children"),
        Output(NeighborsId.IMPLIED, "children"),
        Output(NeighborsId.LIST, "children"),
        Input(PageId.REQUEST, "data"),
        Input(PageId.SELECTION, "data"),
        Input(NeighborhoodId.SPACE, "value"),
        Input(NeighborsId.OFFSET, "value"),
    )
    def show_neighbors(
        shown: Json | None, selected: Json | None, space: str | None, offset: str
    ) -> tuple[str, str, Children, Children]:
        scene = open_scene(services, shown, space)
        content = describe_neighbors(scene, selected, int(offset)) if scene else describe_nothing(services, shown)
        return content.card_class, content.summary, content.implied, content.pairs

    @app.callback(
        Output(PageId.REQUEST, "data", allow_duplicate=True),
        Output(PageId.SELECTION, "data", allow_duplicate=True),
        Input(NeighborsId.CHOICE, "data"),
        State(PageId.REQUEST, "data"),
        State(NeighborhoodId.SPACE, "value"),
        prevent_initial_call=True,
    )
    def open_pair(choice: Json | None, shown: Json | None, space: str) -> tuple[Any, Any]:
        if not choice or not shown:
            return no_update, no_update
        return open_chosen_pair(services, PageState.from_json(shown), space, choice["value"])


def describe_nothing(services: Services, shown: Mapping[str, Any] | None) -> NeighborsContent:
    """The card before the first translation, and when the model has no store that fits it."""
    if not shown:
        return NeighborsContent("card is-empty", "", ["Translate a text to see its neighbors."], [])
    reason = explain_missing_store(services, PageState.from_json(shown).request.model_id)
    return NeighborsContent("card is-empty", "", reason, [])


def describe_neighbors(scene: Scene, selected: Mapping[str, Any] | None, offset: int) -> NeighborsContent:
    """The card of one word; ``offset`` is which token is highlighted: before (-1), its own (0), after (1)."""
    selection = Selection.from_json(selected, scene.trace, scene.hypothesis)
    focus = find_focus(scene.side, selection, scene.trace, scene.hypothesis)
    return NeighborsContent(
        "card",
        describe_focus(scene, focus),
        [*_draw_predictions(scene, focus), _draw_sentence(scene, focus)],
        [_draw_pair(scene, neighbor, offset) for neighbor in scene.evidence[focus.index].neighbors],
    )


def describe_focus(scene: Scene, focus: Focus) -> str:
    """Which state this is, in words, and why when nobody chose it."""
    token = scene.words.show(scene.evidence[focus.index].token)
    place = f"token {focus.index + 1}, “{token}”"
    if scene.side == "target":
        place = f"step {focus.index + 1}, before “{token}”"
    return f"{place} · {focus.reason}" if focus.reason else place


def open_chosen_pair(services: Services, state: PageState, space: str, chosen: str) -> tuple[Json, Json]:
    """The page's stores for a neighbor's own sentence, its word selected; ``chosen`` is ``sentence:position``."""
    sentence, position = (int(part) for part in chosen.split(":"))
    store = services.store(state.request.model_id)
    if store is None:
        return state.to_json(), {}
    source = store.pair(sentence).source
    shown = services.answer(revise(state.request, StartOver(source)))
    return shown, {"side": store.manifest.space(space).owner, "index": position}


def _draw_predictions(scene: Scene, focus: Focus) -> Children:
    """The model's next tokens beside the neighbors'; nothing for a source word, which predicts nothing."""
    if scene.side == "source":
        return []
    choices = scene.trace.top_k(scene.hypothesis)[focus.index]
    rows = compare_predictions(choices, scene.evidence[focus.index].implied)
    head = html.Tr([html.Th("token", className="spoken"), html.Th("model"), html.Th("neighbors")])
    body = [_draw_row(row, scene.words) for row in rows]
    return [html.Table([html.Thead(head), html.Tbody(body)], className="implied")]


def _draw_row(row: ImpliedRow, words: TokenText) -> Component:
    return html.Tr(
        [
            html.Th(words.show(row.token), scope="row", title=words.speak(row.token)),
            _draw_bar(row.model, "model"),
            _draw_bar(row.neighbors, "neighbors"),
        ]
    )


def _draw_bar(share: float | None, kind: str) -> Component:
    if share is None:
        return html.Td("not in top k", className="absent")
    bar = html.Span(className=f"bar {kind}", style={"width": f"{100 * share:.1f}%"})
    return html.Td([html.Span(bar, className="track"), html.Span(f"{100 * share:.0f}", className="amount")])


def _draw_sentence(scene: Scene, focus: Focus) -> Component:
    evidence = scene.evidence[focus.index]
    if evidence.nearest is None:
        return html.P("No training example is left: every state of this space is of this very sentence.")
    before, figure, after = describe_distance(evidence.nearest, evidence.typicality)
    agreeing = sum(other.count for other in evidence.implied if other.token_id == evidence.token_id)
    share = f" {agreeing} of {count(len(evidence.neighbors), 'neighbor')}{_say_verb(scene, evidence)} "
    return html.P([before, html.B(figure), after, share, html.B(f"“{scene.words.show(evidence.token)}”"), "."])


def _say_verb(scene: Scene, evidence: TokenEvidence) -> str:
    """What neighbors do at the token; a target that the model wrote is no witness of what people would."""
    if scene.side == "source":
        return " stand on"
    by_model = any(neighbor.pair.target_is_model_output for neighbor in evidence.neighbors)
    return ", in the model’s own words, go on with" if by_model else " go on with"


def _draw_pair(scene: Scene, neighbor: Neighbor, offset: int) -> Component:
    """One training pair as a button that translates its source; texts are text, whatever they hold."""
    pair, position = neighbor.pair, neighbor.position + offset
    if scene.side == "source":
        source = _draw_marked(mark_token(pair.source, position, scene.model.source_tokenizer, END_MARK))
        target: Sequence[Component | str] = [pair.target]
    else:
        source = [pair.source]
        target = _draw_marked(mark_token(pair.target, position, scene.model.target_tokenizer, END_MARK))
    lines = [
        html.Span(source, className="pair-source", dir="auto"),
        html.Span(
            [html.Span(target, className="pair-target"), *_draw_notes(neighbor)], className="pair-line", dir="auto"
        ),
        html.Span(f"{neighbor.distance:.2f}", className="amount", title="distance"),
    ]
    value = f"{neighbor.sentence}:{neighbor.position}"
    title = f"Translate this source · line {pair.line} of the corpus"
    return html.Li(html.Button(lines, title=title, **wild(data_value=value)))


def _draw_marked(text: MarkedText) -> Children:
    parts: Children = [text.before, html.Mark(text.marked), text.after]
    return parts if text.marked else [text.before]


def _draw_notes(neighbor: Neighbor) -> Children:
    """Who wrote the target, where the corpus had none, and for how many rows the neighbor stands."""
    duplicates = f"{neighbor.duplicates} more with the same context" if neighbor.duplicates else ""
    notes = [note for note in (describe_author(neighbor.pair), duplicates) if note]
    # The blank keeps the notes from being read as the target's last word; they do not turn with its script.
    return [" ", html.Bdi(" · ".join(notes), className="pair-notes")] if notes else []
