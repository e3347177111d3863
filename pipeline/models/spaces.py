"""Spaces that models of every architecture have besides their last states: lower layers and word embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeVar

from exported_models.contract.manifest import Owner, SpaceSpec

ATTENTIONAL_SPACE = "attentional"
SOURCE_EMBEDDING_SPACE = "source_embedding"
TARGET_EMBEDDING_SPACE = "target_embedding"

StackSide = Literal["encoder", "decoder"]
_Layer = TypeVar("_Layer")


def name_layers(stack: StackSide, layers: Sequence[_Layer]) -> dict[str, _Layer]:
    """Outputs of a stack's layers, by the names of their spaces."""
    return {f"{stack}_layer_{index}": layer for index, layer in enumerate(layers)}


def name_lower_layers(stack: StackSide, layers: Sequence[_Layer]) -> dict[str, _Layer]:
    """`name_layers` without the last layer, whose output is the stack's own state but for a norm."""
    return name_layers(stack, layers[:-1])


def layer_spaces(stack: StackSide, layers: int, size: int) -> tuple[SpaceSpec, ...]:
    """A space on demand for every layer of a stack but the last."""
    owner: Owner = "source" if stack == "encoder" else "target"
    return tuple(
        SpaceSpec(
            name=name,
            owner=owner,
            output=name,
            size=size,
            meaning=f"output of {stack} layer {index}, counted from 0, at a {owner} token",
            layer=index,
            kind="on_demand",
            stage=stack,
        )
        for index, name in enumerate(name_layers(stack, range(layers - 1)))
    )


def embedding_spaces(source_size: int, target_size: int) -> tuple[SpaceSpec, SpaceSpec]:
    """The tables of word embeddings of both sides."""
    return (
        SpaceSpec(
            name=SOURCE_EMBEDDING_SPACE,
            owner="source",
            output=SOURCE_EMBEDDING_SPACE,
            size=source_size,
            meaning="word embedding of a source token, the same in every sentence",
            kind="table",
            stage="encoder",
        ),
        SpaceSpec(
            name=TARGET_EMBEDDING_SPACE,
            owner="target",
            output=TARGET_EMBEDDING_SPACE,
            size=target_size,
            meaning="word embedding of a target token, the same in every sentence",
            kind="table",
            stage="decoder",
        ),
    )
