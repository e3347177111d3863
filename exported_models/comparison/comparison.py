"""The comparison of two answered requests, of one model or of two."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from exported_models.comparison.alignment import (
    Change,
    Column,
    Unit,
    align,
    count_changes,
    list_tokens,
    list_words,
    split_words,
)
from exported_models.comparison.attention import AttentionDifference, compare_attention, measure_likeness
from exported_models.comparison.reference import ReferenceComparison
from exported_models.comparison.sides import Side, share_vocabulary
from exported_models.comparison.trees import TreeOverlay, overlay_trees
from exported_models.contract.request import CompletedRequest
from exported_models.contract.trace import TokenChoice


@dataclass(frozen=True, slots=True)
class Split:
    """The first step where two hypotheses part, and both distributions there.

    Attributes:
        step_before, step_after: the step on each side; they differ where the models have different vocabularies.
        before, after: the most probable tokens there, best first; empty where a side has no such step.
        token_before, token_after: the tokens of the hypotheses there; None where a side has no such step.
    """

    step_before: int
    step_after: int
    token_before: str | None
    token_after: str | None
    before: tuple[TokenChoice, ...]
    after: tuple[TokenChoice, ...]


@dataclass(frozen=True, slots=True)
class ScoreParts:
    """The score of a hypothesis and what it is made of.

    Attributes:
        score: summed log-probability, penalized where there is a repetition penalty; forced first tokens cost nothing.
        length: number of tokens, end of sentence included.
        normalized: ``score`` over ``length`` to the power of ``length_penalty``.
        log_probs: natural log-probability of each token.
    """

    score: float
    length: int
    length_penalty: float
    normalized: float
    log_probs: tuple[float, ...]

    @property
    def weighed(self) -> bool:
        """Whether the rules of the search make ``score`` another number than the sum of ``log_probs``."""
        return not math.isclose(self.score, math.fsum(self.log_probs), rel_tol=1e-3, abs_tol=1e-3)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two hypotheses side by side.

    Attributes:
        source: aligned source positions.
        columns: aligned target tokens; where the vocabularies differ, aligned words of the text.
        words: aligned words of both texts, each place counting words.
        split: None where both have the same tokens.
        scores: of both sides, before and after.
        attention: None where a model has no attention.
        trees: None where the models have different vocabularies.
        reference: None where no reference was given.
        not_compared: a sentence for each thing that cannot be compared.
    """

    before: Side
    after: Side
    source: tuple[Column, ...]
    columns: tuple[Column, ...]
    words: tuple[Column, ...]
    split: Split | None
    scores: tuple[ScoreParts, ScoreParts]
    attention: AttentionDifference | None
    trees: TreeOverlay | None
    reference: ReferenceComparison | None
    not_compared: tuple[str, ...]

    @property
    def changed_words(self) -> int:
        """Number of words that were changed, added or dropped."""
        return count_changes(self.words)

    @property
    def changed_share(self) -> float:
        """`changed_words` over the number of aligned words, from 0 to 1."""
        return self.changed_words / len(self.words) if self.words else 0.0

    @property
    def score_change(self) -> float:
        """Normalized score after minus before."""
        return self.scores[1].normalized - self.scores[0].normalized


def compare(before: Side, after: Side, reference: ReferenceComparison | None = None) -> Comparison:
    """Compare two hypotheses.

    Args:
        reference: see `exported_models.comparison.reference.compare_with_reference`.
    """
    source = _align_sources(before, after)
    same_target = share_vocabulary(before.model.target_tokenizer, after.model.target_tokenizer)
    columns = _align_targets(before, after, source, same_target)
    return Comparison(
        before=before,
        after=after,
        source=source,
        columns=columns,
        words=align(split_words(before.hypothesis.text), split_words(after.hypothesis.text)),
        split=_find_split(before, after, columns, same_target),
        scores=(_measure_score(before), _measure_score(after)),
        attention=compare_attention(before, after, columns, source),
        trees=overlay_trees(before.trace, before.hypothesis, after.trace, after.hypothesis) if same_target else None,
        reference=reference,
        not_compared=tuple(_list_not_compared(before, after, same_target)),
    )


