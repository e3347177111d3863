"""UTF-8 bytes as tokens (ByT5, Xue et al. 2022): every text can be expressed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from exported_models.contract.manifest import ByteTokenizerSpec
from exported_models.contract.tokens import Encoding
from exported_models.tokenizers.vocabulary import Vocabulary, append_end, count_words


@dataclass(frozen=True)
class ByteTokenizer(Vocabulary):
    """Tokens are bytes; the id of a byte is its value plus the number of special tokens."""

    spec: ByteTokenizerSpec

    def encode(self, text: str, *, end: bool) -> Encoding:
        ids: list[int] = []
        spans: list[tuple[int, int]] = []
        words: list[int] = []
        for index, (character, word) in enumerate(zip(text, count_words(text), strict=True)):
            content = character.encode("utf-8", errors="replace")
            ids += [byte + self.spec.first_byte_id for byte in content]
            spans += [(index, index + 1)] * len(content)
            words += [word] * len(content)
        if end:
            append_end(self.spec.end_id, text, ids, spans, words)
        return Encoding(text, tuple(ids), self.name_tokens(ids), tuple(spans), tuple(words))

    def decode(self, ids: Sequence[int]) -> str:
        values = (token_id - self.spec.first_byte_id for token_id in self.drop_special(ids))
        return bytes(value for value in values if 0 <= value < 256).decode("utf-8", errors="ignore")


def make_byte_tokenizer(spec: ByteTokenizerSpec, special_ids: Sequence[int]) -> ByteTokenizer:
    """The tokenizer that a manifest describes; there is no file to open."""
    unused = (f"<unused {token_id}>" for token_id in range(spec.first_byte_id + 256, spec.vocabulary_size))
    tokens = (*spec.special_tokens, *map(_show_byte, range(256)), *unused)
    return ByteTokenizer(tokens, frozenset(special_ids), spec)


def _show_byte(value: int) -> str:
    """Name of a byte: a printable ASCII character itself, any other byte its number."""
    return chr(value) if 0x20 <= value < 0x7F else f"<0x{value:02X}>"
