"""Sums of blocks of source tokens, which every token attends to besides its window (Guo et al. 2022, LongT5).

Letters in shapes are those of `pipeline.models.transformer`; G counts blocks, of which the last may be empty.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pipeline.models.masking import MASKED
from pipeline.models.transformer_config import RelativeBias
from pipeline.models.transformer_layers import Blocks, DistanceBias

_SPARE = 2
"""Empty blocks beyond those of a source, so that their number is neither 0 nor 1, which an exporter takes for fixed."""


class SourceBlocks(nn.Module):
    """The blocks of a ragged batch. Tokens after the last whole block belong to it; a short source has none."""

    def __init__(self, size: int, relative: RelativeBias, heads: int) -> None:
        super().__init__()
        self.size = size
        self.distance = DistanceBias(relative, heads, both_sides=True)

    def forward(self, mask: Tensor) -> Blocks:
        """The blocks of sources with the mask [N, S]."""
        positions = torch.arange(mask.shape[1], device=mask.device)
        blocks = torch.arange(mask.shape[1] // self.size + _SPARE, device=mask.device)
        whole = mask.sum(dim=1, keepdim=True) // self.size
        own = torch.minimum((positions // self.size)[None], whole - 1)
        members = (own[:, None, :] == blocks[None, :, None]) & mask[:, None, :]
        bias = self.distance.weigh(blocks[None, None, :] - own[:, :, None]).permute(0, 3, 1, 2)
        there = (blocks[None, :] < whole).to(torch.float32)
        return Blocks(members.to(torch.float32), bias + (there - 1.0)[:, None, None, :] * -MASKED)
