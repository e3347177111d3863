"""Words and spans of subword tokens."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

# Marks of SentencePiece and byte-level BPE at the beginning of a word.
_WORD_STARTS = ("\u2581", "\u0120")

# Scripts without spaces between words, by the first word of a character's Unicode name.
_UNSPACED_SCRIPTS = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN")


def group_words(
    text: str,
    tokens: Sequence[str],
    spans: Sequence[tuple[int, int]],
    apart: Sequence[bool],
    continuing: str = "",
) -> tuple[int, ...]:
    """Index of the word that each token belongs to.

    A word begins:

    - at a token with the tokenizer's mark of a beginning, or, where ``continuing`` marks the others, at a token without
      that mark;
    - in scripts without spaces, at every token that covers new text (the bytes of one character share theirs);
    - at tokens that stand ``apart``, such as the end of sentence.

    A token of white space alone belongs to the word after it.
    """
    words: list[int] = []
    for index, token in enumerate(tokens):
        marked = not token.startswith(continuing) if continuing else token.startswith(_WORD_STARTS)
        begins = marked or (spans[index] != spans[index - 1] and _is_unspaced(text, spans[index], spans[index - 1]))
        starts = apart[index] or apart[index - 1] or (begins and tokens[index - 1] not in _WORD_STARTS)
        words.append(words[-1] + starts if words else 0)
    return tuple(words)


def _is_unspaced(text: str, *spans: tuple[int, int]) -> bool:
    characters = (text[start] for start, end in spans if start < end)
    return any(unicodedata.name(character, "").startswith(_UNSPACED_SCRIPTS) for character in characters)


def trim_span(text: str, start: int, end: int) -> tuple[int, int]:
    """The span without the white space around it, unless it holds nothing else."""
    kept = text[start:end].lstrip()
    return (end - len(kept), end) if kept else (start, end)
