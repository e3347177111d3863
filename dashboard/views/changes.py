"""The card "What changed": two compared answers in sentences and numbers."""

from __future__ import annotations

from collections.abc import Sequence

from dash import dcc, html
from dash.development.base_component import Component

from dashboard.drawing.comparison_sentences import (
    say_attention,
    say_lost,
    say_reference,
    say_sources,
    say_words,
)
from dashboard.drawing.scored_target import say_departure
from dashboard.drawing.split_table import Share, SplitRow, align_choices, name_split
from dashboard.drawing.words import count, signed
from dashboard.views.compared import Compared
from dashboard.views.controls import card
from dashboard.views.ids import ChangesRole, as_control, as_role, control_id
from dashboard.views.mantine import popover
from dashboard.views.parts import Parts, html_part
from exported_models.comparison.comparison import ScoreParts


def layout(pane: str) -> Component:
    """The card, with a field for a reference."""
    field = dcc.Input(
        id=control_id(pane, ChangesRole.REFERENCE),
        type="text",
        debounce=True,
        placeholder="Reference translation, then Enter",
        className="reference-text",
        autoComplete="off",
    )
    named = html.Label([html.Span("reference", className="spoken"), field], **as_control(pane, ChangesRole.REFERENCE))
    panel = popover(
        control_id(pane, ChangesRole.REFERENCE_PANEL),
        "Reference…",
        [named],
        title="Judge both by a reference",
        side="end",
    )
    return card(
        ChangesRole.CARD,
        "What changed",
        [html.Span(className="fill"), panel],
        [html.Div(className="changes", tabIndex="0", role="group", **as_role(ChangesRole.CONTENT))],
        "3 4 5",
    )


def draw(compared: Compared) -> Parts:
    """Everything that differs, in the order of the stages."""
    return {ChangesRole.CONTENT: html_part(list(_content(compared)))}


def _content(compared: Compared) -> Sequence[Component]:
    found, (old, new) = compared.found, compared.texts
    sentences = [say_sources(compared.picture), say_words(found)]
    parts: list[Component] = [html.P(html.B(text)) for text in sentences if text]
    parts.append(_scores(found.scores))
    if found.split and found.trees is not None:
        rows = align_choices(found.split, old.target, new.target)
        parts += [_split(name_split(found.split), rows)] if rows else []
    after = found.after
    details = [say_departure(after.trace, after.hypothesis, new.target)]
    details += [say_attention(compared.picture, found.attention), *say_lost(found.trees, old.target, new.target)]
    details += [*say_reference(found.reference), *found.not_compared]
    return [*parts, *(html.P(text, className="detail") for text in details if text)]


def _name_sum(scores: tuple[ScoreParts, ScoreParts]) -> str:
    return "sum, weighed by the search" if any(one.weighed for one in scores) else "sum of log-probabilities"


def _scores(scores: tuple[ScoreParts, ScoreParts]) -> Component:
    rows = [
        ("score a token", *(signed(side.normalized, 3) for side in scores)),
        (_name_sum(scores), *(signed(side.score) for side in scores)),
        ("length", *(count(side.length, "token") for side in scores)),
    ]
    head = html.Thead(html.Tr([html.Td(), html.Th("pivot", scope="col"), html.Th("compare", scope="col")]))
    body = [
        html.Tr([html.Th(name, scope="row"), html.Td(one, className="pivot"), html.Td(other, className="compare")])
        for name, one, other in rows
    ]
    return html.Table([head, html.Tbody(body)], className="numbers")


def _split(name: str, rows: Sequence[SplitRow]) -> Component:
    head = html.Thead(html.Tr([html.Th(text, scope="col") for text in (name, "pivot", "compare")]))
    body = [
        html.Tr([html.Th(row.word, scope="row"), _bar(row.before, "pivot"), _bar(row.after, "compare")]) for row in rows
    ]
    return html.Table([head, html.Tbody(body)], className="numbers split")


def _bar(share: Share, side: str) -> Component:
    bar = html.Span(className=f"bar {side}", style={"--p": share.percent})
    return html.Td([bar, html.Span(f"{'< ' if share.at_most else ''}{share.percent}")])
