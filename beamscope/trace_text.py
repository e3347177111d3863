"""A trace as text: the translation, the n-best list, and for each step the top k and the attended source token."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from beamscope.text_tables import format_table, quote_token, show_plainly
from exported_models.comparison.trees import LostPath, find_lost
from exported_models.contract.arrays import Floats
from exported_models.contract.trace import Stop, TokenChoice, Trace
from exported_models.wording import PRUNED, describe_remarks

_NUMBERS = frozenset({0, 2})
_N_BEST_NUMBERS = frozenset({0, 2, 3, 4})
_SMALLEST_WRITTEN_OUT = 1e-4


def describe_trace(trace: Trace) -> str:
    """The trace as text, without a line break at the end."""
    parts = [[show_plainly(trace.best.text)], *_reading(trace), _n_best(trace), _steps(trace)]
    if trace.stop is Stop.MAX_LENGTH:
        parts.append(["The search ended at the longest allowed target; --max-length raises it."])
    return "\n\n".join("\n".join(lines) for lines in parts)


def _reading(trace: Trace) -> list[list[str]]:
    """Differences between the text and what the encoder read; empty where there are none."""
    source, request = trace.source, trace.request
    lines = []
    if request.source_language or request.target_language:
        read, written = (code or "any language" for code in (request.source_language, request.target_language))
        lines.append(f"From {read} to {written}.")
    if source.unknown:
        pieces = ", ".join(quote_token(source.payload[slice(*source.spans[place])]) for place in source.unknown)
        lines.append(f"The model does not know {len(source.unknown)} of the {len(source)} source tokens: {pieces}.")
    if source.cut:
        lines.append(f"The source has {len(source) + source.cut} tokens; the model read {len(source)} of them.")
    return [lines] if lines else []


def _n_best(trace: Trace) -> list[str]:
    header = ("", "n-best", "score", "log-probability", "probability")
    rows = [
        (
            str(rank),
            show_plainly(hypothesis.text) + describe_remarks(hypothesis),
            f"{hypothesis.normalized:.4f}",
            f"{sum(hypothesis.log_probs):.4f}",
            _describe_probability(sum(hypothesis.log_probs)),
        )
        for rank, hypothesis in enumerate(trace.hypotheses, start=1)
    ]
    return [*format_table([header, *rows], right=_N_BEST_NUMBERS), *_list_losses(trace)]


def _list_losses(trace: Trace) -> Iterator[str]:
    """A sentence for each kept path that the beam lost."""
    for rank, hypothesis in enumerate(trace.hypotheses, start=1):
        lost = find_lost(trace, hypothesis) if hypothesis.beside else None
        if lost is not None:
            yield f"The beam lost {rank} at step {lost.step}, {quote_token(lost.token)}: {describe_loss(lost)}."


def describe_loss(lost: LostPath) -> str:
    """The reason for which a beam lost a path."""
    if lost.rank is None:
        return "it was not among the candidates"
    reason = "" if lost.pruned_by is None else f", pruned because {PRUNED[lost.pruned_by]}"
    behind = "" if lost.behind is None else f", {lost.behind:.4f} behind the last that was kept"
    return f"candidate {lost.rank}{reason}{behind}"


def _steps(trace: Trace) -> list[str]:
    best = trace.best
    attention = trace.attention(best)
    attended = [()] * len(best.tokens) if attention is None else _describe_attention(trace, attention)
    columns = ("step", "token", "probability", *(() if attention is None else ("attends to",)))
    rows = [
        (str(step), quote_token(token), _describe_probability(log_prob), *sources, _describe_choices(choices))
        for step, (token, log_prob, sources, choices) in enumerate(
            zip(best.tokens, best.log_probs, attended, trace.top_k(best), strict=True)
        )
    ]
    table = format_table([(*columns, f"top {trace.request.top_k}"), *rows], right=_NUMBERS)
    return [*table, "", f"The model {trace.request.model_id} has no attention."] if attention is None else table


def _describe_attention(trace: Trace, attention: Floats) -> list[tuple[str, ...]]:
    """For each step the source token with the largest weight, averaged over layers and heads, and that weight."""
    described: list[tuple[str, ...]] = []
    for step, weights in enumerate(attention.mean(axis=(1, 2))):
        position = int(weights.argmax())
        overridden = " (overridden)" if trace.steps[step].overridden else ""
        token = quote_token(trace.source.tokens[position])
        described.append((f"{token} ({position}) {weights[position]:.2f}{overridden}",))
    return described


def _describe_choices(choices: Sequence[TokenChoice]) -> str:
    return "  ".join(f"{quote_token(choice.token)} {choice.probability:.3f}" for choice in choices)


def _describe_probability(log_prob: float) -> str:
    probability = math.exp(log_prob)
    return f"{probability:.4f}" if probability >= _SMALLEST_WRITTEN_OUT else f"{probability:.0e}"
