"""One side of a comparison: a hypothesis of a trace, with the places of its tokens in its text."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from exported_models.contract.trace import Hypothesis, Trace
from exported_models.runtime.model import ExportedModel
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
        """The hypothesis of that rank in the n-best list of a trace."""
        chosen = trace.hypotheses[rank]
        return cls(model, trace, chosen, find_spans(model.target_tokenizer, chosen.token_ids, chosen.text))


def find_spans(tokenizer: Tokenizer, ids: Sequence[int], text: str) -> tuple[tuple[int, int], ...]:
    """The characters of ``text`` that each token adds; ``text`` is what the tokenizer decodes ``ids`` to."""
    places = [0]
    for count in range(1, len(ids) + 1):
        shared = len(os.path.commonprefix([tokenizer.decode(ids[:count]), text]))
        places.append(max(places[-1], shared))
    return tuple(zip(places[:-1], places[1:], strict=True))


def share_vocabulary(one: Tokenizer, other: Tokenizer) -> bool:
    """Whether two tokenizers have equal tokens in equal order."""
    return one is other or tuple(one.tokens) == tuple(other.tokens)
