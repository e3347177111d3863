"""Self-attention of a long source, whose memory grows linearly with the source.

A token attends to tokens near it and to a few global tokens, which attend to every token (Beltagy et al. 2020,
Longformer and LED; Phang et al. 2022, PEGASUS-X). Global tokens are the first of a sequence.

Letters in shapes are those of `pipeline.models.transformer`; C counts the tokens of a sequence, F its global tokens, B
blocks of tokens, U the tokens of a block and W the keys that a block reads.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from pipeline.models.masking import MASKED, ablate, hide_padding
from pipeline.models.transformer_config import Reach, TransformerConfig


class Near(NamedTuple):
    """Blocks of the tokens after the global ones, and the keys that each block reads: global tokens and near ones.

    Attributes:
        queries: [B, U], the place in the sequence of every token of a block; places outside it are those of its ends.
        keys: [B, W], the places of the keys of a block, the F global tokens first.
        hidden: [N, 1, B, U or 1, W], `MASKED` for keys that a token does not attend to and zero for others.
        padding: [N, 1, 1, C], `MASKED` on padding and zero on tokens.
        shift: number of places of the first block that precede the first token.
        margin: number of keys on either side of a block.
    """

    queries: Tensor
    keys: Tensor
    hidden: Tensor
    padding: Tensor
    shift: int
    margin: int


def find_near(mask: Tensor, reach: Reach, global_tokens: int) -> Near:
    """The blocks of sequences with the mask [N, C].

    Blocks are smaller for short sequences, and always two or more, since an exporter takes a number of 1 for fixed.
    """
    length = mask.shape[1]
    shift = _least(reach.size // 2, length) if reach.kind == "staggered" else 0
    size = _least(reach.size, length + shift)
    margin = size if reach.kind == "distance" else 0
    starts = torch.arange((length + shift) // size + 1, device=mask.device)[:, None] * size - shift
    own = torch.arange(size, device=mask.device)
    read = torch.arange(size + 2 * margin, device=mask.device) - margin
    places = starts + read + global_tokens
    keys = torch.cat([_global_places(starts, global_tokens), places.clamp(0, length - 1)], dim=1)
    inside = (places >= global_tokens) & (places < length)
    attended = _with_globals(inside, global_tokens) & mask.index_select(1, keys.flatten()).view(-1, *keys.shape)
    attended = attended[:, None, :, None, :]
    if reach.kind == "distance":
        attended = attended & _with_globals((read - own[:, None]).abs() <= reach.size, global_tokens)
    hidden = (~attended).to(torch.float32) * MASKED
    queries = (starts + own + global_tokens).clamp(0, length - 1)
    return Near(queries, keys, hidden, hide_padding(mask), shift, margin)


class LongAttention(nn.Module):
    """Attention of tokens to near and global ones, and of global tokens to all.

    The global tokens of a source's own have projections of their own; learned ones share those of the other tokens.
    """

    def __init__(self, config: TransformerConfig, global_tokens: int, *, learned: bool) -> None:
        super().__init__()
        self.heads, self.head_size = config.encoder.heads, config.encoder.head_size
        self.global_tokens = global_tokens
        inner, bias = self.heads * self.head_size, config.has_attention_bias
        self.project = nn.Linear(config.size, 3 * inner, bias)
        self.project_globally = None if learned else nn.Linear(config.size, 3 * inner, bias)
        self.output = nn.Linear(inner, config.size, bias)

    def forward(
        self,
        x: Tensor,
        rows: int,
        near: Near,
        kept: Tensor | None,
        rotation: None,  # noqa: ARG002 (the interface of self-attention)
        blocks: None = None,  # noqa: ARG002
    ) -> tuple[Tensor, LongWeights]:
        """Attend within each row, as `SelfAttention.forward` does; ``x`` [rows x C, D]."""
        query, keys, values = self._project(self.project, x, rows)
        scores = _take(query, near.queries) @ _take(keys, near.keys).transpose(-1, -2) + near.hidden
        weights = ablate(torch.softmax(scores, dim=-1), None if kept is None else kept.unsqueeze(-1))
        mixed = _in_order(weights @ _take(values, near.keys), near, keys.shape[2] - self.global_tokens)
        if self.project_globally is not None:
            query, keys, values = self._project(self.project_globally, x, rows)
        scores = query[:, :, : self.global_tokens] @ keys.transpose(-1, -2) + near.padding
        of_globals = ablate(torch.softmax(scores, dim=-1), kept)
        mixed = torch.cat([of_globals @ values, mixed], dim=2)
        output = self.output(mixed.transpose(1, 2).reshape(-1, self.heads * self.head_size))
        return output, LongWeights(of_globals, weights, near)

    def _project(self, projection: nn.Linear, x: Tensor, rows: int) -> tuple[Tensor, Tensor, Tensor]:
        """Query, keys and values, each [rows, A, C, E]."""
        projected = projection(x).view(rows, -1, 3 * self.heads, self.head_size).transpose(1, 2)
        query, keys, values = projected.chunk(3, dim=1)
        return query, keys, values


class LongWeights(NamedTuple):
    """Attention of a layer: ``of_globals`` [N, A, F, C], and ``of_blocks`` [N, A, B, U, W] of the other tokens."""

    of_globals: Tensor
    of_blocks: Tensor
    near: Near

    def spread(self) -> Tensor:
        """The attention between all tokens of a sequence, [N, A, C, C]."""
        first, length = self.of_globals.shape[-2:]
        size = self.near.queries.shape[1]
        tokens = torch.arange(length - first, device=self.of_blocks.device)
        starts = (tokens + self.near.shift) // size * size - self.near.shift - self.near.margin
        column = tokens[None, :] - starts[:, None]
        width = self.of_blocks.shape[-1] - first
        given = _in_order(self.of_blocks, self.near, length - first)
        chosen = column.clamp(0, width - 1).expand(*given.shape[:2], -1, -1)
        near = given[..., first:].gather(-1, chosen)
        near = near * ((column >= 0) & (column < width)).to(near.dtype)
        return torch.cat([self.of_globals, torch.cat([given[..., :first], near], dim=-1)], dim=2)


def _take(tensor: Tensor, places: Tensor) -> Tensor:
    """The places [B, n] of a tensor [N, A, C, E] as [N, A, B, n, E]."""
    return tensor.index_select(2, places.flatten()).view(*tensor.shape[:2], *places.shape, tensor.shape[3])


def _in_order(blocks: Tensor, near: Near, count: int) -> Tensor:
    """The ``count`` tokens of blocks [N, A, B, U, n] as a sequence [N, A, count, n]."""
    return blocks.flatten(2, 3)[:, :, near.shift : near.shift + count]


def _global_places(starts: Tensor, global_tokens: int) -> Tensor:
    """The places of the global tokens for every block, [B, F]."""
    return torch.arange(global_tokens, device=starts.device).expand(starts.shape[0], -1)


def _with_globals(attended: Tensor, global_tokens: int) -> Tensor:
    """Whether near keys [rows, n] are attended to, with global ones before them, [rows, F + n]."""
    return torch.cat([attended.new_ones(attended.shape[0], global_tokens), attended], dim=1)


def _least(size: int, other: int) -> int:
    """The lesser of two sizes, of which one may be unknown until a graph runs."""
    return torch.sym_min(size, other)  # type: ignore[no-untyped-call, no-any-return]
