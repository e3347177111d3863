"""Small controls that several views use."""

from __future__ import annotations

from collections.abc import Mapping

from dash import dcc, html
from dash.development.base_component import Component

from dashboard.drawing.attributes import wild


def segmented(control_id: str, options: Mapping[str, str], value: str, label: str) -> Component:
    """A few exclusive choices side by side: radio buttons drawn as one control. ``options``: value -> text."""
    choices = dcc.RadioItems(
        id=control_id,
        options=[{"label": text, "value": key} for key, text in options.items()],
        value=value,
        className="segmented-choices",
        inline=True,
    )
    return html.Div(choices, role="group", className="segmented", **wild(aria_label=label))


def card(card_id: str, title: str, controls: list[Component], content: list[Component], stages: str) -> Component:
    """A titled panel. ``stages``: numbers of the stages it belongs to, as in ``"1 2"``."""
    heading = html.Div([html.H2(title), *controls], className="card-head")
    return html.Section([heading, *content], id=card_id, className="card", **wild(aria_label=title, data_stages=stages))


def placeholder(text: str) -> Component:
    """What stands in a view before its first content; it shimmers while that is on its way."""
    return html.P(text, className="placeholder")
