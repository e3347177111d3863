"""Attention overrides: read from text, checked against a model, and made into the arrays that a step reads."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from exported_models.contract.arrays import Floats, Mask
from exported_models.contract.errors import RequestError
from exported_models.contract.manifest import ModelManifest
from exported_models.contract.request import AttentionOverride


def parse_attention(text: str) -> AttentionOverride:
    """Read ``STEP:SOURCE[=WEIGHT]``, counted from 0; the weight defaults to 1.

    Raises:
        RequestError: the text has another form.
    """
    place, equals, weight = text.partition("=")
    step, colon, source = place.partition(":")
    try:
        if not colon:
            raise ValueError(place)
        return AttentionOverride(int(step), ((int(source), float(weight) if equals else 1.0),))
    except ValueError:
        raise RequestError(
            f"{text!r} does not name an attention override; write STEP:SOURCE or STEP:SOURCE=WEIGHT, "
            "for instance 4:7=0.5, both counted from 0.",
            field="overrides",
        ) from None


def by_place(override: AttentionOverride) -> tuple[int, int, int]:
    """The order of overrides: step, layer, head, with all layers or heads before a single one."""
    layer = -1 if override.layer is None else override.layer
    head = -1 if override.head is None else override.head
    return override.step, layer, head


def merge_overrides(overrides: Iterable[AttentionOverride]) -> tuple[AttentionOverride, ...]:
    """Join overrides of one step, layer and head into one row of weights; weights of one position add up."""
    merged: dict[tuple[int, int | None, int | None], dict[int, float]] = {}
    for override in sorted(overrides, key=by_place):
        row = merged.setdefault((override.step, override.layer, override.head), {})
        for source, weight in override.weights:
            row[source] = row.get(source, 0.0) + weight
    return tuple(
        AttentionOverride(step, tuple(sorted(row.items())), layer, head) for (step, layer, head), row in merged.items()
    )


def check_overrides(
    overrides: Sequence[AttentionOverride], manifest: ModelManifest, source_tokens: int, max_length: int
) -> None:
    """Refuse overrides that the model and the source cannot have.

    Raises:
        RequestError: the model has no attention, an index is out of range, a weight negative, or all weights zero.
    """
    if overrides and not manifest.has_attention:
        _refuse(f"The model {manifest.model_id} has no attention, so it cannot be overridden.")
    for override in overrides:
        _check_index("attention step", override.step, max_length)
        _check_index("attention layer", override.layer, manifest.cross_attention_layers)
        _check_index("attention head", override.head, manifest.cross_attention_heads)
        _check_weights(override, source_tokens)


def override_row(
    overrides: Sequence[AttentionOverride], step: int, manifest: ModelManifest, source_tokens: int
) -> tuple[Floats, Mask] | None:
    """Overrides of one step, or None: [layers, heads, source] float32 rows that sum to 1, [layers, heads] places."""
    active = [override for override in overrides if override.step == step]
    if not active:
        return None
    layers, heads = manifest.cross_attention_layers, manifest.cross_attention_heads
    weights = np.zeros((layers, heads, source_tokens), np.float32)
    on = np.zeros((layers, heads), np.bool_)
    # From general to specific: an override of one head replaces that of its layer or of all heads.
    for override in sorted(active, key=lambda o: (o.layer is not None) + (o.head is not None)):
        layer = slice(None) if override.layer is None else override.layer
        head = slice(None) if override.head is None else override.head
        weights[layer, head] = _normalize(dict(override.weights), source_tokens)
        on[layer, head] = True
    return weights, on


def override_rows(
    overrides: Sequence[AttentionOverride], step: int, rows: int, manifest: ModelManifest, source_tokens: int
) -> tuple[Floats, Mask] | None:
    """`override_row` repeated for the rows of a step: [rows, layers, heads, source], [rows, layers, heads]; or None."""
    found = override_row(overrides, step, manifest, source_tokens)
    return None if found is None else (np.repeat(found[0][None], rows, axis=0), np.repeat(found[1][None], rows, axis=0))


def _normalize(weights: Mapping[int, float], source_tokens: int) -> Floats:
    row = np.zeros(source_tokens, np.float64)
    row[list(weights)] = list(weights.values())
    row /= row.max()  # keeps the sum of huge weights finite
    normalized: Floats = (row / row.sum()).astype(np.float32)
    return normalized


def _check_index(what: str, value: int | None, limit: int) -> None:
    if value is not None and not 0 <= value < limit:
        _refuse(f"There is no {what} {value}: it must be from 0 to {limit - 1}.")


def _check_weights(override: AttentionOverride, source_tokens: int) -> None:
    for source, weight in override.weights:
        _check_index("source position", source, source_tokens)
        if not math.isfinite(weight) or weight < 0:
            _refuse(f"The attention weight {weight} at source position {source} is not a number of 0 or more.")
    positions = [source for source, _ in override.weights]
    if len(set(positions)) != len(positions):
        _refuse(f"The attention override of step {override.step} names a source position twice; name each once.")
    if not any(weight for _, weight in override.weights):
        _refuse(f"The attention override of step {override.step} has no weight above zero; give at least one.")


def _refuse(message: str) -> None:
    raise RequestError(message, field="overrides")
