"""Controls and cards that several views use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dash import html
from dash.development.base_component import Component
from plotly.io.json import to_json_plotly

from dashboard.drawing.attributes import wild
from dashboard.views import mantine
from dashboard.views.ids import as_control, as_role, control_id


def segmented(pane: str, role: str, options: Mapping[str, str], value: str, label: str) -> Component:
    """A few exclusive choices side by side: radio buttons drawn as one control. ``options``: value -> text."""
    control = mantine.segmented_control(control_id(pane, role), options, value, label)
    return html.Div(control, **as_control(pane, role))


def select(pane: str, role: str, options: Mapping[str, str], value: str | None, label: str, **more: Any) -> Component:
    """One of several choices, in a list that opens. ``options``: value -> text."""
    control = mantine.select(control_id(pane, role), options, value, label, **more)
    return html.Div(control, **as_control(pane, role))


def held_back(pane: str, role: str, component: Component, /, **attributes: Any) -> Component:
    """A frame whose component is mounted when the pane first looks at states (``mountHeldBack``), not with the page.

    For a component that loads a library: running Plotly takes the browser a second, which the first words need not
    wait for.
    """
    slot = html.Div(id=control_id(pane, role), className="slot")
    later = as_control(pane, role) | wild(data_later=to_json_plotly(component))
    return html.Div(slot, **later, **attributes)


def card(role: str, title: str, controls: list[Component], content: list[Component], stages: str) -> Component:
    """A titled panel that can be enlarged to the whole page. ``stages``: numbers of its stages, as in ``"1 2"``."""
    heading = html.Div([html.H2(title), *controls, _enlarge_button(title)], className="card-head")
    named = as_role(role) | wild(aria_label=title, data_stages=stages)
    return html.Section([heading, *content], className="card", **named)


def placeholder(text: str) -> Component:
    """A line that stands in a view before its first content."""
    return html.P(text, className="placeholder")


def pending(text: str) -> Component:
    """A line that stands in a view of states from the first answer until the first states around it."""
    return html.P(text, className="placeholder pending")


def _enlarge_button(title: str) -> Component:
    label = wild(aria_label=f"Enlarge {title}", aria_pressed="false", data_enlarge="yes")
    return html.Button("⤢", className="quiet enlarge", title="Enlarge, or back (f)", **label)
