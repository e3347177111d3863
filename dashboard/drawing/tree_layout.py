"""The beam tree as rows and columns: one column a step, the chosen hypothesis on the first row.

A *branch* is a node and its best continuations up to the end of the line; every other child starts a branch of its own
below. Branches share a row where their columns do not meet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from dashboard.drawing.typography import text_width
from dashboard.drawing.words import TokenText
from exported_models.contract.trace import ROOT, Candidate, Fate, Hypothesis, Trace

Kind = Literal["best", "kept", "beside", "pruned", "group"]
"""A ``group`` stands for several pruned candidates of one step; ``beside`` is a prefix of a kept path alone."""
Extent = Literal["kept", "all"]

LABEL_SIZE = 12.0
GAPS = (20.0, 96.0)
"""Least and greatest pixels between two columns; in between the tree fills its room."""
ROW = 25.0
PANEL = 310.0
"""Pixels of height that a tree usually has. A higher one is drawn smaller, down to `SMALLEST` of its size."""
SMALLEST = 0.85
MOST_PRUNED = 3
"""Pruned candidates of a step that are drawn one by one, the best first; the others are counted."""
NARROWEST = 18.0
START = "start"


@dataclass(frozen=True, slots=True)
class Twig:
    """One drawn node.

    ``key`` is unique: the node's index, ``step.rank`` of a pruned candidate, or ``step+`` of a group of them.
    """

    key: str
    parent: str
    depth: int
    label: str
    log_prob: float
    score: float
    kind: Kind


@dataclass(frozen=True, slots=True)
class PlacedTwig:
    """A twig with its box: left edge, width and middle height in pixels."""

    twig: Twig
    left: float
    width: float
    y: float


def grow(trace: Trace, hypothesis: Hypothesis, extent: Extent, words: TokenText) -> tuple[Twig, ...]:
    """The nodes to draw, parents first; ``all`` adds the pruned candidates."""
    best = frozenset(hypothesis.nodes)
    twigs = [Twig(str(ROOT), "", 0, START, 0.0, 0.0, "best")]
    twigs += [
        Twig(
            str(node.index), str(node.parent), node.length, words.show(node.token), node.log_prob, node.score,
            "best" if node.index in best else "beside" if node.beside else "kept",
        )
        for node in trace.nodes[1:]
    ]  # fmt: skip
    return tuple(twigs + (_pruned_twigs(trace, words) if extent == "all" else []))


def place_twigs(twigs: Sequence[Twig], room: float = 0) -> tuple[PlacedTwig, ...]:
    """Give every twig its own place, spread over ``room`` pixels where there are so many."""
    widths = [max(NARROWEST, -(-text_width(twig.label, LABEL_SIZE, 600) // 1)) for twig in twigs]
    rows = _assign_rows(twigs)
    scale = min(1.0, max(SMALLEST, PANEL / (ROW * (1 + max(rows.values())))))
    lefts = _column_lefts(twigs, widths, room / scale)
    return tuple(
        PlacedTwig(twig, lefts[twig.depth], width, rows[twig.key] * ROW)
        for twig, width in zip(twigs, widths, strict=True)
    )


def _pruned_twigs(trace: Trace, words: TokenText) -> list[Twig]:
    twigs: list[Twig] = []
    for step, record in enumerate(trace.steps):
        pruned = [candidate for candidate in record.candidates if candidate.fate is Fate.PRUNED]
        # A group of one would take the room of the candidate itself.
        shown = MOST_PRUNED if len(pruned) > MOST_PRUNED + 1 else len(pruned)
        twigs += _single_twigs(step, pruned[:shown], words)
        twigs += _group_twig(step, pruned[shown:])
    return twigs


def _single_twigs(step: int, pruned: Sequence[Candidate], words: TokenText) -> Iterator[Twig]:
    for entry in pruned:
        key, parent, word = f"{step}.{entry.rank}", str(entry.parent), words.show(entry.token)
        yield Twig(key, parent, step + 1, word, entry.log_prob, entry.score, "pruned")


def _group_twig(step: int, hidden: Sequence[Candidate]) -> Iterator[Twig]:
    """One node that counts the candidates left out, under the prefix of the best of them."""
    if hidden:
        best = hidden[0]
        yield Twig(f"{step}+", str(best.parent), step + 1, f"+{len(hidden)}", best.log_prob, best.score, "group")


def _column_lefts(twigs: Sequence[Twig], widths: Sequence[float], room: float) -> list[float]:
    deepest = max(twig.depth for twig in twigs)
    widest = [0.0] * (deepest + 1)
    for twig, width in zip(twigs, widths, strict=True):
        widest[twig.depth] = max(widest[twig.depth], width)
    least, greatest = GAPS
    gap = min(greatest, max(least, (room - sum(widest)) // max(deepest, 1)))
    lefts = [0.0]
    for width in widest[:-1]:
        lefts.append(lefts[-1] + width + gap)
    return lefts


def _assign_rows(twigs: Sequence[Twig]) -> dict[str, int]:
    """Row of each twig: branches top down, those that fork latest nearest to the branch they leave.

    ``taken`` holds for each row its taken columns as bits, so that a row is tested in one operation.
    """
    children = _children(twigs)
    rows: dict[str, int] = {}
    taken: list[int] = []
    waiting = [(twigs[0], 0)]
    while waiting:
        first, lowest = waiting.pop()
        branch = _follow(first, children)
        row = _free_row(taken, lowest, first.depth - 1, branch[-1].depth)
        rows.update((twig.key, row) for twig in branch)
        # The last pushed is placed next: early forks are pushed first, and of one fork the best child last.
        waiting += [(child, row + 1) for twig in branch for child in reversed(children[twig.key][1:])]
    return rows


def _children(twigs: Sequence[Twig]) -> dict[str, list[Twig]]:
    """Key -> children, the one that goes on in the same row first."""
    reach = _reach(twigs)
    children: dict[str, list[Twig]] = {twig.key: [] for twig in twigs}
    for twig in twigs[1:]:
        children[twig.parent].append(twig)
    for siblings in children.values():
        siblings.sort(key=lambda twig: (twig.kind != "best", -reach[twig.key], -twig.score))
    return children


def _reach(twigs: Sequence[Twig]) -> Mapping[str, int]:
    """Depth of the deepest descendant of each twig (parents come before children)."""
    reach = {twig.key: twig.depth for twig in twigs}
    for twig in reversed(twigs[1:]):
        reach[twig.parent] = max(reach[twig.parent], reach[twig.key])
    return reach


def _follow(first: Twig, children: Mapping[str, list[Twig]]) -> list[Twig]:
    branch = [first]
    while children[branch[-1].key]:
        branch.append(children[branch[-1].key][0])
    return branch


def _free_row(taken: list[int], lowest: int, start: int, end: int) -> int:
    """The first row from ``lowest`` on where columns ``start`` to ``end`` are free; takes it."""
    columns = (1 << (end + 1)) - (1 << max(start, 0))
    row = next((row for row in range(lowest, len(taken)) if not taken[row] & columns), max(lowest, len(taken)))
    taken += [0] * (row + 1 - len(taken))
    taken[row] |= columns
    return row
