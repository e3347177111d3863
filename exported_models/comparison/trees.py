"""Two beam trees laid over each other: prefixes of both, and of one only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from exported_models.contract.trace import ROOT, Candidate, Fate, Hypothesis, PrunedBy, Trace


class Found(StrEnum):
    """The search, or searches, that have a prefix."""

    BOTH = "both"
    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class OverlaidNode:
    """A prefix that one search or both have.

    Attributes:
        parent: its place in the list of overlaid nodes; -1 for the start.
        before, after: the node in each trace, or None.
        beside: whether kept paths alone have it, and neither beam held it.
    """

    parent: int
    token: str
    before: int | None
    after: int | None
    beside: bool

    @property
    def found(self) -> Found:
        """The searches that have the prefix."""
        if self.before is None:
            return Found.AFTER
        return Found.BEFORE if self.after is None else Found.BOTH


@dataclass(frozen=True, slots=True)
class LostPath:
    """The place where a search left the hypothesis that the other search shows.

    Attributes:
        step: the step at which the path was lost.
        token: the path's token there.
        rank: its place among the candidates; None where it was not considered.
        pruned_by: the reason; None where it was not considered, or where it was kept but not continued.
        behind: by how much its score was below that of the worst candidate that was kept or finished, in natural
            log-probability; negative where it was above. None where it was not considered, or a forced prefix
            demanded another token.
    """

    step: int
    token: str
    rank: int | None
    pruned_by: PrunedBy | None
    behind: float | None


@dataclass(frozen=True, slots=True)
class TreeOverlay:
    """Two beam trees.

    Attributes:
        nodes: the start first, each parent before its children.
        lost_before: where the beam after lost the hypothesis shown before; None where it held the whole of it.
        lost_after: where the beam before lost the hypothesis shown after.
    """

    nodes: tuple[OverlaidNode, ...]
    lost_before: LostPath | None
    lost_after: LostPath | None

    def count(self, found: Found) -> int:
        """Number of prefixes that the beams of these searches held, the start left out."""
        return sum(node.found is found and not node.beside for node in self.nodes[1:])

    @property
    def beside(self) -> int:
        """Number of prefixes that kept paths alone have."""
        return sum(node.beside for node in self.nodes)


def overlay_trees(before: Trace, shown_before: Hypothesis, after: Trace, shown_after: Hypothesis) -> TreeOverlay:
    """Lay the trees of two traces with equal vocabularies over each other."""
    return TreeOverlay(_merge(before, after), find_lost(after, shown_before), find_lost(before, shown_after))


def find_lost(trace: Trace, wanted: Hypothesis) -> LostPath | None:
    """The step at which a beam left the path of a hypothesis; None where it held the whole path.

    A path that is kept beside the beam is lost all the same.
    """
    children = {(node.parent, node.token_id): node.index for node in trace.nodes[1:] if not node.beside}
    node = ROOT
    for step, (token_id, token) in enumerate(zip(wanted.token_ids, wanted.tokens, strict=True)):
        child = children.get((node, token_id))
        if child is None:
            return _describe_loss(trace, step, node, token_id, token)
        node = child
    return None


def _merge(before: Trace, after: Trace) -> tuple[OverlaidNode, ...]:
    nodes = [OverlaidNode(-1, before.nodes[ROOT].token, ROOT, ROOT, beside=False)]
    places: dict[tuple[int, str], int] = {}
    placed = {ROOT: 0}
    for node in before.nodes[1:]:
        placed[node.index] = places[placed[node.parent], node.token] = len(nodes)
        nodes.append(OverlaidNode(placed[node.parent], node.token, node.index, None, node.beside))
    placed = {ROOT: 0}
    for node in after.nodes[1:]:
        parent = placed[node.parent]
        place = places.get((parent, node.token))
        if place is None:
            place = len(nodes)
            nodes.append(OverlaidNode(parent, node.token, None, node.index, node.beside))
        else:
            nodes[place] = replace(nodes[place], after=node.index, beside=nodes[place].beside and node.beside)
        placed[node.index] = place
    return tuple(nodes)


def _describe_loss(trace: Trace, step: int, parent: int, token_id: int, token: str) -> LostPath:
    candidates = trace.steps[step].candidates if step < len(trace.steps) else ()
    found = next((one for one in candidates if (one.parent, one.token_id) == (parent, token_id)), None)
    if found is None or (found.fate is Fate.BESIDE and found.pruned_by is None):
        return LostPath(step, token, None, None, None)
    return LostPath(step, token, found.rank, found.pruned_by, _measure(found, candidates))


def _measure(lost: Candidate, candidates: Sequence[Candidate]) -> float | None:
    kept = [one.score for one in candidates if one.fate in (Fate.KEPT, Fate.FINISHED)]
    return min(kept) - lost.score if kept and lost.pruned_by is not PrunedBy.PREFIX else None
