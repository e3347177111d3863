"""Many what-ifs of one translation, ranked by how much each changes the output."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from exported_models.comparison.alignment import align, count_changes, split_words
from exported_models.contract.errors import RequestError
from exported_models.contract.request import Request
from exported_models.contract.trace import Hypothesis, Trace
from exported_models.contract.wishes import Choose, Wish
from exported_models.edits import apply
from exported_models.engine import Engine, Translation
from exported_models.wording import AS_IS, PairWriter


@dataclass(frozen=True, slots=True)
class Trial:
    """One what-if and its effect.

    Attributes:
        words: the change as a short phrase.
        request: the changed request; None where the wish cannot be granted.
        translation: the best hypothesis after the change; None where there is none.
        changed_words: number of words that differ from the hypothesis before, added and dropped ones included.
        changed_share: ``changed_words`` over the number of aligned words, from 0 to 1.
        score_change: normalized score after minus before.
        reason: the sentence that refuses the what-if; empty where it was answered.
    """

    wish: Wish
    words: str
    request: Request | None
    translation: Translation | None
    changed_words: int = 0
    changed_share: float = 0.0
    score_change: float = 0.0
    reason: str = ""


def try_wishes(
    engine: Engine,
    trace: Trace,
    hypothesis: Hypothesis,
    wishes: Sequence[Wish],
    text: PairWriter = AS_IS,
    report: Callable[[int], object] = lambda _: None,
) -> list[Trial]:
    """Grant each wish on its own, in the order given.

    Args:
        hypothesis: the one that wishes speak of, and with which their outputs are compared.
        text: writes tokens in `Trial.words`.
        report: called with the number of wishes that were granted since its last call.

    Raises:
        UnwantedError: the call was cancelled.
    """
    target = engine.target_text(trace.request.model_id)
    trials: dict[int, Trial] = {}
    changed: dict[int, tuple[str, Request]] = {}
    for place, wish in enumerate(wishes):
        try:
            edit = apply(wish, trace, hypothesis, text, target)
            changed[place] = edit.words, edit.request
        except RequestError as error:
            trials[place] = Trial(wish, "", None, None, reason=str(error))
            report(1)
    found = engine.translate_all([request for _, request in changed.values()], report)
    measure = cache(lambda after: _measure(hypothesis.text, after))
    for (place, (words, request)), translations in zip(changed.items(), found, strict=True):
        if isinstance(translations, RequestError):
            trials[place] = Trial(wishes[place], words, request, None, reason=str(translations))
        else:
            best = translations[0]
            change = best.normalized - hypothesis.normalized
            trials[place] = Trial(wishes[place], words, request, best, *measure(best.text), change)
    return [trials[place] for place in range(len(wishes))]


def rank_trials(trials: Iterable[Trial]) -> list[Trial]:
    """Trials that change the largest share of words first, then those that change the score most; refused ones last."""
    return sorted(
        trials, key=lambda trial: (bool(trial.reason), -trial.changed_share, -abs(trial.score_change), trial.words)
    )


def measure_steps(trials: Iterable[Trial], steps: int) -> list[float | None]:
    """For each step, the mean share of the output that another word there changes; None where none was tried."""
    shares: list[list[float]] = [[] for _ in range(steps)]
    for trial in trials:
        if isinstance(trial.wish, Choose) and not trial.reason:
            shares[trial.wish.step].append(trial.changed_share)
    return [sum(found) / len(found) if found else None for found in shares]


def _measure(before: str, after: str) -> tuple[int, float]:
    """Changed words, and their share of all aligned words."""
    columns = align(split_words(before), split_words(after))
    changes = count_changes(columns)
    return changes, changes / len(columns) if columns else 0.0
