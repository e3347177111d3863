"""Token sequences, with the part of the text that each token stands for."""

from __future__ import annotations

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
