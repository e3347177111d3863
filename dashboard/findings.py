"""One sentence a stage: what this translation shows there, and whether it deserves a look."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dashboard.links import prune
from dashboard.words import TokenText, count, percent, signed
from exported_models.trace import Fate, Floats, Hypothesis, Trace

CLOSE_CALL = 0.2
"""Two words whose probabilities differ by less deserve a look."""
CLOSE_SCORES = 0.1
"""So do two hypotheses whose normalized scores differ by less (nats)."""
TYPICAL_SHARE = 0.5
"""And a stage where fewer than this share of the words find their own among their neighbors."""
SPREAD_WORDS = 5
"""And attention that needs more words than this for its mass."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The sentence of one stage; ``look`` marks it; None where there is nothing to judge."""

    sentence: str
    look: bool | None


def find_attention(attention: Floats | None, mass: float, overridden: int) -> Finding:
    """Stage 3. ``attention``: [target, source] of the layers and heads shown, or None."""
    if attention is None:
        return Finding("this model has no attention", None)
    if overridden:
        return Finding(f"overridden at {count(overridden, 'step')}", True)
    needed = np.bincount([link.target for link in prune(attention, mass)], minlength=len(attention))
    fewest, most = int(needed.min()), int(needed.max())
    span = str(most) if fewest == most else f"{fewest} to {most}"
    verb = "token carries" if most == 1 else "tokens carry"
    return Finding(f"{span} {verb} {100 * mass:.0f} %", most > SPREAD_WORDS)


def find_prediction(trace: Trace, hypothesis: Hypothesis, words: TokenText) -> Finding:
    """Stage 4: the step where the model hesitated most, or was not followed."""
    top = trace.top_k(hypothesis)
    refused = [t for t, choices in enumerate(top) if choices[0].token_id != hypothesis.token_ids[t]]
    if refused:
        first = refused[0]
        said = f"“{words.show(hypothesis.tokens[first])}” {percent(hypothesis.log_probs[first])} %"
        return Finding(f"{said}, not the model’s first choice", True)
    margins = [_margin([choice.log_prob for choice in choices]) for choices in top]
    step = int(np.argmin(margins))
    pair = ", ".join(f"“{words.show(choice.token)}” {percent(choice.log_prob)}" for choice in top[step][:2])
    return Finding(f"closest call: {pair} %", margins[step] < CLOSE_CALL)


def find_search(trace: Trace, hypothesis: Hypothesis) -> Finding:
    """Stage 5: how far ahead the best hypothesis is, and what was given up on the way."""
    if trace.request.prefix:
        return Finding(
            f"{count(len(trace.request.prefix), 'token')} forced, score {signed(hypothesis.normalized)}", True
        )
    if len(trace.hypotheses) < 2:
        pruned = sum(entry.fate is Fate.PRUNED for step in trace.steps for entry in step.candidates)
        return Finding(f"one hypothesis, {count(pruned, 'candidate')} pruned", False)
    best, second = trace.hypotheses[0].normalized, trace.hypotheses[1].normalized
    return Finding(f"best {signed(best)}, next {signed(second)} a token", best - second < CLOSE_SCORES)


def find_encoder(own: int, words: int) -> Finding:
    """Stage 1: how many source words have the same word as nearest neighbor."""
    return Finding(f"{own} of {words} tokens sit with their own", own < TYPICAL_SHARE * words)


def find_decoder(agreeing: int, steps: int) -> Finding:
    """Stage 2: at how many steps most neighbors go on with the chosen word."""
    return Finding(f"neighbors agree at {agreeing} of {steps} steps", agreeing < steps)


def _margin(log_probs: list[float]) -> float:
    """Difference of the two largest probabilities."""
    return 1.0 if len(log_probs) < 2 else math.exp(log_probs[0]) - math.exp(log_probs[1])
