"""Reordering a source vocabulary so that special tokens have the ids that the target vocabulary gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Arrangement:
    """A vocabulary in another order.

    Attributes:
        tokens: the tokens in the order of their new ids.
        rows: the old id of each token; None for a token that the vocabulary lacked, which no text contains.
    """

    tokens: tuple[str, ...]
    rows: tuple[int | None, ...]

    def arrange(self, embedding: Tensor) -> Tensor:
        """Reorder an embedding [old tokens, size]; a token that the vocabulary lacked gets zeros."""
        blank = embedding.new_zeros(embedding.shape[1])
        return torch.stack([blank if row is None else embedding[row] for row in self.rows])


def arrange_like_target(source: Sequence[str], special: Mapping[int, str]) -> Arrangement:
    """Arrange a source vocabulary so that each special token has its id in ``special``, which the target's has too."""
    places = {token: index for index, token in enumerate(source)}
    names = set(special.values())
    ordinary = [index for index, token in enumerate(source) if token not in names]
    size = max(len(ordinary) + len(special), max(special) + 1)
    remaining = iter(ordinary)
    rows = tuple(places.get(special[place]) if place in special else next(remaining, None) for place in range(size))
    tokens = tuple(
        special.get(place) or (f"<unused {place}>" if row is None else source[row]) for place, row in enumerate(rows)
    )
    return Arrangement(tokens, rows)
