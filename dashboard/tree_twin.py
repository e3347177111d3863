"""The search in words: every candidate of every step and what became of it."""

from __future__ import annotations

from dash import html
from dash.development.base_component import Component

from dashboard.picture import Picture
from dashboard.views.attributes import wild
from dashboard.words import percent, signed
from exported_models.trace import Candidate, Fate, PrunedBy, Step

_COLUMNS = ("rank", "prefix", "next", "percent", "score", "fate")
_REASONS = {
    PrunedBy.BEAM: "pruned: better ones filled the beam",
    PrunedBy.PREFIX: "pruned: the forced prefix wants another token",
    PrunedBy.END_RANK: "pruned: it ends the sentence, but not among the best",
    PrunedBy.FINISHED: "pruned: better hypotheses were finished",
}


def draw_tree_twin(picture: Picture) -> Component:
    """A table a step; a button on each candidate decodes from there."""
    steps = enumerate(picture.trace.steps)
    return html.Div([_draw_step(picture, index, step) for index, step in steps])


def describe_fate(candidate: Candidate) -> str:
    """What became of a candidate, in words."""
    if candidate.fate is not Fate.PRUNED or candidate.pruned_by is None:
        return candidate.fate.value
    return _REASONS[candidate.pruned_by]


def _draw_step(picture: Picture, index: int, step: Step) -> Component:
    head = html.Thead(html.Tr([html.Th(name, scope="col") for name in _COLUMNS]))
    rows = [_draw_row(picture, index, candidate) for candidate in step.candidates]
    caption = html.Caption(f"Step {index + 1}")
    return html.Table([caption, head, html.Tbody(rows)], className="twin")


def _draw_row(picture: Picture, step: int, candidate: Candidate) -> Component:
    prefix = "".join(picture.text.show(node.token) for node in picture.trace.path(candidate.parent))
    key = f"{step}.{candidate.rank}" if candidate.node is None else str(candidate.node)
    force = html.Button(
        picture.text.show(candidate.token), className="quiet", title="Decode from here", **wild(data_value=key)
    )
    cells = (
        candidate.rank + 1, prefix, force, percent(candidate.log_prob), signed(candidate.normalized),
        describe_fate(candidate),
    )  # fmt: skip
    return html.Tr([html.Td(cell) for cell in cells], className=candidate.fate.value)
