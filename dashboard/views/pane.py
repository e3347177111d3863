"""A pane: the views of one request. It can stand twice on a page.

The browser holds what a pane shows (`assets/pane.js`): the request, the selected word, the draft, the history, and how
the controls stand. The controls are Dash's; two callbacks, in the browser and for every pane at once, tell the pane of
their values.
"""

from __future__ import annotations

from collections.abc import Sequence

from dash import MATCH, Dash, Input, Output, dcc
from dash.development.base_component import Component

from dashboard.views.browser import run_in_browser
from dashboard.views.ids import (
    ChangesRole,
    ComparisonRole,
    NeighborhoodRole,
    NeighborsRole,
    PaneRole,
    TranslationRole,
    TreeRole,
    control_id,
)

OPTIONS = (
    TranslationRole.MODE,
    TranslationRole.DRAWING,
    TranslationRole.MASS,
    TranslationRole.LAYER,
    TranslationRole.HEAD,
    TreeRole.EXTENT,
    ComparisonRole.DRAWING,
    ChangesRole.REFERENCE,
)
"""Controls of what the trace decides. The part of a role after its hyphen is the name in `question.Options`."""

OPTIONS_OF_STATES = (
    NeighborhoodRole.SPACE,
    NeighborhoodRole.MAP,
    NeighborhoodRole.METHOD,
    NeighborsRole.OFFSET,
)
"""Controls of the states around it."""


def layout(name: str) -> list[Component]:
    """The stores that the two callbacks write: a callback for every pane needs an output."""
    return [dcc.Store(id=control_id(name, role)) for role in PaneRole]


def register(app: Dash) -> None:
    """Tell every pane how its controls stand."""
    _tell(app, "readOptions", PaneRole.OPTIONS, OPTIONS)
    _tell(app, "readOptionsOfStates", PaneRole.OPTIONS_OF_STATES, OPTIONS_OF_STATES)


def _tell(app: Dash, function: str, store: str, controls: Sequence[str]) -> None:
    inputs = [Input(_any_pane(control), "value") for control in controls]
    run_in_browser(app, function, Output(_any_pane(store), "data"), *inputs)


def _any_pane(role: str) -> dict[str, object]:
    return {"pane": MATCH, "part": str(role)}
