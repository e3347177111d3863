"""Plans: which pairs a store will hold, in which blocks, and how much room that takes.

Sources without targets are planned twice: before they are translated, with a guess at how long their targets will be,
and afterwards (`pipeline.store.translate`).
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from exported_models.contract.manifest import SpaceSpec
from exported_models.contract.publishing import format_size
from pipeline.errors import BuildError
from pipeline.store.blocks import Block, SelectedPairs
from state_store.scann_index import choose_index_kind

_BYTES_PER_TOKEN_ROW = 16
_BYTES_PER_PLACE = 8
_BYTES_PER_PAIR = 32


@dataclass(frozen=True, slots=True)
class StorePlan:
    """The content of a store before it is made.

    Attributes:
        pairs: sentence pairs that will be in the store; ``left_out`` cannot be read by the model, and
            ``first_left_out`` says why of the first.
        source_tokens, target_tokens: their tokens, end of sentence included.
        blocks: the pairs, block by block.
        rows: rows of each space.
        bytes_needed: room on disk for the store and its shards; ``bytes_kept`` for the store alone. Both are estimates.
        targets_known: false while the model has yet to make the targets; their tokens are a guess until then.
    """

    pairs: int
    left_out: int
    first_left_out: str
    source_tokens: int
    target_tokens: int
    blocks: tuple[Block, ...]
    rows: dict[str, int]
    bytes_needed: int
    bytes_kept: int
    targets_known: bool = True


def estimate_store(
    selected: SelectedPairs, spaces: Sequence[SpaceSpec], maps: int, *, targets_known: bool
) -> StorePlan:
    """The plan for the selected pairs.

    Args:
        spaces: those that are indexed.
        maps: global maps of each space.
    """
    of_owner = {"source": selected.source_tokens, "target": selected.target_tokens}
    rows = {space.name: of_owner[space.owner] for space in spaces}
    states = sum(rows[space.name] * (2 * space.size + _BYTES_PER_TOKEN_ROW) for space in spaces)
    shards = sum(rows[space.name] * (4 * space.size + _BYTES_PER_TOKEN_ROW) for space in spaces)
    # ScaNN keeps a byte a dimension, a norm, and which rows are in which leaf.
    index = sum(rows[s.name] * (s.size + 8) for s in spaces if choose_index_kind(rows[s.name]) != "exact")
    places = sum(rows.values()) * maps * _BYTES_PER_PLACE
    kept = states + index + places + selected.text_bytes + _BYTES_PER_PAIR * selected.pairs
    return StorePlan(
        pairs=selected.pairs,
        left_out=selected.left_out,
        first_left_out=selected.first_left_out,
        source_tokens=selected.source_tokens,
        target_tokens=selected.target_tokens,
        blocks=selected.blocks,
        rows=rows,
        bytes_needed=kept + shards,
        bytes_kept=kept,
        targets_known=targets_known,
    )


def describe_plan(plan: StorePlan) -> str:
    """The size estimate, for people."""
    rows = ", ".join(f"{count:,} {space}" for space, count in plan.rows.items())
    shards = format_size(plan.bytes_needed - plan.bytes_kept)
    disk = f"Disk: about {format_size(plan.bytes_kept)} for the store, {shards} for shards that later builds reuse."
    if plan.targets_known:
        tokens = plan.source_tokens + plan.target_tokens
        return f"{plan.pairs:,} sentence pairs, {tokens:,} tokens; states: {rows}. {disk}"
    return (
        f"{plan.pairs:,} sources without targets, {plan.source_tokens:,} tokens: the model will translate them. If the "
        f"translations are as long, states: {rows}. {disk}"
    )


def check_disk(folder: Path, needed: int) -> None:
    """Refuse to go on where the disk is too small.

    Args:
        folder: a folder on the disk.
        needed: bytes that are going to be written.

    Raises:
        BuildError: with how much is needed and how much is free.
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise BuildError(
            f"The build needs about {format_size(needed)} in {folder}, but {format_size(free)} are free; "
            "free some space or choose another --workspace."
        )
