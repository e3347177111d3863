"""Change attention: pick a target word, weigh source words by clicking them, decode on from there.

The draft lives in the browser (`assets/attention.js`); only Apply sends it.
"""

from __future__ import annotations

from dash import html
from dash.development.base_component import Component

from dashboard.drawing.attributes import wild
from dashboard.views.ids import AttentionRole, as_role


def layout() -> Component:
    """A line under the title, shown in attention mode only."""
    return html.Div(
        [
            html.Span(className="draft", **as_role(AttentionRole.SENTENCE), **wild(aria_live="polite")),
            html.Button("Apply", className="primary", disabled=True, **as_role(AttentionRole.APPLY)),
            html.Button("Reset", className="quiet", **as_role(AttentionRole.RESET)),
        ],
        className="attention-panel",
        hidden=True,
        **as_role(AttentionRole.PANEL),
    )
