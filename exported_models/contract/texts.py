"""The rule for texts that a model may be asked to read, in a request or as a line of a corpus."""

from __future__ import annotations

import unicodedata

from exported_models.contract.errors import RequestError
from exported_models.contract.request import MAX_SOURCE_CHARACTERS

_UNREADABLE_CATEGORIES = ("Cc", "Cs")


def check_text(text: str, what: str, field: str) -> None:
    """Refuse a text that no request may have.

    Args:
        what: the text's name in messages, for example ``source text``.
        field: the field of a request that the error names.

    Raises:
        RequestError: the text is empty, has over `MAX_SOURCE_CHARACTERS` characters, or holds a control character.
    """
    if not text.strip():
        raise RequestError(f"The {what} is empty; type at least one character.", field=field)
    if len(text) > MAX_SOURCE_CHARACTERS:
        raise RequestError(
            f"The {what} has {len(text):,} characters; at most {MAX_SOURCE_CHARACTERS:,} are read at once.",
            field=field,
        )
    for index, character in enumerate(text):
        if unicodedata.category(character) in _UNREADABLE_CATEGORIES:
            raise RequestError(
                f"The {what} holds the control character U+{ord(character):04X} at position {index + 1}; remove it.",
                field=field,
            )
