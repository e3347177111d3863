"""Tokenizers that travel inside an exported model and need neither torch nor transformers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

from exported_models.errors import ArtefactError, RequestError

_PLAIN_SPACE = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2009": " "})


@dataclass(frozen=True, slots=True)
class Encoding:
    """A tokenized text.

    Attributes:
        text: the text the spans point into.
        ids, tokens: one a token; special tokens included where the model reads them.
        spans: ``(start, end)`` character offsets into ``text``; empty (start == end) for special tokens.
        words: index of the word each token belongs to, so that subwords can be shown as words.
    """

    text: str
    ids: tuple[int, ...]
    tokens: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]
    words: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.ids)


class Tokenizer(Protocol):
    """Text to token ids and back, for one side (source or target) of a model."""

    @property
    def tokens(self) -> Sequence[str]:
        """Every token; the index is the id."""

    def encode(self, text: str, *, end: bool) -> Encoding:
        """Tokenize ``text``; ``end`` appends the end-of-sentence token.

        Raises:
            RequestError: the text holds something the vocabulary cannot express.
        """

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ``ids``; special tokens leave no trace in it."""

    def token_id(self, token: str) -> int | None:
        """The id of a token, or None if the vocabulary has no such token."""


@dataclass(frozen=True)
class CharacterTokenizer:
    """Every character is a token. No-break and thin spaces read as a plain space, as people type it."""

    tokens: tuple[str, ...]
    end_id: int
    special_ids: frozenset[int]

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {token: index for index, token in enumerate(self.tokens)}

    def token_id(self, token: str) -> int | None:
        return self._ids.get(token)

    def encode(self, text: str, *, end: bool) -> Encoding:
        characters = text.translate(_PLAIN_SPACE)
        ids = [self._character_id(character, index) for index, character in enumerate(characters)]
        spans = [(index, index + 1) for index in range(len(characters))]
        words = count_words(characters)
        if end:
            ids.append(self.end_id)
            spans.append((len(text), len(text)))
            words.append(words[-1] + 1 if words else 0)
        return Encoding(text, tuple(ids), tuple(self.tokens[i] for i in ids), tuple(spans), tuple(words))

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(self.tokens[index] for index in ids if index not in self.special_ids)

    def _character_id(self, character: str, index: int) -> int:
        token_id = self._ids.get(character)
        if token_id is None or token_id in self.special_ids:
            raise RequestError(
                f"The character {character!r} (U+{ord(character):04X}) at position {index + 1} is not in the model's "
                "vocabulary; remove it or write it another way.",
                field="source",
            )
        return token_id


def load_character_tokenizer(path: Path, end_id: int, special_ids: Sequence[int]) -> CharacterTokenizer:
    """Read a vocabulary file: a JSON list of tokens, the index being the id.

    Raises:
        ArtefactError: the file is missing or is not a list of distinct strings.
    """
    return CharacterTokenizer(load_vocabulary(path), end_id, frozenset(special_ids))


def load_vocabulary(path: Path) -> tuple[str, ...]:
    """Read a JSON list of tokens, the index being the id.

    Raises:
        ArtefactError: the file is missing or is not a list of distinct strings.
    """
    try:
        tokens = json.loads(path.read_text(encoding="utf-8"))
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
