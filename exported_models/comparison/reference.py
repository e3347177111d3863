"""A reference beside both sides of a comparison, as if it were a third translation."""

from __future__ import annotations

from dataclasses import dataclass

from exported_models.comparison.alignment import Column, align, list_tokens, split_words
from exported_models.comparison.sides import Side
from exported_models.contract.errors import RequestError
from exported_models.contract.texts import check_text
from exported_models.engine import Engine, ForcedScore


@dataclass(frozen=True, slots=True)
class AgainstReference:
    """One side against the reference.

    Attributes:
        words: the words of the hypothesis (before) and of the reference (after), aligned.
        columns: tokens of the hypothesis (before) and of the reference (after), aligned; empty without ``forced``.
        bleu, chrf: sentence level, by sacrebleu's defaults for one sentence, from 0 to 100; a corpus' score is no mean
            of them.
        forced: the score of the reference under the side's model and request; None where the vocabulary cannot express
            the reference.
        leaves: the first step at which the reference is not the model's most probable token; None if it never leaves.
        reason: why there is no ``forced``; empty where there is one.
    """

    words: tuple[Column, ...]
    columns: tuple[Column, ...]
    bleu: float
    chrf: float
    forced: ForcedScore | None
    leaves: int | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ReferenceComparison:
    """A reference and both sides against it."""

    text: str
    before: AgainstReference
    after: AgainstReference


def compare_with_reference(engine: Engine, before: Side, after: Side, reference: str) -> ReferenceComparison:
    """Score a reference under both sides, and align it with both.

    Raises:
        RequestError: the reference is empty, too long, or holds a control character.
    """
    check_text(reference, "reference", "reference")
    return ReferenceComparison(reference, *(_judge(engine, side, reference) for side in (before, after)))


def _judge(engine: Engine, side: Side, reference: str) -> AgainstReference:
    """One side against a reference."""
    words = align(split_words(side.hypothesis.text), split_words(reference))
    bleu, chrf = _score_sentence(side.hypothesis.text, reference)
    try:
        forced = engine.score(side.trace.request.as_request(), reference)
    except RequestError as error:
        return AgainstReference(words, (), bleu, chrf, None, None, str(error))
    columns = align(list_tokens(side.hypothesis.tokens), list_tokens(forced.tokens))
    leaves = next((step for step, rank in enumerate(forced.ranks.tolist()) if rank), None)
    return AgainstReference(words, columns, bleu, chrf, forced, leaves)


def _score_sentence(text: str, reference: str) -> tuple[float, float]:
    """BLEU with effective order (Papineni et al. 2002; Post 2018) and chrF (Popović 2015) of one sentence."""
    import sacrebleu  # takes a tenth of a second to import

    return sacrebleu.sentence_bleu(text, [reference]).score, sacrebleu.sentence_chrf(text, [reference]).score
