"""The writing of tokens and numbers on the page."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable
from dataclasses import dataclass

from exported_models.contract.manifest import TokenizerJsonSpec, TokenizerSpec
from exported_models.runtime.model import ExportedModel

END_MARK = "⏎"
GLUE_MARK = "·"
"""Mark before a subword that continues a word. A subword that begins a word has no mark."""
_SUBWORD_KINDS = ("sentencepiece", "tokenizer_json")
_WORD_STARTS = ("\u2581", "\u0120")
_MARKS = {" ": "␣", "\u00a0": "⍽", "\t": "⇥", "\n": "↵", "": "∅"}


@dataclass(frozen=True, slots=True)
class TokenText:
    """Writes tokens so that each can be seen: spaces and the end of sentence get a mark.

    Attributes:
        end_token: the end of sentence.
        subwords: whether tokens are subwords. Their vocabularies mark the subwords that begin a word; on the page the
            others are marked, since that is easier to read.
        continuing: the mark of a vocabulary that marks the others itself.
    """

    end_token: str
    subwords: bool = False
    continuing: str = ""

    def show(self, token: str) -> str:
        """The token as drawn."""
        if token == self.end_token:
            return END_MARK
        if not token.strip():
            return "".join(_MARKS.get(character, "␣") for character in token) or _MARKS[""]
        if self.continuing:
            return GLUE_MARK + token.removeprefix(self.continuing) if token.startswith(self.continuing) else token
        if self.subwords and token.startswith(_WORD_STARTS):
            return token[1:] or _MARKS[" "]
        if self.subwords and token[0].isalnum():
            return GLUE_MARK + token
        return token.replace(" ", _MARKS[" "])

    def show_all(self, tokens: Iterable[str]) -> tuple[str, ...]:
        """Every token as drawn."""
        return tuple(self.show(token) for token in tokens)

    def speak(self, token: str) -> str:
        """The token as read aloud."""
        spoken = {END_MARK: "end of sentence", _MARKS[" "]: "space"}
        shown = self.show(token)
        return spoken.get(shown, shown)


@dataclass(frozen=True, slots=True)
class PairText:
    """The writers of both sides of a model, whose tokenizers may be of different kinds."""

    source: TokenText
    target: TokenText

    @classmethod
    def of(cls, model: ExportedModel) -> PairText:
        """The writers of a model."""
        manifest = model.manifest
        return cls(
            _text_of(model.source_tokenizer.tokens[manifest.end_id], manifest.source_tokenizer),
            _text_of(model.target_tokenizer.tokens[manifest.end_id], manifest.target_tokenizer),
        )


def _text_of(end_token: str, spec: TokenizerSpec) -> TokenText:
    continuing = spec.continuing if isinstance(spec, TokenizerJsonSpec) else ""
    return TokenText(end_token, spec.kind in _SUBWORD_KINDS, continuing)


def percent(log_prob: float) -> str:
    """A probability in percent, without decimals and unit."""
    return str(round(100 * math.exp(log_prob)))


def signed(score: float, decimals: int = 2) -> str:
    """A score with a true minus sign unless it rounds to zero."""
    return f"{round(score, decimals) + 0.0:.{decimals}f}".replace("-", "−")


def count(number: int, noun: str, plural: str = "") -> str:
    """``1 word``, ``2 words``."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def as_plain_text(text: str) -> str:
    """Text for the labels of plotly, which interpret some markup: with all markup escaped."""
    return html.escape(text, quote=False)
