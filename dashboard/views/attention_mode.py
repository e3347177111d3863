"""Change attention: choose target words, weigh the source words for each, decode on from there.

The draft lives in the browser (`assets/attention.js`), which also makes the sliders and the lists of steps, layers and
heads; only Apply sends it.
"""

from __future__ import annotations

from dash import html
from dash.development.base_component import Component

from dashboard.drawing.attributes import wild
from dashboard.views.ids import AttentionRole, as_role
from dashboard.views.parts import Parts, attributes_part
from dashboard.views.shown import Shown


def layout() -> Component:
    """Two lines under the title, shown in attention mode only: the draft in words, and its buttons."""
    sentence = as_role(AttentionRole.SENTENCE) | wild(aria_live="polite")
    steps = as_role(AttentionRole.STEPS) | wild(aria_label="Other steps of the draft")
    lines = [
        html.Div(
            [html.Span(className="draft", **sentence), html.Span(className="draft-steps", role="group", **steps)],
            className="draft-line",
        ),
        html.Div(
            [
                _fill_button("Even", "even", "Equal weights on all source words"),
                _fill_button("Own", "own", "Begin with the attention that the model has here"),
                html.Span(className="draft-choices", **as_role(AttentionRole.CHOICES)),
                html.Span(className="fill"),
                html.Button("Reset", className="quiet", **as_role(AttentionRole.RESET)),
                html.Button("Apply", className="primary", disabled=True, **as_role(AttentionRole.APPLY)),
            ],
            className="draft-line",
        ),
    ]
    return html.Div(lines, className="attention-panel", hidden=True, **as_role(AttentionRole.PANEL))


def layout_sliders() -> Component:
    """The row under the source words that holds a slider for each."""
    named = as_role(AttentionRole.SLIDERS) | wild(aria_label="Weight of each source word")
    sliders = html.Div(className="weights", role="group", **named)
    return html.Div([html.Span("weight", className="row-name"), sliders], className="row weights-row")


def draw(shown: Shown) -> Parts:
    """The numbers of layers and heads whose attention can be overridden."""
    layers, heads = shown.manifest.cross_attention_layers, shown.manifest.cross_attention_heads
    return {AttentionRole.CHOICES: attributes_part(data_layers=layers, data_heads=heads)}


def _fill_button(text: str, fill: str, title: str) -> Component:
    return html.Button(text, className="act", disabled=True, title=title, **wild(data_fill=fill))
