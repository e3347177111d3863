"""The strip of conditions: what the shown request asks beyond its source, each to be taken back by a click.

A forced beginning, paths kept beside the beam, attention that is overridden, heads that are ablated, phrases that are
forbidden, rules of the search that are not the model's own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, groupby
from typing import Final

from dash import html
from dash.development.base_component import Component

from dashboard.drawing.attributes import wild
from dashboard.drawing.words import PairText, count
from dashboard.views.ids import ConditionsRole, as_role
from dashboard.views.parts import Parts, html_part
from dashboard.views.shown import Shown
from exported_models.contract.manifest import GenerationDefaults
from exported_models.contract.request import RULES, AttentionOverride, HeadAblation
from exported_models.contract.trace import Trace
from exported_models.contract.wishes import (
    Allow,
    Drop,
    Force,
    OwnAttention,
    Restore,
    SetSearch,
    StartOver,
    Wish,
    write_wish,
)
from exported_models.wording import describe_heads, describe_kept, describe_override, describe_phrase, describe_setting

MOST_HEADS = 6
"""Ablated heads that are listed one by one; more are one entry."""
OWN_RULES: Final = SetSearch.of_model(*RULES)


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition in words, and the wish that takes it back."""

    text: str
    undo: Wish


def layout() -> Component:
    """The strip. Without conditions it says so and keeps its room: at another size the tree would be drawn anew."""
    named = as_role(ConditionsRole.LIST) | wild(aria_label="Conditions of this answer")
    return html.Div(className="conditions", role="group", **named)


def draw(shown: Shown) -> Parts:
    """One button for each condition, and one for all where there are several."""
    trace = shown.picture.trace
    text = PairText(shown.picture.source_text, shown.picture.target_text)
    found = list_conditions(trace, text, shown.manifest.generation)
    buttons: list[Component] = [_draw_condition(condition) for condition in found]
    if len(found) > 1:
        clear = json.dumps(write_wish(StartOver(trace.request.source, search=OWN_RULES)))
        buttons.append(html.Button("Drop all", className="quiet", **wild(data_wish=clear)))
    name = html.Span("Conditions", className="conditions-name")
    none = html.Span("none: the model decodes freely", className="note")
    return {ConditionsRole.LIST: html_part([name, *(buttons or [none])])}


def list_conditions(trace: Trace, text: PairText, own: GenerationDefaults) -> list[Condition]:
    """The conditions of a request, in the order in which they come into force.

    Args:
        own: generation settings of the model.
    """
    asked = (
        _list_prefix(trace, text),
        _list_kept(trace, text),
        _list_attention(trace, text),
        _list_heads(trace),
        _list_phrases(trace, text),
    )
    return [*chain(*asked), *_list_rules(trace, own)]


def _list_prefix(trace: Trace, text: PairText) -> Iterator[Condition]:
    prefix = trace.request.prefix
    if prefix:
        last = text.target.show(prefix[-1])
        forced = count(len(prefix), "token")
        yield Condition(f"first {forced} forced, to “{last}”" if len(prefix) > 1 else f"“{last}” forced", Force(()))


def _list_kept(trace: Trace, text: PairText) -> Iterator[Condition]:
    for path in trace.request.kept:
        yield Condition(describe_kept(path, text, kept=True), Drop(path))


def _list_attention(trace: Trace, text: PairText) -> Iterator[Condition]:
    for step, group in groupby(trace.request.overrides, key=lambda override: override.step):
        yield Condition(_name_overrides(list(group), trace, text), OwnAttention(step))


def _name_overrides(overrides: list[AttentionOverride], trace: Trace, text: PairText) -> str:
    if len(overrides) > 1:
        return f"{overrides[0].step + 1}: attention of {count(len(overrides), 'place')}"
    only = overrides[0]
    return describe_override(only, trace.source.tokens, text) + name_scope(only.layer, only.head)


def name_scope(layer: int | None, head: int | None) -> str:
    """``, layer 2 head 3``; empty for all layers and heads."""
    layers = "" if layer is None else f" layer {layer + 1}"
    heads = "" if head is None else f" head {head + 1}"
    return f",{layers}{heads}" if layers or heads else ""


def _list_heads(trace: Trace) -> Iterator[Condition]:
    heads = trace.request.ablations
    groups: list[tuple[HeadAblation, ...]] = [(head,) for head in heads] if len(heads) <= MOST_HEADS else [heads]
    for group in groups:
        yield Condition(describe_heads(group, ablated=True), Restore(group))


def _list_phrases(trace: Trace, text: PairText) -> Iterator[Condition]:
    for phrase in trace.request.forbidden:
        yield Condition(describe_phrase(phrase.tokens, phrase.step, text, forbidden=True), Allow(phrase.tokens))


def _list_rules(trace: Trace, own: GenerationDefaults) -> Iterator[Condition]:
    for name in RULES:
        value = getattr(trace.request, name)
        if value != getattr(own, name):
            yield Condition(describe_setting(name, value), SetSearch.of_model(name))


def _draw_condition(condition: Condition) -> Component:
    wish = json.dumps(write_wish(condition.undo))
    cross = html.Span("×", className="cross", **wild(aria_hidden="true"))
    spoken = wild(data_wish=wish, aria_label=f"Take back: {condition.text}")
    return html.Button([condition.text, cross], className="condition", title="Take this back", **spoken)
