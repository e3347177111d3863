"""UTF-8 bytes as tokens (ByT5, Xue et al. 2022): there is no vocabulary to lack anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from exported_models.manifest import ByteTokenizerSpec
from exported_models.tokenizer import Encoding, count_words


@dataclass(frozen=True)
class ByteTokenizer:
    """The id of a byte is its value plus the number of special tokens before the first."""

    spec: ByteTokenizerSpec
    special_ids: frozenset[int]

    @cached_property
    def tokens(self) -> tuple[str, ...]:
        first, size = self.spec.first_byte_id, self.spec.vocabulary_size
        special = tuple(self.spec.special_tokens)
        unused = tuple(f"<unused {token_id}>" for token_id in range(first + 256, size))
        return (*special, *map(_show_byte, range(256)), *unused)

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {token: index for index, token in enumerate(self.tokens)}

    def token_id(self, token: str) -> int | None:
        return self._ids.get(token)

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
            ids.append(self.spec.end_id)
            spans.append((len(text), len(text)))
            words.append(words[-1] + 1 if words else 0)
        return Encoding(text, tuple(ids), tuple(self.tokens[i] for i in ids), tuple(spans), tuple(words))

    def decode(self, ids: Sequence[int]) -> str:
        values = (token_id - self.spec.first_byte_id for token_id in ids if token_id not in self.special_ids)
        return bytes(value for value in values if 0 <= value < 256).decode("utf-8", errors="ignore")


def _show_byte(value: int) -> str:
    """A printable ASCII character as itself, any other byte by its number."""
    return chr(value) if 0x20 <= value < 0x7F else f"<0x{value:02X}>"
