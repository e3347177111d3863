"""The search in words: every candidate of every step and what became of it."""

from __future__ import annotations

from dashboard.drawing.picture import Picture
from dashboard.drawing.words import percent, signed
from dashboard.state.page_state import Json
from exported_models.contract.trace import Candidate, Fate, PrunedBy, Step

_COLUMNS = ("rank", "prefix", "next", "percent", "score", "fate")
_REASONS = {
    PrunedBy.BEAM: "pruned: better ones filled the beam",
    PrunedBy.PREFIX: "pruned: the forced prefix wants another token",
    PrunedBy.END_RANK: "pruned: it ends the sentence, but not among the best",
    PrunedBy.FINISHED: "pruned: better hypotheses were finished",
    PrunedBy.MIN_LENGTH: "pruned: the model's settings want a longer sentence",
    PrunedBy.REPEATED: "pruned: the model's settings forbid this repetition",
    PrunedBy.BAD_WORDS: "pruned: the model's settings forbid these words",
}


def tabulate_search(picture: Picture) -> Json:
    """A table a step, as data for `assets/tree_twin.js`: a long search is more components than Dash draws in time.

    A row is its cells and ``key``, which decodes from there.
    """
    steps = [_tabulate_step(picture, index, step) for index, step in enumerate(picture.trace.steps)]
    return {"columns": _COLUMNS, "steps": steps}


def describe_fate(candidate: Candidate) -> str:
    """What became of a candidate, in words."""
    if candidate.fate is not Fate.PRUNED or candidate.pruned_by is None:
        return candidate.fate.value
    return _REASONS[candidate.pruned_by]


def _tabulate_step(picture: Picture, index: int, step: Step) -> Json:
    rows = [_tabulate_candidate(picture, index, candidate) for candidate in step.candidates]
    return {"caption": f"Step {index + 1}", "rows": rows}


def _tabulate_candidate(picture: Picture, step: int, candidate: Candidate) -> Json:
    prefix = "".join(picture.target_text.show(node.token) for node in picture.trace.path(candidate.parent))
    cells = (
        str(candidate.rank + 1), prefix, picture.target_text.show(candidate.token), percent(candidate.log_prob),
        signed(candidate.normalized), describe_fate(candidate),
    )  # fmt: skip
    key = f"{step}.{candidate.rank}" if candidate.node is None else str(candidate.node)
    return {"cells": cells, "key": key, "fate": candidate.fate.value}
