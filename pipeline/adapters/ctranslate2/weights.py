"""The variables of a CTranslate2 model as float32 weights and plain numbers, with a record of those that were read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from exported_models.contract.errors import shorten
from pipeline.adapters.ctranslate2.binary import Variable
from pipeline.errors import CheckpointError

_MEANINGS: Mapping[str, str] = {
    "embeddings_1": "several embeddings of a source token",
    "k_norm": "norms of queries and keys",
    "memory_kv": "one attention to source and target",
    "num_heads_kv": "heads that share keys",
    "post_attention_layer_norm": "norms on both sides of a layer",
    "project_in": "a projection of embeddings",
    "relative_asymmetric_position_keys": "relative positions on keys",
    "relative_position_keys": "relative positions on keys and values",
    "rotary_base": "rotary positions",
    "sliding_window": "a sliding window of attention",
    "weight_zero": "weights quantized by AWQ",
}
"""Parts of names of variables that no exported module has a place for, with what they are."""


class Weights:
    """Gives weights as float32, dequantized, and records which variables were read."""

    def __init__(self, variables: Mapping[str, Variable], path: Path) -> None:
        self.path = path
        self._variables = variables
        self._unread = set(variables)
        self._taken: dict[int, Tensor] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._variables

    def take(self, name: str) -> Tensor:
        """The weight of that name; a quantized one is divided by its scale.

        A variable is converted once, whatever its names, so that the exported module and the reference share it.

        Raises:
            CheckpointError: there is none, it has values that are not finite, or it is quantized without a scale.
        """
        self._check_known(name)
        variable = self._variables[name]
        if id(variable) not in self._taken:
            self._taken[id(variable)] = torch.from_numpy(self._convert(name))
        self._unread -= {name, f"{name}_scale"}
        return self._taken[id(variable)]

    def number(self, name: str, default: float) -> float:
        """The number of that name, or ``default``.

        Raises:
            CheckpointError: the variable is not a single number.
        """
        if name not in self:
            return default
        values = self._read(name)
        if values.size != 1 or not np.isfinite(values).all():
            raise CheckpointError(f"{self.path} has {name} of the shape {list(values.shape)}; a number is expected.")
        return float(values.reshape(()))

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a variable, which is not read; a matrix is expected.

        Raises:
            CheckpointError: there is none of that name, or it is no matrix.
        """
        self._check_known(name)
        shape = self._variables[name].values.shape
        if len(shape) != 2 or 0 in shape:
            raise CheckpointError(f"{self.path} has {name} of the shape {list(shape)}; a matrix is expected.")
        return shape

    def is_flag(self, name: str) -> bool:
        """Whether a variable is a flag and not a number."""
        return name in self and self._variables[name].kind == "int8"

    def are_one(self, name: str, other: str) -> bool:
        """Whether two names are of the same variable."""
        return name in self and other in self and self._variables[name] is self._variables[other]

    def count_layers(self, stack: str) -> int:
        """The number of layers of a stack, which are numbered from 0."""
        numbers = {name.split("/")[1] for name in self._variables if name.startswith(f"{stack}/layer_")}
        return sum(f"layer_{index}" in numbers for index in range(len(numbers)))

    @property
    def is_quantized(self) -> bool:
        """Whether weights are stored as integers."""
        return any(f"{name}_scale" in self for name in self._variables)

    def finish(self) -> None:
        """Check that every variable was read.

        Raises:
            CheckpointError: a variable was not read, so the model has a part that is not exported.
        """
        if not self._unread:
            return
        known = (
            (name, meaning) for name in sorted(self._unread) for part, meaning in _MEANINGS.items() if part in name
        )
        name, meaning = next(known, (min(self._unread), "a part that no other encoder-decoder has"))
        raise CheckpointError(f"{self.path} has {meaning} ({shorten(name)}), which cannot be exported.")

    def _convert(self, name: str) -> NDArray[np.float32]:
        values = self._read(name)
        if self._variables[name].kind in ("int8", "int16"):
            values = self._dequantize(name, values)
        if not np.isfinite(values).all():
            raise CheckpointError(f"{self.path} has weights that are not finite, in {name}.")
        return values

    def _read(self, name: str) -> NDArray[np.float32]:
        self._check_known(name)
        self._unread.discard(name)
        variable = self._variables[name]
        if variable.kind == "bfloat16":
            return (variable.values.astype(np.uint32) << np.uint32(16)).view(np.float32)
        return variable.values.astype(np.float32)

    def _check_known(self, name: str) -> None:
        if name not in self:
            raise CheckpointError(f"{self.path} has no variable {name}, which every model of its layers has.")

    def _dequantize(self, name: str, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Divide by the scale: of each row for int8, of the whole for int16."""
        scale = self._read(f"{name}_scale")
        rows = (len(values),) if self._variables[name].kind == "int8" else ()
        if scale.shape != rows or not (scale > 0).all():
            raise CheckpointError(
                f"{self.path} has {name}_scale of the shape {list(scale.shape)}; {list(rows)} positive numbers are "
                "expected."
            )
        return values / scale.reshape(*rows, *(1,) * (values.ndim - len(rows)))
