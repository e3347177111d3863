"""A target that was scored as it stands: the first step at which the model would have gone another way."""

from __future__ import annotations

from dashboard.drawing.words import TokenText, percent
from exported_models.contract.trace import Hypothesis, Trace


def say_departure(trace: Trace, hypothesis: Hypothesis, text: TokenText) -> str:
    """The step where a target that is forced to its end leaves the model's first choices; empty for other targets."""
    if trace.request.prefix != hypothesis.tokens:
        return ""
    for step, choices in enumerate(trace.top_k(hypothesis)):
        own, forced = choices[0], hypothesis.token_ids[step]
        if forced != own.token_id:
            ranks = [choice.token_id for choice in choices]
            rank = f"rank {ranks.index(forced) + 1}" if forced in ranks else f"not among the first {len(ranks)}"
            word, share = text.show(hypothesis.tokens[step]), percent(hypothesis.log_probs[step])
            instead = f"the model's own choice is “{text.show(own.token)}”, {percent(own.log_prob)} %"
            return (
                f"The scored target leaves the model's path at step {step + 1}: “{word}”, {share} %, {rank}; {instead}."
            )
    return "Every token of the scored target is the model's first choice."
