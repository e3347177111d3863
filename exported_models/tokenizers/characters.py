"""Tokenizers that travel inside an exported model and need neither torch nor transformers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

from exported_models.contract.errors import ArtefactError, RequestError

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
class Vocabulary:
    """The tokens of one side of a model, the index being the id; the base of every tokenizer."""

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
        """The ids that stand for text."""
        return [token_id for token_id in ids if token_id not in self.special_ids]


@dataclass(frozen=True)
class CharacterTokenizer(Vocabulary):
    """Every character is a token. No-break and thin spaces read as a plain space, as people type it."""

    end_id: int

    def encode(self, text: str, *, end: bool) -> Encoding:
        characters = text.translate(_PLAIN_SPACE)
        ids = [self._character_id(character, index) for index, character in enumerate(characters)]
        spans = [(index, index + 1) for index in range(len(characters))]
        words = count_words(characters)
        if end:
            append_end(self.end_id, text, ids, spans, words)
        return Encoding(text, tuple(ids), self.name_tokens(ids), tuple(spans), tuple(words))

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(self.name_tokens(self.drop_special(ids)))

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
    return CharacterTokenizer(load_vocabulary(path), frozenset(special_ids), end_id)


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


def append_end(end_id: int, text: str, ids: list[int], spans: list[tuple[int, int]], words: list[int]) -> None:
    """Add the end of the sentence to the lists of an encoding: a word of its own that covers no text."""
    ids.append(end_id)
    spans.append((len(text), len(text)))
    words.append(words[-1] + 1 if words else 0)
