"""The weights of a checkpoint by its own names, with a record of those that were read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from pipeline.errors import CheckpointError


class Weights:
    """Gives tensors as float32 and records which were read."""

    def __init__(self, tensors: Mapping[str, Tensor], path: Path) -> None:
        self._tensors = dict(tensors)
        self._read: dict[str, Tensor] = {}
        self._path = path

    def __contains__(self, name: str) -> bool:
        return name in self._tensors

    def take(self, name: str) -> Tensor:
        """The tensor of that name.

        Raises:
            CheckpointError: there is no such tensor, or it has values that are not finite.
        """
        if name in self._read:
            return self._read[name]
        if name not in self._tensors:
            raise CheckpointError(f"{self._path} has no weights {name}, which a model of its options has.")
        tensor = self._tensors[name].to(torch.float32)
        if not bool(torch.isfinite(tensor).all()):
            raise CheckpointError(f"{self._path} has weights that are not finite, in {name}.")
        self._read[name] = tensor
        return tensor

    def take_layer(self, source: str, target: str) -> dict[str, Tensor]:
        """Weight and, if there is one, bias of a layer, under another name."""
        names = [name for name in ("weight", "bias") if name == "weight" or f"{source}.{name}" in self]
        return {f"{target}.{name}": self.take(f"{source}.{name}") for name in names}

    def finish(self) -> None:
        """Check that every tensor was read.

        Raises:
            CheckpointError: a tensor was not read, so the model has a part that is not exported.
        """
        unread = self._tensors.keys() - self._read.keys()
        if unread:
            raise CheckpointError(
                f"{self._path} has {len(unread)} weights that no supported model has, for instance {min(unread)}; it "
                "cannot be exported."
            )

    def fill(self, model: nn.Module, weights: Mapping[str, Tensor]) -> None:
        """Make converted weights those of a model, without copying them.

        Raises:
            CheckpointError: a weight's shape does not fit the options.
        """
        for name, expected in model.state_dict().items():
            found = weights[name].shape if name in weights else None
            if found != expected.shape:
                shapes = f"{list(found or ())}, expected {list(expected.shape)}"
                raise CheckpointError(f"The weights in {self._path} do not fit its options: {name} is {shapes}.")
        model.load_state_dict(dict(weights), assign=True)
        model.eval().requires_grad_(requires_grad=False)
