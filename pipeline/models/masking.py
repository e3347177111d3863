"""Values added to the scores of attention, and heads that are left out of it."""

from __future__ import annotations

import torch
from torch import Tensor

MASKED = -1e9
"""Added to the scores of masked keys. Finite, so that the softmax over a row of padding alone is a number."""


def hide_padding(mask: Tensor) -> Tensor:
    """Zero on tokens and `MASKED` on padding, [N, 1, 1, S]."""
    return (mask.to(torch.float32) - 1.0)[:, None, None, :] * -MASKED


def hide_far(queries: Tensor, keys: Tensor, radius: int) -> Tensor:
    """`MASKED` between positions that are more than ``radius`` apart, zero between others, [1, 1, queries, keys]."""
    distance = (keys[None, :] - queries[:, None]).abs()
    return ((distance > radius).to(torch.float32) * MASKED)[None, None]


def ablate(attention: Tensor, kept: Tensor | None) -> Tensor:
    """Attention [..., A, queries, keys] without that of ablated heads (Michel et al. 2019)."""
    return attention if kept is None else attention * kept
