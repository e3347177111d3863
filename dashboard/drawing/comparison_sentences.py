"""The differences of two answers in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dashboard.drawing.comparison_picture import ComparedColumn, ComparisonPicture
from dashboard.drawing.findings import Finding
from dashboard.drawing.split_table import name_split
from dashboard.drawing.words import TokenText, count, signed
from exported_models.comparison.alignment import Change, split_words
from exported_models.comparison.attention import MOVED, AttentionDifference
from exported_models.comparison.comparison import Comparison, Split
from exported_models.comparison.reference import AgainstReference, ReferenceComparison
from exported_models.comparison.trees import LostPath, TreeOverlay
from exported_models.contract.trace import PrunedBy
from exported_models.wording import PRUNED

_PUNCTUATION = ".,;:!?"
MOST_NAMED = 4
"""Changes that a sentence names; the others are counted."""
_NOT_BY_SCORE = frozenset(PrunedBy) - {PrunedBy.BEAM, PrunedBy.PREFIX, PrunedBy.END_RANK}
"""Reasons that say more than the rank of what was pruned."""


def say_sources(picture: ComparisonPicture) -> str:
    """The source words that differ; empty where none does."""
    changed = [column for column in picture.sources if column.change is not Change.EQUAL]
    return f"Source: {_say_columns(changed)}." if changed else ""


def say_words(found: Comparison) -> str:
    """The words of the text that differ."""
    old, new = ([unit.text for unit in split_words(side.hypothesis.text)] for side in (found.before, found.after))
    changes = [
        _say_change([old[place] for place in column.before], [new[place] for place in column.after])
        for column in found.words
        if column.change is not Change.EQUAL
    ]
    if not changes:
        return "Both give the same words."
    return f"{found.changed_words} of {count(len(found.words), 'word')} differ: {_list(changes)}."


def say_attention(picture: ComparisonPicture, attention: AttentionDifference | None) -> str:
    """The attention that moved most, mean of all heads; empty without attention."""
    if attention is None:
        return ""
    moves = attention.list_moves()
    if not moves:
        return f"Attention moved nowhere by {100 * MOVED:.0f} % or more."
    first = moves[0]
    target, source = picture.targets[first.target].name, picture.sources[first.source].name
    steps = count(len({move.target for move in moves}), "step")
    shares = f"{100 * first.before:.0f} to {100 * first.after:.0f} %"
    return f"Attention moved at {steps}, most from “{target}” to “{source}”: {shares}, mean of all heads."


def say_lost(trees: TreeOverlay | None, before: TokenText, after: TokenText) -> Iterator[str]:
    """The step at which each search lost the hypothesis of the other."""
    if trees is None:
        return
    for lost, owner, other, text in (
        (trees.lost_before, "pivot", "compare", before),
        (trees.lost_after, "compare", "pivot", after),
    ):
        if lost is not None:
            place = f"the translation of {owner} at step {lost.step + 1}"
            yield f"The search of {other} lost {place}: {_say_loss(lost, text)}."


def say_reference(found: ReferenceComparison | None) -> Iterator[str]:
    """Both sides against the reference."""
    if found is None:
        return
    yield f"Reference: {found.text}"
    for name, side in (("Pivot", found.before), ("Compare", found.after)):
        metrics = f"BLEU {side.bleu:.0f} and chrF {side.chrf:.0f} of this sentence"
        yield f"{name} against the reference: {metrics}; {_say_forced(side)}."


def find_changes(
    picture: ComparisonPicture, before: TokenText, after: TokenText
) -> tuple[Finding, Finding, Finding, Finding]:
    """The sentences of stages 1, 3, 4 and 5."""
    found = picture.found
    changed = sum(column.change is not Change.EQUAL for column in picture.sources)
    return (
        Finding(f"{count(changed, 'source token')} changed" if changed else "same source", bool(changed)),
        _find_attention(found),
        _find_prediction(found.split, before, after),
        _find_search(found),
    )


def _find_attention(found: Comparison) -> Finding:
    if found.attention is None:
        return Finding("attention is not compared", None)
    moved = len({move.target for move in found.attention.list_moves()})
    return Finding(f"moved at {moved} of {count(len(found.columns), 'step')}", moved > 0)


def _find_prediction(split: Split | None, before: TokenText, after: TokenText) -> Finding:
    if split is None:
        return Finding("both choose the same tokens", False)
    chosen = ((before, split.token_before), (after, split.token_after))
    words = ["the end" if token is None else text.show(token) for text, token in chosen]
    return Finding(f"{name_split(split)}: {', '.join(words)}", True)


def _find_search(found: Comparison) -> Finding:
    before, after = (side.normalized for side in found.scores)
    return Finding(f"{signed(before)} and {signed(after)} a token", None)


def _say_columns(columns: Sequence[ComparedColumn]) -> str:
    return _list([_say_change(*([word.text] if word else [] for word in (one.before, one.after))) for one in columns])


def _say_change(before: Sequence[str], after: Sequence[str]) -> str:
    old, new = _bare(" ".join(before)), _bare(" ".join(after))
    if old and new:
        return f"“{old}” became “{new}”" if old != new else f"“{' '.join(before)}” became “{' '.join(after)}”"
    return f"“{old}” was dropped" if old else f"“{new}” was added"


def _bare(text: str) -> str:
    """A word without the punctuation that it carries, unless that is all there is."""
    return text.strip(_PUNCTUATION) or text


def _list(changes: Sequence[str]) -> str:
    more = len(changes) - MOST_NAMED
    return ", ".join([*changes[:MOST_NAMED], *([f"and {more} more"] if more > 0 else [])])


def say_loss_of_beam(lost: LostPath | None, text: TokenText) -> str:
    """Where and why the beam lost a path that goes on beside it; empty where it held the whole path."""
    return "" if lost is None else f"The beam lost it at step {lost.step + 1}: {_say_loss(lost, text)}."


def _say_loss(lost: LostPath, text: TokenText) -> str:
    word = f"“{text.show(lost.token)}”"
    if lost.rank is None:
        return f"{word} was not among its candidates"
    if lost.pruned_by is PrunedBy.PREFIX:
        return f"its forced prefix demands another word than {word}"
    if lost.pruned_by in _NOT_BY_SCORE:
        return f"{word} was pruned: {PRUNED[lost.pruned_by]}"
    ranked = f"{word} ranked {lost.rank + 1}"
    if lost.behind is None:
        return ranked
    place = "behind" if lost.behind >= 0 else "ahead of"
    return f"{ranked}, {abs(lost.behind):.2f} {place} the last that was kept"


def _say_forced(side: AgainstReference) -> str:
    if side.forced is None:
        return side.reason.rstrip(".")
    left = "its own path throughout" if side.leaves is None else f"it leaves the model's path at step {side.leaves + 1}"
    return f"its forced score is {signed(side.forced.normalized)} a token, {left}"
