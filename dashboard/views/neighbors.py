"""The card "What the model has seen here": the training examples around the state of one word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dash import html
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
from dashboard.state.page_state import Selection
from dashboard.views.controls import card, pending, placeholder, segmented
from dashboard.views.ids import NeighborsRole, as_role
from dashboard.views.missing_store import explain_missing_store
from dashboard.views.parts import Parts, attributes_part, html_part
from dashboard.views.scene import Scene
from dashboard.views.shown import Surroundings
from state_store.neighborhood import TokenEvidence
from state_store.neighbors import Neighbor

Children = list[Component | str]


@dataclass(frozen=True, slots=True)
class NeighborsContent:
    """The content of the card."""

    summary: str
    implied: Children
    pairs: Children


def layout(pane: str) -> Component:
    """The card."""
    offsets = segmented(
        pane,
        NeighborsRole.OFFSET,
        {"-1": "−1", "0": "0", "1": "+1"},
        "0",
        "Which token is highlighted, from the state's own",
    )
    implied = html.Div(className="evidence", **as_role(NeighborsRole.IMPLIED))
    return card(
        NeighborsRole.CARD,
        "What the model has seen here",
        [html.Span(className="summary", **as_role(NeighborsRole.SUMMARY))],
        [
            html.Div([implied, offsets], className="evidence-frame"),
            placeholder("Translate a text to see its neighbors."),
            pending("Looking for the nearest states of the training data …"),
            html.Ol(className="pairs", **(as_role(NeighborsRole.LIST) | wild(data_verb="neighbor"))),
        ],
        stages="1 2",
    )


def draw(around: Surroundings) -> Parts:
    """The neighbors of the focused word, or why there are none."""
    content = describe(around)
    return {
        NeighborsRole.CARD: attributes_part(data_empty="yes" if around.scene is None else None),
        NeighborsRole.SUMMARY: html_part(content.summary),
        NeighborsRole.IMPLIED: html_part(content.implied),
        NeighborsRole.LIST: html_part(content.pairs),
    }


def describe(around: Surroundings) -> NeighborsContent:
    """The content of the card."""
    if around.scene is None:
        return NeighborsContent("", explain_missing_store(around.state.request.model_id, around.missing), [])
    return describe_neighbors(around.scene, around.selection, around.options.offset)


def describe_neighbors(scene: Scene, selection: Selection | None, offset: int) -> NeighborsContent:
    """The card of one word; ``offset`` is which token is highlighted: before (-1), its own (0), after (1)."""
    focus = find_focus(scene.side, selection, scene.trace, scene.hypothesis)
    return NeighborsContent(
        describe_focus(scene, focus),
        [*_draw_predictions(scene, focus), _draw_sentence(scene, focus)],
        [_draw_pair(scene, neighbor, offset) for neighbor in scene.evidence[focus.index].neighbors],
    )


def describe_focus(scene: Scene, focus: Focus) -> str:
    """The state in words, with the reason for showing it where nobody chose it."""
    token = scene.words.show(scene.evidence[focus.index].token)
    place = f"token {focus.index + 1}, “{token}”"
    if scene.side == "target":
        place = f"step {focus.index + 1}, before “{token}”"
    return f"{place} · {focus.reason}" if focus.reason else place


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
    """The verb of the neighbors at the token; targets that the model wrote are said to be the model's."""
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
    """Say that the model wrote the target, where it did, and how many rows the neighbor stands for."""
    duplicates = f"{neighbor.duplicates} more with the same context" if neighbor.duplicates else ""
    notes = [note for note in (describe_author(neighbor.pair), duplicates) if note]
    # The blank keeps the notes from being read as the target's last word; they do not turn with its script.
    return [" ", html.Bdi(" · ".join(notes), className="pair-notes")] if notes else []
