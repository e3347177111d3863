"""Self-attention of encoder and decoder, every layer and head, for one hypothesis of a trace."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exported_models.contract.arrays import Floats, Mask
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
    """Self-attention under a trace's request, its overrides included; None if the model has none."""
    model = speak(model, trace.request)
    if model.self_attention is None:
        return None
    rows, mask = pad_sources([trace.source.rows], model.manifest.pad_id)
    previous = np.array([[model.manifest.start_id, *hypothesis.token_ids[:-1]]], np.int64)
    override = _override(model, trace, previous.shape[1])
    heads = mask_heads(trace.request.ablations, model.manifest)
    encoder, decoder = model.self_attention.run(rows, mask, previous, override, heads)
    return SelfAttention(encoder[0], decoder[0])


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
