"""A switch for every head of attention, and one for each layer: decode without it, or with it again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from dash import html
from dash.development.base_component import Component

from dashboard.drawing.attributes import wild
from dashboard.views.ids import TranslationRole, as_role
from dashboard.views.parts import Part, Parts, html_part
from dashboard.views.shown import Shown
from exported_models.contract.request import HeadAblation, HeadKind
from exported_models.contract.wishes import Ablate, Restore, write_wish
from exported_models.search.ablation import KIND_NAMES, find_heads

KINDS: Final[tuple[HeadKind, ...]] = ("cross", "decoder", "encoder")


def layout() -> Component:
    """The place of the grids."""
    return html.Div(className="head-grids", **as_role(TranslationRole.HEADS))


def draw(shown: Shown) -> Parts:
    """A table for each kind of attention; none where the model has a single head."""
    found = ((kind, find_heads(shown.manifest, kind)) for kind in KINDS)
    grids = tuple((kind, grid.layers, grid.heads) for kind, grid in found if grid is not None)
    return {TranslationRole.HEADS: _draw_grids(grids, shown.picture.trace.request.ablations)}


# Most answers ablate what the one before did, and a large model has hundreds of switches.
@lru_cache(maxsize=64)
def _draw_grids(grids: tuple[tuple[HeadKind, int, int], ...], ablated: tuple[HeadAblation, ...]) -> Part:
    single = sum(layers * heads for _, layers, heads in grids) <= 1
    note = html.P("Decode without these heads", className="grid-note")
    tables = [_draw_grid(kind, layers, heads, ablated) for kind, layers, heads in grids]
    return html_part([] if single else [note, *tables], hidden=single)


def _draw_grid(kind: HeadKind, layers: int, heads: int, ablated: Sequence[HeadAblation]) -> Component:
    name = KIND_NAMES[kind]
    rows = [
        html.Tr(
            [
                html.Th(_switch(ablated, _layer(kind, layer, heads), f"layer {layer + 1}", name), scope="row"),
                *(
                    html.Td(_switch(ablated, [HeadAblation(kind, layer, head)], str(head + 1), name, layer))
                    for head in range(heads)
                ),
            ]
        )
        for layer in range(layers)
    ]
    return html.Table([html.Caption(name.capitalize()), html.Tbody(rows)], className="head-grid")


def _layer(kind: HeadKind, layer: int, heads: int) -> list[HeadAblation]:
    return [HeadAblation(kind, layer, head) for head in range(heads)]


def _switch(
    ablated: Sequence[HeadAblation], heads: Sequence[HeadAblation], text: str, name: str, layer: int | None = None
) -> Component:
    """A button that ablates heads, or restores them where all of them are ablated."""
    off = set(heads) <= set(ablated)
    spoken = f"{name}, {text}" if layer is None else f"{name}, layer {layer + 1} head {text}"
    wish = json.dumps(write_wish(Restore(tuple(heads)) if off else Ablate(tuple(heads))))
    return html.Button(text, **wild(data_wish=wish, aria_pressed="true" if off else "false", aria_label=f"No {spoken}"))
