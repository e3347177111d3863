"""A switch for every head of attention, and one for each layer: decode without it, or with it again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from dash import html
from dash.development.base_component import Component

from dashboard.drawing.attributes import wild
from dashboard.views.ids import TranslationRole, as_role
from dashboard.views.parts import Parts, html_part
from dashboard.views.shown import Shown
from exported_models.contract.manifest import HeadGrid
from exported_models.contract.request import HeadAblation, HeadKind, Request
from exported_models.contract.wishes import write_wish
from exported_models.edits import toggle_heads
from exported_models.search.ablation import KIND_NAMES, find_heads

KINDS: Final[tuple[HeadKind, ...]] = ("cross", "decoder", "encoder")


def layout() -> Component:
    """The place of the grids."""
    return html.Div(className="head-grids", **as_role(TranslationRole.HEADS))


def draw(shown: Shown) -> Parts:
    """A table for each kind of attention; none where the model has a single head."""
    found = ((kind, find_heads(shown.manifest, kind)) for kind in KINDS)
    grids = [(kind, grid) for kind, grid in found if grid is not None]
    single = sum(grid.layers * grid.heads for _, grid in grids) <= 1
    note = html.P("Decode without these heads", className="grid-note")
    tables = [_draw_grid(kind, grid, shown.picture.trace.request) for kind, grid in grids]
    return {TranslationRole.HEADS: html_part([] if single else [note, *tables], hidden=single)}


def _draw_grid(kind: HeadKind, grid: HeadGrid, request: Request) -> Component:
    name = KIND_NAMES[kind]
    rows = [
        html.Tr(
            [
                html.Th(_switch(request, _layer(kind, layer, grid.heads), f"layer {layer + 1}", name), scope="row"),
                *(
                    html.Td(_switch(request, [HeadAblation(kind, layer, head)], str(head + 1), name, layer))
                    for head in range(grid.heads)
                ),
            ]
        )
        for layer in range(grid.layers)
    ]
    return html.Table([html.Caption(name.capitalize()), html.Tbody(rows)], className="head-grid")


def _layer(kind: HeadKind, layer: int, heads: int) -> list[HeadAblation]:
    return [HeadAblation(kind, layer, head) for head in range(heads)]


def _switch(
    request: Request, heads: Sequence[HeadAblation], text: str, name: str, layer: int | None = None
) -> Component:
    """A button that ablates heads, or restores them where all of them are ablated."""
    off = set(heads) <= set(request.ablations)
    spoken = f"{name}, {text}" if layer is None else f"{name}, layer {layer + 1} head {text}"
    wish = json.dumps(write_wish(toggle_heads(request, heads)))
    return html.Button(text, **wild(data_wish=wish, aria_pressed="true" if off else "false", aria_label=f"No {spoken}"))
