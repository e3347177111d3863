"""Words of a corpus and how often it has them, counted in the sentence pairs of a store."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

from exported_models.contract.manifest import Owner
from exported_models.contract.whole_words import trim_punctuation
from state_store.pairs import PairTable
from state_store.spaces import sample_rows

MAX_COUNTED_PAIRS: Final = 20_000
"""Most pairs that are read; of a larger corpus, evenly spread ones."""
_LONGEST_WORD: Final = 40
"""Characters; what is longer is text in a script without spaces, or noise."""


@dataclass(frozen=True, slots=True)
class WordCounts:
    """Words of one side, without punctuation at their ends.

    Attributes:
        counts: word -> times that the pairs which were read have it.
        pairs: number of pairs that were read.
    """

    counts: Counter[str]
    pairs: int


def count_words(pairs: PairTable, side: Owner) -> WordCounts:
    """Count the words of one side of a corpus, as white space separates them.

    Raises:
        StoreError: a pair is damaged.
    """
    sentences = sample_rows(len(pairs), MAX_COUNTED_PAIRS) if len(pairs) else ()
    spelled: Counter[str] = Counter()
    for sentence in sentences:
        pair = pairs[int(sentence)]
        spelled.update((pair.source if side == "source" else pair.target).split())
    counts: Counter[str] = Counter()
    for word, count in spelled.items():
        core = word[slice(*trim_punctuation(word, (0, len(word))))]
        if len(core) <= _LONGEST_WORD:
            counts[core] += count
    return WordCounts(counts, len(sentences))
