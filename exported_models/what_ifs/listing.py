"""Lists of wishes that are worth trying on a translation."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import get_args

from exported_models.contract.manifest import ModelManifest, Owner
from exported_models.contract.request import HeadAblation, HeadKind
from exported_models.contract.trace import Hypothesis, Trace
from exported_models.contract.wishes import Ablate, Choose, Substitute, SubstituteTarget, Wish
from exported_models.search.ablation import find_heads


class Kind(StrEnum):
    """A list of wishes by what they change."""

    WORDS = "words"
    """Every other word of the top k at every step."""
    HEADS = "heads"
    """Every head of attention ablated that is not ablated yet."""
    SUBSTITUTES = "substitutes"
    """Other words in place of one word."""


def list_wishes(
    kinds: Sequence[Kind],
    manifest: ModelManifest,
    trace: Trace,
    hypothesis: Hypothesis,
    substitutes: Sequence[Wish] = (),
) -> list[Wish]:
    """The wishes of these kinds, kind by kind.

    Args:
        substitutes: those of `Kind.SUBSTITUTES`, for instance of `write_each`.
    """
    found: list[Wish] = []
    if Kind.WORDS in kinds:
        found += list_words(trace, hypothesis)
    if Kind.SUBSTITUTES in kinds:
        found += substitutes
    if Kind.HEADS in kinds:
        found += list_heads(manifest, trace.request.ablations)
    return found


def write_each(side: Owner, place: int, texts: Sequence[str]) -> list[Wish]:
    """Each text in place of one word.

    Args:
        place: number of the source word, or a token of the target word.
    """
    different = dict.fromkeys(texts)
    if side == "source":
        return [Substitute(place, text) for text in different]
    return [SubstituteTarget(place, text) for text in different]


def list_words(trace: Trace, hypothesis: Hypothesis) -> list[Choose]:
    """Each word of the top k at each step in place of the hypothesis' own, step by step and best first."""
    return [
        Choose(step, rank)
        for step, choices in enumerate(trace.top_k(hypothesis))
        for rank, choice in enumerate(choices)
        if choice.token_id != hypothesis.token_ids[step]
    ]


def list_heads(manifest: ModelManifest, ablated: Sequence[HeadAblation] = ()) -> list[Ablate]:
    """Each head of the model without the others: encoder, decoder and cross-attention, layer by layer."""
    grids = [(kind, find_heads(manifest, kind)) for kind in get_args(HeadKind)]
    heads = [
        HeadAblation(kind, layer, head)
        for kind, grid in grids
        if grid is not None
        for layer in range(grid.layers)
        for head in range(grid.heads)
    ]
    return [Ablate((head,)) for head in heads if head not in ablated]
