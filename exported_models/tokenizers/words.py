"""Word vocabularies: tokens stand between spaces, as in corpora of OpenNMT and other toolkits of its time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from exported_models.contract.errors import RequestError, shorten
from exported_models.contract.manifest import WordTokenizerSpec
from exported_models.contract.tokens import Encoding
from exported_models.tokenizers.vocabulary import Vocabulary, load_vocabulary

_WORD = re.compile(r"\S+")
_WORD_START = "\u2581"
"""SentencePiece's mark at the beginning of a word."""
_JOINED_TO_NEXT = ("@@", "\uffed")
"""Marks of subword-nmt and of OpenNMT's Tokenizer at the end of a token that the next one continues."""
_JOINED_TO_LAST = "\uffed"


@dataclass(frozen=True)
class WordTokenizer(Vocabulary):
    """Tokens stand between spaces; subwords of a text that was cut before keep their marks."""

    spec: WordTokenizerSpec

    def encode(self, text: str, *, end: bool) -> Encoding:
        found = list(_WORD.finditer(text))
        after = self.spec.after if end else ()
        ids = (*(self._word_id(match.group(), index) for index, match in enumerate(found)), *after)
        spans = (*(match.span() for match in found), *((len(text), len(text)),) * len(after))
        words = self._group([match.group() for match in found])
        last = words[-1] if words else -1
        return Encoding(text, ids, self.name_tokens(ids), spans, (*words, *(last + 1 + n for n in range(len(after)))))

    def decode(self, ids: Sequence[int]) -> str:
        return " ".join(self.name_tokens(self.drop_special(ids)))

    def _word_id(self, word: str, index: int) -> int:
        token_id = self.token_id(word)
        if token_id is not None and token_id not in self.special_ids:
            return token_id
        if self.spec.unknown_id is None:
            raise RequestError(
                f"The token {shorten(word)!r}, number {index + 1} of the text, is not in the model's vocabulary; "
                f"tokens stand between spaces, for instance {self._examples}.",
                field="source",
            )
        return self.spec.unknown_id

    def _group(self, words: Sequence[str]) -> list[int]:
        numbers: list[int] = []
        for index, word in enumerate(words):
            joined = word.startswith(_JOINED_TO_LAST) or (index > 0 and words[index - 1].endswith(_JOINED_TO_NEXT))
            joined = joined or (self._marks_starts and not word.startswith(_WORD_START))
            numbers.append(numbers[-1] + (not joined) if numbers else 0)
        return numbers

    @cached_property
    def _marks_starts(self) -> bool:
        return any(token.startswith(_WORD_START) for token in self.tokens)

    @cached_property
    def _examples(self) -> str:
        ordinary = (token for index, token in enumerate(self.tokens) if index not in self.special_ids)
        return " ".join(token for token, _ in zip(ordinary, range(3), strict=False))


def load_word_tokenizer(folder: Path, spec: WordTokenizerSpec, special_ids: Sequence[int]) -> WordTokenizer:
    """Read the vocabulary that a manifest names.

    Raises:
        ArtefactError: the file is missing, or is not a list of distinct strings.
    """
    return WordTokenizer(load_vocabulary(folder / spec.file), frozenset(special_ids), spec)
