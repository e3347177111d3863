"""Character vocabularies: every character of a text is a token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from exported_models.contract.errors import RequestError
from exported_models.contract.tokens import Encoding
from exported_models.tokenizers.vocabulary import Vocabulary, append_end, count_words, load_vocabulary

_PLAIN_SPACE = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2009": " "})


@dataclass(frozen=True)
class CharacterTokenizer(Vocabulary):
    """Every character is a token; no-break and thin spaces are read as plain spaces."""

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
        ArtefactError: the file is missing, or is not a list of distinct strings.
    """
    return CharacterTokenizer(load_vocabulary(path), frozenset(special_ids), end_id)
