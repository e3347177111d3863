"""The protocol of tokenizers, and the vocabulary that each of them has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

from exported_models.contract.errors import ArtefactError
from exported_models.contract.json_text import parse_json
from exported_models.contract.tokens import Encoding


class Tokenizer(Protocol):
    """Turns text into token ids and back, for one side (source or target) of a model."""

    @property
    def tokens(self) -> Sequence[str]:
        """Every token; the index is the id."""

    def encode(self, text: str, *, end: bool) -> Encoding:
        """Tokenize ``text``; ``end`` appends the end-of-sentence token.

        Raises:
            RequestError: the vocabulary cannot express the text.
        """

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ``ids`` without special tokens."""

    def token_id(self, token: str) -> int | None:
        """The id of a token, or None if the vocabulary has no such token."""


@dataclass(frozen=True)
class Vocabulary:
    """The tokens of one side of a model, the index being the id. Base of all tokenizers."""

    tokens: tuple[str, ...]
    special_ids: frozenset[int]

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {token: index for index, token in enumerate(self.tokens)}

    def token_id(self, token: str) -> int | None:
        return self._ids.get(token)

    def name_tokens(self, ids: Sequence[int]) -> tuple[str, ...]:
        """The tokens of ``ids``."""
        return tuple(self.tokens[token_id] for token_id in ids)

    def drop_special(self, ids: Sequence[int]) -> list[int]:
        """``ids`` without those of special tokens."""
        return [token_id for token_id in ids if token_id not in self.special_ids]


def load_vocabulary(path: Path) -> tuple[str, ...]:
    """Read a JSON list of tokens, the index being the id.

    Raises:
        ArtefactError: the file is missing, or is not a list of distinct strings.
    """
    try:
        tokens = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtefactError(f"The vocabulary {path} cannot be read ({error}); export the model again.") from error
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise ArtefactError(f"The vocabulary {path} is not a JSON list of strings; export the model again.")
    if len(set(tokens)) != len(tokens):
        raise ArtefactError(f"The vocabulary {path} names a token twice; export the model again.")
    return tuple(tokens)


def count_words(characters: str) -> list[int]:
    """Word index of each character; a space belongs to the word before it."""
    words, current = [], 0
    for index, character in enumerate(characters):
        if index and characters[index - 1] == " " and character != " ":
            current += 1
        words.append(current)
    return words


def append_end(end_id: int, text: str, ids: list[int], spans: list[tuple[int, int]], words: list[int]) -> None:
    """Append the end of sentence to the lists of an encoding, as a word of its own that covers no text."""
    ids.append(end_id)
    spans.append((len(text), len(text)))
    words.append(words[-1] + 1 if words else 0)
