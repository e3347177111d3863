"""Controls of Mantine, with the names that screen readers need; `assets/mantine.css` gives them the look.

Popovers and lists stand in the page where they are made, not at its end: there they lie inside a landmark, and scripts
that look below a pane find them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dash_mantine_components as dmc
from dash.development.base_component import Component

from dashboard.drawing.attributes import wild

ControlId = str | dict[str, str]
_IN_PLACE: Mapping[str, Any] = {"withinPortal": False, "transitionProps": {"duration": 0}}
_THEME: Mapping[str, Any] = {"fontFamily": "inherit", "respectReducedMotion": True, "cursorType": "pointer"}


def provide(children: Sequence[Component]) -> Component:
    """The root that Mantine's controls need around them. Its colors follow the page's by `assets/mantine.css`."""
    provider: Component = dmc.MantineProvider(list(children), theme=_THEME)
    return provider


def as_options(texts: Mapping[str, str]) -> list[dict[str, str]]:
    """Options as controls take them. ``texts``: value -> text."""
    return [{"value": value, "label": text} for value, text in texts.items()]


def segmented_control(control_id: ControlId, options: Mapping[str, str], value: str, label: str) -> Component:
    """A few exclusive choices side by side: radio buttons drawn as one control."""
    control: Component = dmc.SegmentedControl(
        id=control_id,
        data=as_options(options),
        value=value,
        size="xs",
        transitionDuration=0,
        className="segmented",
        **wild(aria_label=label),
    )
    return control


def select(control_id: ControlId, options: Mapping[str, str], value: str | None, label: str, **more: Any) -> Component:
    """One of several choices, in a list that opens. ``more``: properties of `dmc.Select`."""
    control: Component = dmc.Select(
        id=control_id,
        data=as_options(options),
        value=value,
        size="xs",
        allowDeselect=False,
        comboboxProps=dict(_IN_PLACE),
        className="select",
        **wild(aria_label=label),
        **more,
    )
    return control


def popover(
    popover_id: ControlId, text: str | Component, content: Sequence[Component], *, title: str, side: str = "start"
) -> Component:
    """A button that opens a panel under it. ``side``: the edge that both share, ``start`` or ``end``.

    Escape is left to `assets/keys.js`, which knows what else it may close.

    The target is made a button itself: by default a nameless box with the state of the popover lies around it.
    """
    target = {"component": "button", "type": "button", "className": "disclose", "title": title}
    panel: Component = dmc.Popover(
        [
            dmc.PopoverTarget(text, boxWrapperProps=target),
            dmc.PopoverDropdown(list(content), className="popover"),
        ],
        id=popover_id,
        position=f"bottom-{side}",
        trapFocus=True,
        closeOnEscape=False,
        returnFocus=True,
        keepMounted=True,
        **_IN_PLACE,
    )
    return panel
