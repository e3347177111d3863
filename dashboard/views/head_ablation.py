"""A button beside the pickers of layer and head: decode without the attention that is shown, or with it again."""

from __future__ import annotations

from dash import html
from dash.development.base_component import Component

from dashboard.drawing.attributes import wild
from dashboard.views.ids import TranslationRole, as_role
from dashboard.views.parts import Parts, html_part
from dashboard.views.shown import Shown
from dashboard.views.what_ifs import toggle_heads
from exported_models.contract.request import Request

ABLATE, RESTORE = "Ablate", "Restore"


def layout() -> Component:
    """The button; there is one once a layer is picked."""
    title = "Let the attention of this layer, or of this head alone, contribute nothing"
    named = as_role(TranslationRole.ABLATE) | wild(data_verb="ablate")
    return html.Button(className="quiet", hidden=True, title=title, **named)


def draw(shown: Shown) -> Parts:
    """The button, named by what a click does."""
    request = shown.state.request
    if shown.layer is None:
        return {TranslationRole.ABLATE: html_part(ABLATE, hidden=True)}
    toggled = toggle_heads(request, shown.manifest.cross_attention_heads, shown.layer, shown.head)
    return {TranslationRole.ABLATE: html_part(describe_toggle(request, toggled), hidden=False)}


def describe_toggle(before: Request, after: Request) -> str:
    """The name of the button that makes the request ``after`` of the one ``before``."""
    return RESTORE if len(after.ablations) < len(before.ablations) else ABLATE
