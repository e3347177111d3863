"""One side of a comparison: a hypothesis of a trace, with the places of its tokens in its text."""

from __future__ import annotations

from dataclasses import dataclass

from exported_models.contract.trace import Hypothesis, Trace
from exported_models.runtime.model import ExportedModel
from exported_models.tokenizers.spans import find_spans
from exported_models.tokenizers.vocabulary import Tokenizer


@dataclass(frozen=True, slots=True)
class Side:
    """A hypothesis in view.

    Attributes:
        model: the model that answered.
        spans: ``(start, end)`` characters of ``hypothesis.text`` that each target token stands for; empty for special
            tokens.
    """

    model: ExportedModel
    trace: Trace
    hypothesis: Hypothesis
    spans: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, model: ExportedModel, trace: Trace, rank: int = 0) -> Side:
        """The hypothesis of that rank in a trace."""
        chosen = trace.hypotheses[rank]
        return cls(model, trace, chosen, find_spans(model.target_tokenizer, chosen.token_ids, chosen.text))


def share_vocabulary(one: Tokenizer, other: Tokenizer) -> bool:
    """Whether two tokenizers have equal tokens in equal order."""
    return one is other or tuple(one.tokens) == tuple(other.tokens)
