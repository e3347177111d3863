"""Token sequences, with the part of the text that each token stands for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Encoding:
    """A tokenized text.

    Attributes:
        text: the text that the spans point into.
        ids, tokens: one per token; special tokens included where the model reads them.
        spans: ``(start, end)`` character offsets into ``text``; empty (start == end) for special tokens.
        words: index of the word that each token belongs to, so that subwords can be shown as words.
    """

    text: str
    ids: tuple[int, ...]
    tokens: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]
    words: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.ids)

    def keep(self, places: Sequence[int]) -> Encoding:
        """The encoding with the tokens at these places alone; spans still point into the whole text."""
        return Encoding(
            self.text,
            tuple(self.ids[place] for place in places),
            tuple(self.tokens[place] for place in places),
            tuple(self.spans[place] for place in places),
            tuple(self.words[place] for place in places),
        )
