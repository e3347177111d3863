"""The panel of many what-ifs: other words, heads, near words, a sweep of the search, attention for a wanted word.

The browser runs them and draws what comes back (`assets/what_ifs.js`): it asks part by part, so that it can show how
far it is and stop. The answers are those of the API.
"""

from __future__ import annotations

from typing import Final

from dash import html
from dash.development.base_component import Component

from dashboard.drawing.attributes import wild
from dashboard.views.ids import WhatIfsRole, as_role

TRIALS: Final = (
    ("words", "Other words", "Write every other word of the top k at every step"),
    ("heads", "Heads off", "Ablate every head of attention, one at a time"),
    ("substitutes", "Near words", "Write every near word in place of the chosen word of the source or target"),
    ("attention", "Attention for…", "Find the smallest change of attention that makes another word most probable"),
    ("sweep", "Sweep the search", "Translate with beams of 1 to 20 and length penalties of 0 to 2"),
)
"""Kinds of trials: the name for the browser, the text of the button, and a sentence about it."""
OPEN_TITLE: Final = "Try many changes at once (w)"


def opener() -> Component:
    """The button that opens the panel."""
    return html.Button("What-ifs", className="quiet", title=OPEN_TITLE, **wild(data_trial="open"))


def layout() -> Component:
    """The panel, unseen until it is opened."""
    buttons = [
        html.Button(text, title=title, className="trial", **wild(data_trial=name)) for name, text, title in TRIALS
    ]
    close = html.Button("×", className="quiet", **wild(data_trial="close", aria_label="Close"))
    stop = html.Button("Stop", className="quiet", hidden=True, **as_role(WhatIfsRole.STOP) | wild(data_trial="stop"))
    status = html.P(
        "Choose what to try; nothing is changed by trying.",
        className="note",
        role="status",
        **as_role(WhatIfsRole.STATUS),
    )
    content = [
        html.Div([html.H2("Many what-ifs"), html.Span(className="fill"), close], className="trials-head"),
        html.Div(buttons, className="trial-buttons", role="group", **wild(aria_label="What to try")),
        html.Div([status, stop], className="trials-status"),
        html.Div(className="trials-bar", **as_role(WhatIfsRole.BAR)),
        html.Div(
            className="trials-found",
            role="group",
            tabIndex="0",
            **as_role(WhatIfsRole.FOUND) | wild(aria_label="What was found"),
        ),
    ]
    named = as_role(WhatIfsRole.PANEL) | wild(aria_label="Many what-ifs")
    return html.Div(content, className="trials", role="dialog", hidden=True, **named)
