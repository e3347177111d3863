"""A trace as text: the translation, the n-best list, and for each step the top k and what was attended to."""

from __future__ import annotations

import math
from collections.abc import Sequence

from beamscope.text_tables import format_table, quote_token, show_plainly
from exported_models.trace import Floats, Stop, TokenChoice, Trace

_NUMBERS = frozenset({0, 2})
_N_BEST_NUMBERS = frozenset({0, 2, 3, 4})
_SMALLEST_WRITTEN_OUT = 1e-4


def describe_trace(trace: Trace) -> str:
    """The whole text, without a line break at its end."""
    parts = [[show_plainly(trace.best.text)], _n_best(trace), _steps(trace)]
    if trace.stop is Stop.MAX_LENGTH:
        parts.append(["The search ended at the longest allowed target; --max-length raises it."])
    return "\n\n".join("\n".join(lines) for lines in parts)


def _n_best(trace: Trace) -> list[str]:
    header = ("", "n-best", "score", "log-probability", "probability")
    rows = [
        (
            str(rank),
            show_plainly(hypothesis.text) + ("" if hypothesis.finished else " (unfinished)"),
            f"{hypothesis.normalized:.4f}",
            f"{hypothesis.score:.4f}",
            _describe_probability(hypothesis.score),
        )
        for rank, hypothesis in enumerate(trace.hypotheses, start=1)
    ]
    return format_table([header, *rows], right=_N_BEST_NUMBERS)


def _steps(trace: Trace) -> list[str]:
    best = trace.best
    attended = _attended_positions(trace.attention(best), len(best.tokens))
    header = ("step", "token", "probability", "attends to", f"top {trace.request.top_k}")
    rows = [
        (
            str(step),
            quote_token(token),
            _describe_probability(log_prob),
            _describe_source(trace, *position) + (" (overridden)" if trace.steps[step].overridden else ""),
            _describe_choices(choices),
        )
        for step, (token, log_prob, position, choices) in enumerate(
            zip(best.tokens, best.log_probs, attended, trace.top_k(best), strict=True)
        )
    ]
    return format_table([header, *rows], right=_NUMBERS)


def _attended_positions(attention: Floats | None, steps: int) -> list[tuple[int, float]]:
    """For each step the source position with most weight, averaged over layers and heads, and that weight."""
    if attention is None:
        return [(-1, 0.0)] * steps
    mean = attention.mean(axis=(1, 2))
    return [(int(row.argmax()), float(row.max())) for row in mean]


def _describe_source(trace: Trace, position: int, weight: float) -> str:
    if position < 0:
        return "-"
    return f"{quote_token(trace.source.tokens[position])} ({position}) {weight:.2f}"


def _describe_choices(choices: Sequence[TokenChoice]) -> str:
    return "  ".join(f"{quote_token(choice.token)} {math.exp(choice.log_prob):.3f}" for choice in choices)


def _describe_probability(log_prob: float) -> str:
    probability = math.exp(log_prob)
    return f"{probability:.4f}" if probability >= _SMALLEST_WRITTEN_OUT else f"{probability:.0e}"
