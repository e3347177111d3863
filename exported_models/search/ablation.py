"""Head ablation: from the heads of a request to the masks that graphs read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import numpy as np

from exported_models.contract.arrays import Floats
from exported_models.contract.errors import RequestError
from exported_models.contract.manifest import HeadGrid, ModelManifest
from exported_models.contract.request import HeadAblation, HeadKind
from exported_models.runtime.sessions import HeadMasks

KIND_NAMES = {
    "encoder": "self-attention of the encoder",
    "decoder": "self-attention of the decoder",
    "cross": "cross-attention",
}
"""Names of the kinds of attention in messages."""


def parse_ablation(text: str) -> HeadAblation:
    """Read ``KIND:LAYER:HEAD``, counted from 0.

    Raises:
        RequestError: the text has another form.
    """
    kind, *place = text.split(":")
    try:
        layer, head = (int(number) for number in place)
    except ValueError:
        kind = ""
    for known in get_args(HeadKind):
        if kind == known:
            return HeadAblation(known, layer, head)
    raise RequestError(
        f"{text!r} does not name a head; write KIND:LAYER:HEAD, for instance cross:3:0, both counted from 0; KIND is "
        f"one of {', '.join(get_args(HeadKind))}.",
        field="ablations",
    )


def find_heads(manifest: ModelManifest, kind: HeadKind) -> HeadGrid | None:
    """Layers and heads of a kind of attention, or None where the model has none."""
    if kind == "cross":
        layers, heads = manifest.cross_attention_layers, manifest.cross_attention_heads
        return HeadGrid(layers=layers, heads=heads) if layers else None
    return manifest.encoder_self_attention if kind == "encoder" else manifest.decoder_self_attention


def check_ablations(ablations: Sequence[HeadAblation], manifest: ModelManifest) -> None:
    """Refuse heads that the model does not have.

    Raises:
        RequestError: the model has no such attention, or an index is out of range.
    """
    for ablation in ablations:
        grid, name = find_heads(manifest, ablation.kind), KIND_NAMES[ablation.kind]
        if grid is None:
            raise RequestError(
                f"The model {manifest.model_id} has no {name}, so no head of it can be ablated.", field="ablations"
            )
        for what, value, limit in (("layer", ablation.layer, grid.layers), ("head", ablation.head, grid.heads)):
            if not 0 <= value < limit:
                raise RequestError(
                    f"There is no {what} {value} in the {name} of {manifest.model_id}: it must be from 0 to "
                    f"{limit - 1}.",
                    field="ablations",
                )


def mask_heads(ablations: Sequence[HeadAblation], manifest: ModelManifest) -> HeadMasks:
    """The masks of checked ablations."""
    kept = {kind: _keep(ablations, kind, find_heads(manifest, kind)) for kind in get_args(HeadKind)}
    cross = kept["cross"]
    return HeadMasks(kept["encoder"], kept["decoder"], None if cross is None else cross == 0)


def _keep(ablations: Sequence[HeadAblation], kind: HeadKind, grid: HeadGrid | None) -> Floats | None:
    """[layers, heads], 0 for ablated heads and 1 for the others; None where no head of the kind is ablated."""
    places = [(ablation.layer, ablation.head) for ablation in ablations if ablation.kind == kind]
    if grid is None or not places:
        return None
    kept = np.ones((grid.layers, grid.heads), np.float32)
    for place in places:
        kept[place] = 0.0
    return kept
