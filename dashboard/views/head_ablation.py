"""A button beside the pickers of layer and head: decode without the attention that is shown, or with it again."""

from __future__ import annotations

import json
from collections.abc import Iterable

from dash import html
from dash.development.base_component import Component

from dashboard.drawing.attention_ranking import picked
from dashboard.views.ids import TranslationRole, as_role
from dashboard.views.parts import Parts, attributes_part, html_part
from dashboard.views.shown import Shown
from exported_models.contract.request import HeadAblation, Request
from exported_models.contract.wishes import Ablate, Restore, write_wish
from exported_models.edits import toggle_heads

ABLATE, RESTORE = "Ablate", "Restore"


def layout() -> Component:
    """The button; it is shown once a layer is picked."""
    title = "Let the attention of this layer, or of this head alone, contribute nothing"
    return html.Button(className="quiet", hidden=True, title=title, **as_role(TranslationRole.ABLATE))


def draw(shown: Shown) -> Parts:
    """The button, named by what a click does."""
    layer, head = picked(shown.options.layer), picked(shown.options.head)
    if layer is None:
        return {TranslationRole.ABLATE: attributes_part(hidden=True)}
    heads = shown.manifest.cross_attention_heads
    wish = choose_wish(shown.state.request, layer, range(heads) if head is None else [head])
    name = RESTORE if isinstance(wish, Restore) else ABLATE
    return {TranslationRole.ABLATE: html_part(name, hidden=False, data_wish=json.dumps(write_wish(wish)))}


def choose_wish(request: Request, layer: int, heads: Iterable[int]) -> Ablate | Restore:
    """Ablate heads of cross-attention, or restore them if all of them are ablated."""
    return toggle_heads(request, [HeadAblation("cross", layer, head) for head in heads])
