"""Rounding of a checkpoint's own computation: float32 against float64, on a few sentences.

Outputs of a correct export differ from the checkpoint's by rounding alone, and its size depends on the weights: an
attention score of 30 is rounded thirty times as coarsely as one of 1. So each output is judged by a bound of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map

from pipeline.models.checkpoint import LoadedCheckpoint
from pipeline.parity.forcing import force_modules
from pipeline.parity.sample import SamplePair
from pipeline.reference.torch_threads import choose_threads, step_by_step

_ORDERS = (1, 2, 3, 4)
"""Numbers of parts that the sums of matrix products are computed in; 1 is torch's own order."""
_PRODUCTS = (F.linear, torch.matmul, Tensor.matmul, Tensor.__matmul__)
_ALLOWED = 8
"""Roundings that an export may differ by. Correct exports of trained T5s were seen to differ by up to 3.7 of them: the
runtime approximates some functions more coarsely than torch, and has its own order of summation."""
_WIDENED = 1 << 24
"""Most weights of one product that are widened to float64 at once."""
_COARSEST = 1e-3
"""Largest rounding that counts, as a part of the output's largest value. More would let a wrong graph pass."""


def find_bounds(roundings: Mapping[str, float], usual: float) -> dict[str, float]:
    """The largest difference that is allowed for each output: ``usual``, or `_ALLOWED` roundings if those are more."""
    return {name: max(usual, _ALLOWED * rounding) for name, rounding in roundings.items()}


def choose_measured(sample: Sequence[SamplePair], most: int) -> Sequence[SamplePair]:
    """At most so many pairs of all lengths, the longest among them: rounding adds up from token to token."""
    ordered = sorted(sample, key=lambda pair: -len(pair.source_ids) - len(pair.target_ids))
    return ordered[:: -(-len(ordered) // most)] if ordered else ordered


def measure_rounding(checkpoint: LoadedCheckpoint, pairs: Iterable[SamplePair]) -> dict[str, float]:
    """Largest difference between float32 and float64, by the output's name in `pipeline.parity.outputs`.

    Float32 is measured in several orders of summation. A sentence may by chance round finely in one order and, where
    attention is nearly undecided, a hundred times as coarsely in another; a runtime has an order of its own.

    No rounding is finer than the spacing of float32 at the output's largest value, nor coarser than `_COARSEST` of it.
    """
    gaps: dict[str, float] = {}
    sizes: dict[str, float] = {}
    threads = choose_threads(checkpoint.parameters)
    for pair in pairs:
        with step_by_step(threads):
            with _InDoublePrecision():
                exact = force_modules(checkpoint, pair.source_ids, pair.target_ids)
            for parts in _ORDERS:
                with _SumInParts(parts):
                    rounded = force_modules(checkpoint, pair.source_ids, pair.target_ids)
                for name, values in exact.items():
                    gaps[name] = max(gaps.get(name, 0.0), float(np.abs(rounded[name] - values).max(initial=0.0)))
                    sizes[name] = max(sizes.get(name, 0.0), float(np.abs(values).max(initial=0.0)))
    return {
        name: min(max(gap, float(np.spacing(np.float32(sizes[name])))), _COARSEST * sizes[name])
        for name, gap in gaps.items()
    }


class _SumInParts(TorchFunctionMode):
    """Compute the sums of matrix products in so many parts: another order of summation, which rounds otherwise."""

    def __init__(self, parts: int) -> None:
        super().__init__()
        self.parts = parts

    def __torch_function__(
        self, func: Callable[..., Any], types: Iterable[type], args: Any = (), kwargs: Any = None
    ) -> Any:
        if func in _PRODUCTS and args[0].shape[-1] >= self.parts > 1:
            # The weights of F.linear are transposed, so its sums run over the last axis of both.
            second, axis = args[1], -1 if func is F.linear else -2
            pairs = zip(args[0].tensor_split(self.parts, -1), second.tensor_split(self.parts, axis), strict=True)
            total = sum(func(*pair) for pair in pairs)
            bias = args[2] if len(args) > 2 else None
            return total if bias is None else total + bias
        return func(*args, **(kwargs or {}))


class _InDoublePrecision(TorchFunctionMode):
    """Compute in float64 what torch is asked to compute in float32; weights stay what they are.

    A weight is widened when it is used and dropped after, so that no second model takes memory.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Iterable[type], args: Any = (), kwargs: Any = None
    ) -> Any:
        if func is F.embedding:
            # Its result has fewer values than its table.
            return _widen(func(*args, **(kwargs or {})))
        if func is F.linear and args[1].numel() > _WIDENED:
            return _multiply_in_parts(*args)
        return func(*tree_map(_widen, args), **tree_map(_widen, kwargs or {}))


def _multiply_in_parts(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """A projection in float64, a part of its outputs at a time: the last one of a large vocabulary is half a model."""
    count = -(-weight.numel() // _WIDENED)
    biases: Sequence[Tensor | None] = [None] * count if bias is None else bias.tensor_split(count)
    parts = zip(weight.tensor_split(count), biases, strict=True)
    return torch.cat([F.linear(*map(_widen, (x, *part))) for part in parts], dim=-1)


def _widen(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.double() if value.dtype == torch.float32 else value
    return torch.float64 if value is torch.float32 else value
