"""The difference between the cross-attention of two hypotheses, on their aligned target and source columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from exported_models.comparison.alignment import Column
from exported_models.comparison.sides import Side
from exported_models.contract.arrays import Floats

MOVED = 0.05
"""Least difference of a weight that counts as moved."""


@dataclass(frozen=True, slots=True)
class Move:
    """Attention that differs at one target column and one source column; weights are means over layers and heads."""

    target: int
    source: int
    before: float
    after: float

    @property
    def difference(self) -> float:
        """After minus before."""
        return self.after - self.before


@dataclass(frozen=True, slots=True)
class AttentionDifference:
    """Cross-attention of both sides.

    Attributes:
        before, after: [target columns, layers, heads, source columns] float32 weights, summed over the source tokens of
            a column and averaged over its target tokens; NaN in target columns that a side does not have. One layer and
            one head, the mean of all, where the models differ in layers or heads.
    """

    before: Floats
    after: Floats

    def difference(self, layer: int | None = None, head: int | None = None) -> Floats:
        """[target columns, source columns] float32 after minus before, 0 where a side has no such column.

        Args:
            layer, head: None for the mean of all.
        """
        before, after = (_view(side, layer, head) for side in (self.before, self.after))
        difference: Floats = np.nan_to_num(after - before)
        return difference

    def list_moves(self, layer: int | None = None, head: int | None = None, least: float = MOVED) -> tuple[Move, ...]:
        """Weights that differ by ``least`` or more, the largest difference first."""
        before, after = (_view(side, layer, head) for side in (self.before, self.after))
        difference = np.abs(np.nan_to_num(after - before))
        found = np.argwhere(difference >= least)
        order = np.argsort(-difference[tuple(found.T)], kind="stable")
        return tuple(
            Move(target, source, float(before[target, source]), float(after[target, source]))
            for target, source in found[order].tolist()
        )


def compare_attention(
    before: Side, after: Side, columns: Sequence[Column], source: Sequence[Column]
) -> AttentionDifference | None:
    """The difference, or None where a model has no attention."""
    old, new = (side.trace.attention(side.hypothesis) for side in (before, after))
    if old is None or new is None:
        return None
    if old.shape[1:3] != new.shape[1:3]:
        old, new = (weights.mean(axis=(1, 2), keepdims=True) for weights in (old, new))
    return AttentionDifference(
        _gather(old, [column.before for column in columns], [column.before for column in source]),
        _gather(new, [column.after for column in columns], [column.after for column in source]),
    )


def measure_likeness(
    before: Side,
    after: Side,
    targets: tuple[Sequence[Sequence[int]], Sequence[Sequence[int]]],
    source: Sequence[Column],
) -> Floats | None:
    """[before, after] share of attention that two target units have on the same source columns; None without attention.

    Args:
        targets: token places of the units of each side.
    """
    old, new = (side.trace.attention(side.hypothesis) for side in (before, after))
    if old is None or new is None:
        return None
    old, new = (weights.mean(axis=(1, 2), keepdims=True) for weights in (old, new))
    one = _gather(old, targets[0], [column.before for column in source])[:, 0, 0]
    other = _gather(new, targets[1], [column.after for column in source])[:, 0, 0]
    rows = [np.minimum(row, other).sum(axis=1) for row in np.nan_to_num(one)]
    return np.clip(np.nan_to_num(np.array(rows, np.float32).reshape(len(one), len(other))), 0, 1)


def _gather(weights: Floats, targets: Sequence[Sequence[int]], sources: Sequence[Sequence[int]]) -> Floats:
    """[targets, layers, heads, sources]: means over the places of a target, sums over those of a source."""
    summed = [weights[..., list(places)].sum(axis=-1) for places in sources]
    by_source = np.stack(summed, axis=-1) if summed else weights[..., :0]
    absent = np.full(by_source.shape[1:], np.nan, np.float32)
    rows = [by_source[list(places)].mean(axis=0) if places else absent for places in targets]
    return np.stack(rows).astype(np.float32) if rows else by_source[:0]


def _view(weights: Floats, layer: int | None, head: int | None) -> Floats:
    """[target columns, source columns] of a layer and head, or of the mean of all."""
    chosen = weights if layer is None else weights[:, layer : layer + 1]
    chosen = chosen if head is None else chosen[:, :, head : head + 1]
    mean: Floats = chosen.mean(axis=(1, 2))
    return mean
