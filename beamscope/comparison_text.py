"""A comparison as text, and a ranking of compared lines."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from beamscope.text_tables import count, format_table, quote_token, show_plainly
from beamscope.trace_text import describe_loss
from exported_models.comparison.alignment import Change, Column
from exported_models.comparison.comparison import Comparison, ScoreParts, Split
from exported_models.comparison.reference import AgainstReference, ReferenceComparison
from exported_models.comparison.trees import Found, LostPath, TreeOverlay
from exported_models.contract.request import Request
from exported_models.contract.trace import TokenChoice

MOST_MOVES = 10
"""Most moves of attention that are listed."""
_MARKS = {Change.EQUAL: "", Change.CHANGED: "~", Change.ADDED: "+", Change.DROPPED: "-"}


@dataclass(frozen=True, slots=True)
class RankedLine:
    """The comparison of one line of a file, without its traces.

    Attributes:
        requests: of both sides.
        document: its JSON with the number of the line; empty where it was not asked for.
    """

    line: int
    changed_share: float
    score_change: float
    before: str
    after: str
    requests: tuple[Request, Request]
    document: str

    @classmethod
    def of(cls, line: int, found: Comparison, *, with_document: bool) -> RankedLine:
        """The summary of a comparison."""
        from exported_models.comparison.documents import ComparisonDocument

        document = {"line": line, **ComparisonDocument.of(found).model_dump(mode="json")} if with_document else {}
        return cls(
            line,
            found.changed_share,
            found.score_change,
            found.before.hypothesis.text,
            found.after.hypothesis.text,
            (found.before.trace.request.as_request(), found.after.trace.request.as_request()),
            json.dumps(document, ensure_ascii=False) if document else "",
        )


def rank_lines(lines: Sequence[RankedLine]) -> list[RankedLine]:
    """The lines that differ most first: by the share of words that differ, then by the change of the score."""
    return sorted(lines, key=lambda one: (-one.changed_share, -abs(one.score_change)))


def describe_ranking(shown: Sequence[RankedLine], lines: Sequence[RankedLine]) -> str:
    """The ranked lines as text, without a line break at the end."""
    differing = sum(one.before != one.after for one in lines)
    parts = [f"{differing} of {count(len(lines), 'line')} differ."]
    for rank, one in enumerate(shown, start=1):
        head = f"{rank}. line {one.line}: {one.changed_share:.0%} of words, score {one.score_change:+.4f}"
        parts.append("\n".join([head, f"  - {show_plainly(one.before)}", f"  + {show_plainly(one.after)}"]))
    return "\n\n".join(parts)


def describe_comparison(found: Comparison) -> str:
    """The comparison as text, without a line break at the end."""
    parts = [list(_summary(found)), _scores(found.scores), _split(found.split), _tokens(found)]
    parts += [_moves(found), _trees(found.trees), _reference(found.reference), list(found.not_compared)]
    return "\n\n".join("\n".join(lines) for lines in parts if lines)


def _summary(found: Comparison) -> Iterator[str]:
    yield f"- {show_plainly(found.before.hypothesis.text)}"
    yield f"+ {show_plainly(found.after.hypothesis.text)}"
    yield f"{found.changed_words} of {count(len(found.words), 'word')} differ."


def _scores(scores: tuple[ScoreParts, ScoreParts]) -> list[str]:
    rows = [
        (name, f"{one.normalized:.4f}", f"{one.score:.4f}", str(one.length), f"{one.length_penalty:g}")
        for name, one in zip(("before", "after"), scores, strict=True)
    ]
    change = f"{scores[1].normalized - scores[0].normalized:+.4f}"
    summed = "weighed sum" if any(one.weighed for one in scores) else "log-probability"
    header = ("", "score", summed, "tokens", "length penalty")
    return format_table([header, *rows, ("change", change, "", "", "")], right=frozenset({1, 2, 3, 4}))


def _split(split: Split | None) -> list[str]:
    if split is None:
        return ["Both have the same tokens."]
    return [
        "They part:",
        _look(f"  before at step {split.step_before}", split.token_before, split.before),
        _look(f"  after  at step {split.step_after}", split.token_after, split.after),
    ]


def _look(head: str, token: str | None, choices: Sequence[TokenChoice]) -> str:
    listed = "  ".join(f"{quote_token(choice.token)} {choice.probability:.3f}" for choice in choices)
    return f"{head}: {'the end' if token is None else quote_token(token)}; most probable {listed or 'nothing'}"


def _tokens(found: Comparison) -> list[str]:
    rows = [
        (_MARKS[column.change], *_cells(found, 0, column.before), *_cells(found, 1, column.after))
        for column in found.columns
    ]
    header = ("", "before", "probability", "after", "probability")
    return format_table([header, *rows], right=frozenset({2, 4}))


def _cells(found: Comparison, side: int, places: Sequence[int]) -> tuple[str, str]:
    shown = (found.before, found.after)[side].hypothesis
    if not places:
        return "", ""
    tokens = " ".join(quote_token(shown.tokens[place]) for place in places)
    return tokens, f"{math.exp(sum(shown.log_probs[place] for place in places)):.4f}"


def _moves(found: Comparison) -> list[str]:
    moves = () if found.attention is None else found.attention.list_moves()
    if not moves:
        return []
    rows = [
        (
            _name(found, found.columns[move.target], target=True),
            _name(found, found.source[move.source], target=False),
            f"{move.before:.2f}",
            f"{move.after:.2f}",
            f"{move.difference:+.2f}",
        )
        for move in moves[:MOST_MOVES]
    ]
    header = ("attention of", "to", "before", "after", "change")
    more = [f"... and {len(moves) - MOST_MOVES} more"] if len(moves) > MOST_MOVES else []
    return format_table([header, *rows], right=frozenset({2, 3, 4})) + more


def _name(found: Comparison, column: Column, *, target: bool) -> str:
    """A column by its token, or by both where they differ."""
    names = []
    for side, places in ((found.before, column.before), (found.after, column.after)):
        tokens = side.hypothesis.tokens if target else side.trace.source.tokens
        names.append(" ".join(quote_token(tokens[place]) for place in places))
    return " / ".join(dict.fromkeys(name for name in names if name))


def _trees(trees: TreeOverlay | None) -> list[str]:
    if trees is None:
        return []
    common, old, new = (trees.count(found) for found in (Found.BOTH, Found.BEFORE, Found.AFTER))
    beside = f", {trees.beside} only of kept paths" if trees.beside else ""
    lines = [f"Beam trees: {count(common, 'prefix', 'prefixes')} in both, {old} only before, {new} only after{beside}."]
    lines += _lost("after", "before", trees.lost_before)
    return lines + _lost("before", "after", trees.lost_after)


def _lost(searched: str, shown: str, lost: LostPath | None) -> list[str]:
    if lost is None:
        return [f"The search {searched} held the whole translation {shown}."]
    head = f"The search {searched} lost the translation {shown} at step {lost.step}, {quote_token(lost.token)}"
    return [f"{head}: {describe_loss(lost)}."]


def _reference(reference: ReferenceComparison | None) -> list[str]:
    if reference is None:
        return []
    sides = (("before", reference.before), ("after", reference.after))
    rows = [_judge(name, side) for name, side in sides]
    header = ("", "BLEU", "chrF", "score of the reference", "leaves the model's own path at step")
    table = format_table([header, *rows], right=frozenset({1, 2, 3, 4}))
    reasons = dict.fromkeys(side.reason for _, side in sides if side.reason)
    return [f"= {show_plainly(reference.text)}", *table, "BLEU and chrF are of this one sentence.", *reasons]


def _judge(name: str, side: AgainstReference) -> tuple[str, str, str, str, str]:
    score = "" if side.forced is None else f"{side.forced.normalized:.4f}"
    leaves = "" if side.forced is None else "never" if side.leaves is None else str(side.leaves)
    return name, f"{side.bleu:.1f}", f"{side.chrf:.1f}", score, leaves
