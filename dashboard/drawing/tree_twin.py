"""The search in words: every candidate of every step and its fate.

The work and the size grow with the number of candidates, not with the length of their prefixes: of a long prefix the
table writes the last tokens and names the row that made it.
"""

from __future__ import annotations

from collections.abc import Mapping

from dashboard.drawing.picture import Picture
from dashboard.drawing.words import percent, signed
from dashboard.state.page_state import Json
from exported_models.contract.trace import ROOT, Candidate, Fate, Step, Trace
from exported_models.wording import PRUNED

TAIL = 12
"""Tokens of a prefix that are written out."""

_COLUMNS = ("rank", "prefix", "next", "percent", "score", "fate")


def tabulate_search(picture: Picture) -> Json:
    """One table a step, as data for `assets/tree_twin.js`; Dash takes too long to render that many components.

    A row holds its cells, its ``key`` (the value to send to decode from there) and its ``fate``.
    """
    ranks = _rank_nodes(picture.trace)
    steps = [_tabulate_step(picture, index, step, ranks) for index, step in enumerate(picture.trace.steps)]
    return {"columns": _COLUMNS, "steps": steps}


def describe_fate(candidate: Candidate) -> str:
    """The fate of a candidate in words."""
    kept = "kept beside the beam" if candidate.fate is Fate.BESIDE else candidate.fate.value
    if candidate.pruned_by is None:
        return kept
    reason = PRUNED[candidate.pruned_by]
    return f"{kept}, which pruned it: {reason}" if candidate.fate is Fate.BESIDE else f"pruned: {reason}"


def _rank_nodes(trace: Trace) -> Mapping[int, int]:
    """Node -> rank, from 0, of the candidate that became it."""
    entries = (candidate for step in trace.steps for candidate in step.candidates)
    return {candidate.node: candidate.rank for candidate in entries if candidate.node is not None}


def _tabulate_step(picture: Picture, index: int, step: Step, ranks: Mapping[int, int]) -> Json:
    prefixes = {node: _spell_prefix(picture, node, ranks) for node in step.nodes}
    rows = [_tabulate_candidate(picture, index, entry, prefixes[entry.parent]) for entry in step.candidates]
    return {"caption": f"Step {index + 1}", "rows": rows}


def _spell_prefix(picture: Picture, node: int, ranks: Mapping[int, int]) -> str:
    """The prefix of a node; of a long one its last tokens, after the step and rank that made it."""
    nodes, place = picture.trace.nodes, node
    tail: list[str] = []
    while place != ROOT and len(tail) < TAIL:
        tail.append(picture.target_text.show(nodes[place].token))
        place = nodes[place].parent
    text = "".join(reversed(tail))
    return text if place == ROOT else f"(step {nodes[node].length}, rank {ranks[node] + 1}) … {text}"


def _tabulate_candidate(picture: Picture, step: int, candidate: Candidate, prefix: str) -> Json:
    cells = (
        str(candidate.rank + 1), prefix, picture.target_text.show(candidate.token), percent(candidate.log_prob),
        signed(candidate.normalized), describe_fate(candidate),
    )  # fmt: skip
    key = f"{step}.{candidate.rank}" if candidate.node is None else str(candidate.node)
    return {"cells": cells, "key": key, "fate": candidate.fate.value}
