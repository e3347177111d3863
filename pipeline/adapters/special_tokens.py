"""One number for a special token on both sides of a model, as toolkits with two vocabularies do not always have it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Arrangement:
    """A vocabulary in another order.

    Attributes:
        tokens: by their new ids.
        rows: the old id of each; None for one the vocabulary did not have, which no text ever holds.
    """

    tokens: tuple[str, ...]
    rows: tuple[int | None, ...]

    def arrange(self, embedding: Tensor) -> Tensor:
        """An embedding [old tokens, size] in the new order; zeros for what was not there."""
        blank = embedding.new_zeros(embedding.shape[1])
        return torch.stack([blank if row is None else embedding[row] for row in self.rows])


def arrange_like_target(source: Sequence[str], special: Mapping[int, str]) -> Arrangement:
    """The source vocabulary with special tokens where the target vocabulary has them: ``special`` by its ids."""
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
