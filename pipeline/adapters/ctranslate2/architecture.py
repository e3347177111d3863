"""The architecture of a CTranslate2 encoder-decoder, read from its variables."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pipeline.adapters.ctranslate2.weights import Weights
from pipeline.errors import CheckpointError
from pipeline.models.transformer_config import Activation, RelativeBias

Side = Literal["encoder", "decoder"]
EMBEDDINGS: Mapping[Side, str] = {"encoder": "encoder/embeddings_0", "decoder": "decoder/embeddings"}
OUTPUT = "decoder/projection"
_ACTIVATIONS: tuple[Activation, ...] = ("relu", "gelu_tanh", "silu", "gelu", "gelu_sigmoid")
"""In the order of CTranslate2's own numbers."""
_DEFAULT_HEADS = 8
_NEUTRAL = (
    "encoder/embeddings_merge",
    "encoder/multi_query_attention",
    "decoder/alibi",
)
"""Variables that change the computation unless they are 0."""
_WITHOUT_EFFECT = (
    "decoder/alibi_use_positive_positions",
    "decoder/alignment_heads",
    "decoder/alignment_layer",
    "decoder/scale_alibi",
)
"""Variables without effect on the models that are exported."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """Sizes and variants.

    Attributes:
        layers, heads: of encoder and decoder.
        head_size: size of a head, of both.
        norm_epsilon: added to the variance, or to the mean square.
        scale: factor of the embeddings of both sides.
        distances: bias of self-attention by distance, or None.
        starts_from_zero: whether a target begins with zeros in place of the embedding of a token.
        ties_sides: whether source and target share a table of embeddings.
        ties_output: whether the output projection is the target's table.
    """

    size: int
    layers: Mapping[Side, int]
    heads: Mapping[Side, int]
    head_size: int
    activation: Activation
    norm_first: bool
    norm_epsilon: float
    rms_norm: bool
    embedding_norm: bool
    final_norm: bool
    gated: bool
    bias: bool
    scale: float
    output_scale: float
    distances: RelativeBias | None
    starts_from_zero: bool
    ties_sides: bool
    ties_output: bool


def read_architecture(weights: Weights, epsilon: float | None) -> Architecture:
    """Read the architecture.

    Args:
        epsilon: that of the settings; None for CTranslate2's own.

    Raises:
        CheckpointError: a variable is missing, encoder and decoder differ where they may not, or the model has a part
            that cannot be exported.
    """
    _check_neutral(weights)
    size = weights.shape(f"{EMBEDDINGS['encoder']}/weight")[1]
    layers: dict[Side, int] = {side: weights.count_layers(side) for side in EMBEDDINGS}
    heads: dict[Side, int] = {side: int(weights.number(f"{side}/num_heads", _DEFAULT_HEADS)) for side in EMBEDDINGS}
    if min(*layers.values(), *heads.values()) < 1:
        raise CheckpointError(f"{weights.path} has {layers} layers of {heads} heads, which is no encoder-decoder.")
    rms_norm = "encoder/layer_0/self_attention/layer_norm/beta" not in weights
    return Architecture(
        size=size,
        layers=layers,
        heads=heads,
        head_size=_find_head_size(weights, heads),
        activation=_find_activation(weights),
        norm_first=bool(_both(weights, "pre_norm", 1)),
        norm_epsilon=epsilon or (1e-6 if rms_norm else 1e-5),
        rms_norm=rms_norm,
        embedding_norm=_both_have(weights, "layernorm_embedding/gamma"),
        final_norm=_both_have(weights, "layer_norm/gamma"),
        gated=_both_have(weights, "layer_0/ffn/linear_0_noact/weight"),
        bias=any(name in weights for name in _list_biases(layers)),
        scale=_find_scale(weights, size),
        output_scale=weights.number("decoder/scale_outputs", 1),
        distances=_find_distances(weights, layers),
        starts_from_zero=bool(weights.number("decoder/start_from_zero_embedding", 0)),
        ties_sides=weights.are_one(*(f"{name}/weight" for name in EMBEDDINGS.values())),
        ties_output=weights.are_one(f"{OUTPUT}/weight", f"{EMBEDDINGS['decoder']}/weight"),
    )


def _check_neutral(weights: Weights) -> None:
    for name in _NEUTRAL:
        value = weights.number(name, 0)
        if value:
            raise CheckpointError(f"{weights.path} has {name}={value:g}, which cannot be exported.")
    for name in _WITHOUT_EFFECT:
        weights.number(name, 0)


def _both(weights: Weights, name: str, default: float) -> float:
    """A number that encoder and decoder must share."""
    ours, theirs = (weights.number(f"{side}/{name}", default) for side in EMBEDDINGS)
    if ours != theirs:
        raise _differs(weights, name, f"{ours:g}", f"{theirs:g}")
    return ours


def _both_have(weights: Weights, name: str) -> bool:
    ours, theirs = (f"{side}/{name}" in weights for side in EMBEDDINGS)
    if ours != theirs:
        raise _differs(weights, name, ours, theirs)
    return ours


def _differs(weights: Weights, name: str, ours: object, theirs: object) -> CheckpointError:
    return CheckpointError(
        f"{weights.path} has {name} {ours} in its encoder and {theirs} in its decoder, which must be equal to be "
        "exported."
    )


def _find_head_size(weights: Weights, heads: Mapping[Side, int]) -> int:
    """Size of a head: queries, keys and values are one projection."""
    sizes = {}
    for side in EMBEDDINGS:
        name = f"{side}/layer_0/self_attention/linear_0/weight"
        rows = weights.shape(name)[0]
        if rows % (3 * heads[side]):
            raise CheckpointError(
                f"{weights.path} has {name} of {rows} rows, which are no queries, keys and values of {heads[side]} "
                "heads each."
            )
        sizes[side] = rows // (3 * heads[side])
    if sizes["encoder"] != sizes["decoder"]:
        raise _differs(weights, "heads of size", sizes["encoder"], sizes["decoder"])
    return sizes["encoder"]


def _find_activation(weights: Weights) -> Activation:
    number = int(_both(weights, "activation", 0))
    if not 0 <= number < len(_ACTIVATIONS):
        raise CheckpointError(
            f"{weights.path} has the activation {number}; 0 to {len(_ACTIVATIONS) - 1} can be exported "
            f"({', '.join(_ACTIVATIONS)})."
        )
    return _ACTIVATIONS[number]


def _list_biases(layers: Mapping[Side, int]) -> list[str]:
    own = [f"{side}/layer_{index}" for side, count in layers.items() for index in range(count)]
    parts = ("self_attention/linear_0", "self_attention/linear_1", "attention/linear_0", "ffn/linear_0", "ffn/linear_1")
    return [f"{layer}/{part}/bias" for layer in own for part in parts]


def _find_scale(weights: Weights, size: int) -> float:
    ours, theirs = (_read_scale(weights, f"{side}/scale_embeddings", size) for side in EMBEDDINGS)
    if ours != theirs:
        raise _differs(weights, "scale_embeddings", ours, theirs)
    return ours


def _read_scale(weights: Weights, name: str, size: int) -> float:
    """A number, or a flag for the root of the size."""
    root, value = math.sqrt(size), weights.number(name, 1)
    if name not in weights:
        return root
    return (root if value else 1.0) if weights.is_flag(name) else value


def _find_distances(weights: Weights, layers: Mapping[Side, int]) -> RelativeBias | None:
    table = "self_attention/relative_attention_bias"
    if not _both_have(weights, f"layer_0/{table}"):
        return None
    buckets: dict[Side, int] = {side: weights.shape(f"{side}/layer_0/{table}")[0] for side in EMBEDDINGS}
    longest = _both(weights, "layer_0/self_attention/relative_attention_max_distance", 0)
    if buckets["encoder"] != buckets["decoder"] or min(longest, *buckets.values()) < 4:
        raise CheckpointError(
            f"{weights.path} has biases by distance of {buckets} ranges up to {longest:g} tokens, which must be equal "
            "in encoder and decoder, and at least 4, to be exported."
        )
    by_layer = not all(
        weights.are_one(f"{side}/layer_0/{table}", f"{side}/layer_{index}/{table}")
        for side, count in layers.items()
        for index in range(count)
    )
    return RelativeBias(buckets["encoder"], int(longest), by_layer=by_layer)
