"""The rule for texts that a model may be asked to read, in a request or as a line of a corpus."""

from __future__ import annotations

import unicodedata

from exported_models.contract.errors import RequestError
from exported_models.contract.request import MAX_SOURCE_CHARACTERS

_UNREADABLE_CATEGORIES = ("Cc", "Cs")
_SENTENCE_TOKENS = 1024
"""Most source tokens of a model whose sources have at most `MAX_SOURCE_CHARACTERS` characters."""
_CHARACTERS_OF_A_TOKEN = 8


def longest_source(max_tokens: int) -> int:
    """Most characters of a source of a model that reads ``max_tokens`` tokens; a model of documents reads more."""
    return MAX_SOURCE_CHARACTERS if max_tokens <= _SENTENCE_TOKENS else _CHARACTERS_OF_A_TOKEN * max_tokens


def check_text(text: str, what: str, field: str, longest: int = MAX_SOURCE_CHARACTERS) -> None:
    """Refuse a text that no request may have.

    Args:
        what: the text's name in messages, for example ``source text``.
        field: the field of a request that the error names.
        longest: most characters.

    Raises:
        RequestError: the text is empty, has over ``longest`` characters, or holds a control character.
    """
    if not text.strip():
        raise RequestError(f"The {what} is empty; type at least one character.", field=field)
    if len(text) > longest:
        raise RequestError(
            f"The {what} has {len(text):,} characters; at most {longest:,} are read at once.",
            field=field,
        )
    for index, character in enumerate(text):
        if unicodedata.category(character) in _UNREADABLE_CATEGORIES:
            raise RequestError(
                f"The {what} holds the control character U+{ord(character):04X} at position {index + 1}; remove it.",
                field=field,
            )
