"""Byte pair encoding of words (Sennrich et al. 2016), as FSMT and Blenderbot small cut their texts.

FSMT reads words as the Moses tokenizer cuts and escapes them, Blenderbot small words and punctuation in lower case.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from exported_models.contract.errors import ArtefactError
from exported_models.contract.json_text import parse_json
from exported_models.contract.manifest import MergesSpec
from exported_models.contract.tokens import Encoding
from exported_models.tokenizers.vocabulary import Vocabulary, append_end, load_vocabulary

_WORD_END = "</w>"
"""Mark in merges of the last piece of a word."""
_NEW_LINE = "__newln__"
"""Blenderbot small's word for the end of a line."""
_PUNCTUATED = re.compile(r"'|[.,!?()][^.,!?()'\s]*|[^.,!?()'\s]+|(?<=\S)\n")
_PLAIN = str.maketrans(
    dict(zip("，、”“∶：？《》）！（；」「～’━〈〉【】％", ',,""::?"")!(;""~\'-<>[]%', strict=True))
    | {chr(0xFF10 + digit): str(digit) for digit in range(10)}
    | {"…": "..."}
)
"""Punctuation and digits of full width, as Moses' replace-unicode-punctuation.perl writes them."""
_FULL_STOP = re.compile(r"[。．]\s*")
_HYPHEN = "@-@"
"""Moses' mark of a hyphen inside a word."""

Words = Sequence[tuple[str, tuple[int, int]]]
"""Words as the merges read them, each with its span of the text."""


@dataclass(frozen=True)
class MergesTokenizer(Vocabulary):
    """Tokens are pieces of words, merged from characters by rank."""

    ranks: dict[tuple[str, str], int]
    spec: MergesSpec

    def encode(self, text: str, *, end: bool) -> Encoding:
        ids: list[int] = []
        spans: list[tuple[int, int]] = []
        words: list[int] = []
        for index, (word, span) in enumerate(_CUTS[self.spec.words](text, self.spec)):
            pieces = merge(word, self.ranks)
            ids += [self._ids.get(self._name(piece), self.spec.unknown_id) for piece in pieces]
            spans += _divide(span, [piece.removesuffix(_WORD_END) for piece in pieces])
            words += [index] * len(pieces)
        if end:
            append_end(self.spec.end_id, text, ids, spans, words)
        return Encoding(text, tuple(ids), self.name_tokens(ids), tuple(spans), tuple(words))

    def decode(self, ids: Sequence[int]) -> str:
        tokens = self.name_tokens(self.drop_special(ids))
        if self.spec.words == "punctuation":
            return " ".join(tokens).replace("@@ ", "").strip()
        words = "".join(token.replace(_WORD_END, " ") for token in tokens).split()
        text: str = _open_detokenizer(self.spec.language).detokenize(words)
        return text

    def _name(self, piece: str) -> str:
        """The token of a piece: Blenderbot small marks the pieces that go on, not the last one."""
        if self.spec.words == "moses":
            return piece
        return piece.removesuffix(_WORD_END) if piece.endswith(_WORD_END) else f"{piece}@@"


def merge(word: str, ranks: dict[tuple[str, str], int]) -> list[str]:
    """The pieces of a word: adjacent pieces are joined in the order of ``ranks``; the last piece ends with ``</w>``."""
    pieces = [*word[:-1], word[-1] + _WORD_END]
    while len(pieces) > 1:
        best = min(pairwise(pieces), key=lambda pair: ranks.get(pair, len(ranks)))
        if best not in ranks:
            break
        pieces = _join(pieces, best)
    return pieces


def _join(pieces: Sequence[str], pair: tuple[str, str]) -> list[str]:
    joined: list[str] = []
    index = 0
    while index < len(pieces):
        size = 2 if tuple(pieces[index : index + 2]) == pair else 1
        joined.append("".join(pieces[index : index + size]))
        index += size
    return joined


def _divide(span: tuple[int, int], pieces: Sequence[str]) -> list[tuple[int, int]]:
    """The span of each piece; pieces of a word that is written otherwise in the text share its span."""
    if sum(map(len, pieces)) != span[1] - span[0]:
        return [span] * len(pieces)
    spans, start = [], span[0]
    for piece in pieces:
        spans.append((start, start + len(piece)))
        start += len(piece)
    return spans


def _cut_at_punctuation(text: str, spec: MergesSpec) -> Words:  # noqa: ARG001 (the interface of cuts)
    found = _PUNCTUATED.finditer(text)
    return [(_NEW_LINE if match.group() == "\n" else match.group().lower(), match.span()) for match in found]


def _cut_by_moses(text: str, spec: MergesSpec) -> Words:
    written = text.lower() if spec.lowercase else text
    cut = _open_tokenizer(spec.language)(_normalize(written, spec.language))
    words, place = [], 0
    for word in cut:
        plain = "-" if word == _HYPHEN else html.unescape(word)
        start = written.find(plain, place)
        # Normalized punctuation may stand nowhere in the text; it takes the place where it was to be found.
        span = (start, start + len(plain)) if start >= 0 else (place, min(place + 1, len(text)))
        words.append((word, span))
        place = span[1]
    return words


def _normalize(text: str, language: str) -> str:
    """Punctuation of full width, then Moses' own rules, without characters that are not printed."""
    plain = _FULL_STOP.sub(". ", text.translate(_PLAIN))
    normalized: str = _open_normalizer(language).normalize(plain)
    return "".join(character for character in normalized if not unicodedata.category(character).startswith("C"))


_CUTS: dict[str, Callable[[str, MergesSpec], Words]] = {"moses": _cut_by_moses, "punctuation": _cut_at_punctuation}


def _make(name: str, language: str) -> Any:
    # Imported here: it takes a second, and few models read such words.
    import sacremoses

    return getattr(sacremoses, name)(lang=language)


@cache
def _open_normalizer(language: str) -> Any:
    return _make("MosesPunctNormalizer", language)


@cache
def _open_tokenizer(language: str) -> Callable[[str], list[str]]:
    tokenizer = _make("MosesTokenizer", language)
    return lambda text: tokenizer.tokenize(text, aggressive_dash_splits=True, return_str=False, escape=True)


@cache
def _open_detokenizer(language: str) -> Any:
    return _make("MosesDetokenizer", language)


def load_merges_tokenizer(folder: Path, spec: MergesSpec, special_ids: Sequence[int]) -> MergesTokenizer:
    """Read the merges and the vocabulary that a manifest names.

    Raises:
        ArtefactError: a file is missing or damaged.
    """
    path = folder / spec.file
    try:
        ranks = {(left, right): rank for rank, (left, right) in enumerate(parse_json(path.read_text(encoding="utf-8")))}
    except (OSError, ValueError, TypeError) as error:
        raise ArtefactError(f"The merges {path} cannot be read; export the model again.") from error
    return MergesTokenizer(load_vocabulary(folder / spec.vocabulary), frozenset(special_ids), ranks, spec)
