"""The findings of the five stages, one sentence each, and the word to begin with."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dashboard.drawing.links import prune
from dashboard.drawing.words import TokenText, count, percent, signed
from dashboard.state.page_state import Selection, Side
from exported_models.contract.arrays import Floats
from exported_models.contract.source import Source
from exported_models.contract.trace import Fate, Hypothesis, Trace

CLOSE_CALL = 0.2
"""Difference of the probabilities of two words below which the step deserves a look."""
CLOSE_SCORES = 0.1
"""Difference of the normalized scores of two hypotheses, in nats, below which the search deserves a look."""
TYPICAL_SHARE = 0.5
"""Share of words that are among their own neighbors, below which a stage deserves a look."""
SPREAD_WORDS = 5
"""Number of words that carry the mass of attention, above which attention deserves a look."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The sentence of one stage. ``look`` marks a stage that deserves a look; None where there is nothing to judge."""

    sentence: str
    look: bool | None


@dataclass(frozen=True, slots=True)
class Focus:
    """The word whose state is shown. ``reason`` explains a word that nobody chose."""

    index: int
    reason: str = ""


def find_attention(attention: Floats | None, mass: float, overridden: int, ablated: int = 0) -> Finding:
    """Stage 3: the number of source words that carry ``mass`` of the attention, or the changes a person made.

    Args:
        attention: [target, source] as shown, or None.
        mass: share of the attention of each target word, 0 to 1.
        overridden, ablated: numbers of overridden steps and ablated heads.
    """
    if attention is None:
        return Finding("this model has no attention", None)
    if overridden or ablated:
        steps = [f"overridden at {count(overridden, 'step')}"] if overridden else []
        heads = [f"without {count(ablated, 'head')}"] if ablated else []
        return Finding(", ".join([*steps, *heads]), True)
    needed = np.bincount([link.target for link in prune(attention, mass)], minlength=len(attention))
    fewest, most = int(needed.min()), int(needed.max())
    span = str(most) if fewest == most else f"{fewest} to {most}"
    verb = "token carries" if most == 1 else "tokens carry"
    return Finding(f"{span} {verb} {100 * mass:.0f} %", most > SPREAD_WORDS)


def find_prediction(trace: Trace, hypothesis: Hypothesis, words: TokenText) -> Finding:
    """Stage 4: the step with the smallest margin between two words, or one whose word was not the first choice."""
    step, margin = _closest_call(trace, hypothesis)
    if margin < 0:
        said = f"“{words.show(hypothesis.tokens[step])}” {percent(hypothesis.log_probs[step])} %"
        return Finding(f"{said}, not its first choice", True)
    best = trace.top_k(hypothesis)[step][:2]
    pair = ", ".join(f"{_quote(words.show(choice.token))} {percent(choice.log_prob)}" for choice in best)
    return Finding(f"closest call: {pair}", margin < CLOSE_CALL)


def find_search(trace: Trace, hypothesis: Hypothesis) -> Finding:
    """Stage 5: the scores of the two best hypotheses, or the length of a forced prefix."""
    if trace.request.prefix:
        return Finding(
            f"{count(len(trace.request.prefix), 'token')} forced, score {signed(hypothesis.normalized)}", True
        )
    n_best = [one for one in trace.hypotheses if not one.beside]
    if len(n_best) < 2:
        pruned = sum(entry.fate is Fate.PRUNED for step in trace.steps for entry in step.candidates)
        return Finding(f"one hypothesis, {pruned:,} pruned", False)
    best, second = n_best[0].normalized, n_best[1].normalized
    return Finding(f"best {signed(best)}, next {signed(second)} a token", best - second < CLOSE_SCORES)


def find_reading(source: Source) -> Finding | None:
    """Stage 1, before its states: tokens that the model does not know, or did not read; None where it read the text."""
    if source.cut:
        return Finding(f"{source.cut} of {len(source) + source.cut} tokens were cut off", True)
    if source.unknown:
        return Finding(f"{len(source.unknown)} of {len(source)} tokens are unknown to the model", True)
    return None


def find_encoder(own: int, words: int) -> Finding:
    """Stage 1: the number of source words whose nearest neighbors are the same word."""
    return Finding(f"{own} of {words} tokens sit with their own", own < TYPICAL_SHARE * words)


def find_decoder(agreeing: int, steps: int) -> Finding:
    """Stage 2: the number of steps at which most neighbors go on with the chosen word."""
    return Finding(f"neighbors agree at {agreeing} of {steps} steps", agreeing < steps)


def find_focus(side: Side, selection: Selection | None, trace: Trace, hypothesis: Hypothesis) -> Focus:
    """The selected word if it is on this side; else the closest call, or the first source word."""
    if selection is not None and selection.side == side:
        return Focus(selection.index)
    if side == "source":
        return Focus(0, "first word")
    return Focus(_closest_call(trace, hypothesis)[0], "closest call")


def probability_margins(trace: Trace, hypothesis: Hypothesis) -> list[float]:
    """The probability of each target token less that of the best other token; negative where it was not the first."""
    choices = trace.top_k(hypothesis)
    return [
        math.exp(log_prob) - max((c.probability for c in row if c.token_id != token_id), default=0.0)
        for token_id, log_prob, row in zip(hypothesis.token_ids, hypothesis.log_probs, choices, strict=True)
    ]


def _quote(word: str) -> str:
    """The word, in quotation marks unless it has letters only: a figure beside a figure would be misread."""
    return word if word.isalpha() else f"“{word}”"


def _closest_call(trace: Trace, hypothesis: Hypothesis) -> tuple[int, float]:
    """The first step with the smallest margin, and that margin."""
    margins = probability_margins(trace, hypothesis)
    return min(enumerate(margins), key=lambda step: step[1])
