"""Places of tokens in the text that they decode to."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, takewhile

from exported_models.tokenizers.vocabulary import Tokenizer


def find_spans(tokenizer: Tokenizer, ids: Sequence[int], text: str) -> tuple[tuple[int, int], ...]:
    """The characters of ``text`` that each token adds; ``text`` is what the tokenizer decodes ``ids`` to."""
    places = [0]
    for count in range(1, len(ids) + 1):
        places.append(max(places[-1], _count_shared(tokenizer.decode(ids[:count]), text)))
    return tuple(pairwise(places))


def _count_shared(one: str, other: str) -> int:
    """Characters that two texts begin with alike."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