def _measure_score(side: Side) -> ScoreParts:
    """The score of a side's hypothesis in parts."""
    shown = side.hypothesis
    penalty = side.trace.request.length_penalty
    return ScoreParts(shown.score, len(shown.tokens), penalty, shown.normalized, shown.log_probs)


def _align_sources(before: Side, after: Side) -> tuple[Column, ...]:
    old, new = before.trace.source, after.trace.source
    if share_vocabulary(before.model.source_tokenizer, after.model.source_tokenizer):
        return align(list_tokens(old.tokens), list_tokens(new.tokens))
    ends = [bool(source.spans) and source.spans[-1][0] == source.spans[-1][1] for source in (old, new)]
    return align(list_words(old.payload, old.spans, ends[0]), list_words(new.payload, new.spans, ends[1]))


def _align_targets(before: Side, after: Side, source: Sequence[Column], same_vocabulary: bool) -> tuple[Column, ...]:
    old, new = (_list_units(side, same_vocabulary) for side in (before, after))
    places = [unit.places for unit in old], [unit.places for unit in new]
    return align(old, new, measure_likeness(before, after, places, source))


def _list_units(side: Side, by_token: bool) -> tuple[Unit, ...]:
    shown = side.hypothesis
    return list_tokens(shown.tokens) if by_token else list_words(shown.text, side.spans, shown.finished)


def _find_split(before: Side, after: Side, columns: Sequence[Column], by_token: bool) -> Split | None:
    if by_token:
        old, new = before.hypothesis.tokens, after.hypothesis.tokens
        pairs = zip(old, new, strict=False)
        shared = next((step for step, (one, other) in enumerate(pairs) if one != other), min(len(old), len(new)))
        return None if old == new else _describe_split(before, after, shared, shared)
    steps = (0, 0)
    for column in columns:
        if column.change is not Change.EQUAL:
            return _describe_split(before, after, *steps)
        steps = column.before[-1] + 1, column.after[-1] + 1
    return None


def _describe_split(before: Side, after: Side, step_before: int, step_after: int) -> Split:
    (old, choices), (new, others) = _look_at(before, step_before), _look_at(after, step_after)
    return Split(step_before, step_after, old, new, choices, others)


def _look_at(side: Side, step: int) -> tuple[str | None, tuple[TokenChoice, ...]]:
    """The token of a hypothesis at a step and the most probable ones; None and nothing after its end."""
    if step >= len(side.hypothesis.tokens):
        return None, ()
    return side.hypothesis.tokens[step], side.trace.top_k(side.hypothesis)[step]


def _list_not_compared(before: Side, after: Side, same_vocabulary: bool) -> Iterator[str]:
    names = f"{before.trace.request.model_id} and {after.trace.request.model_id}"
    if not same_vocabulary:
        yield (
            f"{names} have different target vocabularies: words of the text are aligned, and neither distributions nor "
            "beam trees are compared."
        )
    yield from _list_attention_limits(before, after, names)
    if before.trace.model_hash != after.trace.model_hash:
        yield f"{names} are different models: a higher score of one does not make its translation better."
    elif settings := " and ".join(_list_other_scales(before.trace.request, after.trace.request)):
        yield f"The searches differ in {settings}: a higher score of one does not make its translation better."


def _list_other_scales(before: CompletedRequest, after: CompletedRequest) -> Iterator[str]:
    """Settings that give one translation another score in each search."""
    if before.length_penalty != after.length_penalty:
        yield "length penalty"
    if before.repetition_penalty != after.repetition_penalty:
        yield "repetition penalty"
    elif before.repetition_penalty != 1 and (before.beam_size == 1) != (after.beam_size == 1):
        yield "what the repetition penalty weighs (a beam of 1: logits, a larger one: log-probabilities)"


def _list_attention_limits(before: Side, after: Side, names: str) -> Iterator[str]:
    without = [side.trace.request.model_id for side in (before, after) if not side.model.manifest.has_attention]
    if without:
        yield f"{without[0]} has no attention, so attention is not compared."
        return
    old, new = before.model.manifest, after.model.manifest
    grids = [(one.cross_attention_layers, one.cross_attention_heads) for one in (old, new)]
    if grids[0] != grids[1]:
        yield f"{names} have different layers or heads: the mean of all heads is compared."
