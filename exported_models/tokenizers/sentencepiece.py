"""SentencePiece tokenizers (Kudo and Richardson 2018), without the library that trained the model.

The SentencePiece model cuts a text into pieces. A vocabulary beside it, as Marian and fairseq have, gives their ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sentencepiece import SentencePieceProcessor

from exported_models.contract.errors import ArtefactError
from exported_models.contract.manifest import SentencePieceSpec
from exported_models.contract.tokens import Encoding
from exported_models.tokenizers.subwords import group_words, trim_span
from exported_models.tokenizers.vocabulary import Vocabulary, load_vocabulary

_SPACE = "\u2581"
"""SentencePiece's character for a space."""


@dataclass(frozen=True, slots=True)
class _Piece:
    token_id: int
    span: tuple[int, int]


@dataclass(frozen=True)
class SentencePieceTokenizer(Vocabulary):
    """Tokens are pieces of a SentencePiece model; pieces that the vocabulary lacks become the unknown token."""

    processor: SentencePieceProcessor
    spec: SentencePieceSpec

    def encode(self, text: str, *, end: bool) -> Encoding:
        code = self._cut_code(text)
        # A code in the text stands in place of the one that the model is set to.
        before = [] if code else [_Piece(token_id, (0, 0)) for token_id in self.spec.before]
        after = [_Piece(token_id, (len(text), len(text))) for token_id in (self.spec.after if end else ())]
        pieces = [*before, *code, *self._cut(text, code[-1].span[1] if code else 0), *after]
        spans = tuple(piece.span for piece in pieces)
        ids = tuple(piece.token_id for piece in pieces)
        tokens = self.name_tokens(ids)
        apart = [index < len(before) + len(code) or index >= len(pieces) - len(after) for index in range(len(pieces))]
        return Encoding(text, ids, tokens, spans, group_words(text, tokens, spans, apart))

    def decode(self, ids: Sequence[int]) -> str:
        pieces = self.name_tokens(self.drop_special(ids))
        text: str = self.processor.decode_pieces(list(pieces))
        return text.replace(_SPACE, " ").strip()

    def _cut(self, text: str, start: int) -> list[_Piece]:
        found = self.processor.encode(text[start:], return_type="offset_mapping")
        return [
            _Piece(self._ids.get(piece, self.spec.unknown_id), trim_span(text, start + span[0], start + span[1]))
            for piece, span in zip(found["pieces"], found["offsets"], strict=True)
        ]

    def _cut_code(self, text: str) -> list[_Piece]:
        """The language code at the beginning of a text, such as ``>>fr<<``; multilingual models read it as a token."""
        length = text.find("<<") + 2
        if not self.spec.reads_language_code or not text.startswith(">>") or length < 2:
            return []
        return [_Piece(self._ids.get(text[:length], self.spec.unknown_id), (0, length))]


def load_sentencepiece_tokenizer(
    folder: Path, spec: SentencePieceSpec, special_ids: Sequence[int]
) -> SentencePieceTokenizer:
    """Open the SentencePiece model and the vocabulary that a manifest names.

    Raises:
        ArtefactError: a file is missing or damaged.
    """
    path = folder / spec.file
    try:
        processor = SentencePieceProcessor.from_proto(path.read_bytes())
    except (OSError, RuntimeError) as error:
        raise ArtefactError(f"The SentencePiece model {path} cannot be read; export the model again.") from error
    tokens = load_vocabulary(folder / spec.vocabulary)
    return SentencePieceTokenizer(tokens, frozenset(special_ids), processor, spec)
