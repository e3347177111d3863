"""Self-attention of encoder and decoder, every layer and head, for one hypothesis of a trace."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exported_models.contract.arrays import Floats, Mask
from exported_models.contract.errors import RequestError
from exported_models.contract.manifest import ModelManifest
from exported_models.contract.publishing import format_size
from exported_models.contract.request import DEFAULT_REQUEST_BYTES
from exported_models.contract.trace import Hypothesis, Trace
from exported_models.runtime.languages import speak
from exported_models.runtime.model import ExportedModel
from exported_models.search.ablation import mask_heads
from exported_models.search.overrides import override_row
from exported_models.search.scoring import pad_sources


@dataclass(frozen=True, slots=True)
class SelfAttention:
    """Self-attention of a Transformer.

    Attributes:
        encoder: [layers, heads, source, source] float32, from each source position (row) to the source.
        decoder: [layers, heads, target, target] float32, from the state that predicts target token ``t`` (row) to the
            tokens before it: the start in column 0, target token ``u - 1`` in column ``u``. A recurrent decoder has 0
            layers.
    """

    encoder: Floats
    decoder: Floats


def find_self_attention(model: ExportedModel, trace: Trace, hypothesis: Hypothesis) -> SelfAttention | None:
    """Self-attention under a trace's request, its overrides included; None if the model has none.

    Raises:
        RequestError: that between all tokens of a long source takes over `DEFAULT_REQUEST_BYTES`.
    """
    model = speak(model, trace.request)
    if model.self_attention is None:
        return None
    _check_size(model.manifest, len(trace.source))
    rows, mask = pad_sources([trace.source.rows], model.manifest.pad_id)
    previous = np.array([[model.manifest.start_id, *hypothesis.token_ids[:-1]]], np.int64)
    override = _override(model, trace, previous.shape[1])
    heads = mask_heads(trace.request.ablations, model.manifest)
    encoder, decoder = model.self_attention.run(rows, mask, previous, override, heads)
    return SelfAttention(encoder[0], decoder[0])


def _check_size(manifest: ModelManifest, source_tokens: int) -> None:
    grid = manifest.encoder_self_attention
    size = 4 * grid.layers * grid.heads * source_tokens**2 if grid else 0
    if size > DEFAULT_REQUEST_BYTES:
        raise RequestError(
            f"Self-attention between {source_tokens:,} source tokens takes {format_size(size)}, and at most "
            f"{format_size(DEFAULT_REQUEST_BYTES)} are computed; ask for that of a shorter source.",
            field="source",
        )


def _override(model: ExportedModel, trace: Trace, length: int) -> tuple[Floats, Mask]:
    """Overrides for every target step: [1, target, layers, heads, source] weights, [1, target, layers, heads] places.

    An ablated head of cross-attention has an override of zeros.
    """
    manifest, source = model.manifest, len(trace.source)
    shape = (1, length, manifest.cross_attention_layers, manifest.cross_attention_heads)
    weights, on = np.zeros((*shape, source), np.float32), np.zeros(shape, np.bool_)
    for step in range(length):
        row = override_row(trace.request.overrides, step, manifest, source)
        if row is not None:
            weights[0, step], on[0, step] = row
    cross = mask_heads(trace.request.ablations, manifest).cross
    if cross is not None:
        weights, on = np.where(cross[..., None], np.float32(0), weights), on | cross
    return weights, on
