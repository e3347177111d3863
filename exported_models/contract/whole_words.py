"""Whole words of a source or a target: the places of a text that a person changes at once."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from exported_models.contract.errors import RequestError
from exported_models.contract.source import Source
from exported_models.contract.target_text import TargetText
from exported_models.contract.trace import Hypothesis

Span = tuple[int, int]
"""The first character of a part of a text, and the one after its last."""

_WORD = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class WholeWord:
    """A word with the tokens that spell it.

    Attributes:
        text: the word as it is written, punctuation that clings to it included.
        core: the word without that punctuation; the same where it is nothing else.
        places: places of its tokens, in order.
        core_places: places of the tokens that spell the core.
    """

    text: str
    core: str
    places: tuple[int, ...]
    core_places: tuple[int, ...]

    @classmethod
    def of_source(cls, source: Source, word: int) -> WholeWord:
        """A word of a source; ``word`` counts as `Source.words` does.

        Raises:
            RequestError: the source has no such word, or it stands for no text.
        """
        return cls._cut(source.payload, locate_source_word(source, word), source.spans)

    @classmethod
    def of_target(cls, hypothesis: Hypothesis, step: int, target: TargetText) -> WholeWord:
        """The word of a hypothesis that the token of a step belongs to.

        Raises:
            RequestError: the token stands for no text.
        """
        spans = target.locate(hypothesis.token_ids, hypothesis.text)
        return cls._cut(hypothesis.text, _locate(hypothesis.text, spans, step), spans)

    @classmethod
    def _cut(cls, text: str, span: Span, spans: Sequence[Span]) -> WholeWord:
        core = trim_punctuation(text, span)
        written, places = text[slice(*span)], _find_places(spans, span)
        return cls(written, text[slice(*core)], places, _find_places(spans, core))

    def rewrite(self, core: str) -> str:
        """The word with another core between its punctuation."""
        return self.text.replace(self.core, core, 1)


def locate_source_word(source: Source, word: int) -> Span:
    """The characters of a source word, without the space that a character vocabulary counts to it.

    Raises:
        RequestError: the source has no such word, or it stands for no text.
    """
    spans = [span for span, index in zip(source.spans, source.words, strict=True) if index == word]
    start, end = min((span[0] for span in spans), default=0), max((span[1] for span in spans), default=0)
    written = source.payload[start:end]
    if not written.strip():
        raise RequestError(
            f"There is no source word {word} that stands for text; {_describe_words(source)}.", field="word"
        )
    return start + len(written) - len(written.lstrip()), start + len(written.rstrip())


def _describe_words(source: Source) -> str:
    """The number of words of a source that stand for text, and their own numbers."""
    written = (source.payload[slice(*span)].strip() for span in source.spans)
    words = sorted({word for word, text in zip(source.words, written, strict=True) if text})
    if len(words) < 2:
        return f"the source has word {words[0]} alone" if words else "the source has none"
    return f"the source has {len(words)} words, {words[0]} to {words[-1]}"


def locate_target_word(hypothesis: Hypothesis, step: int, target: TargetText) -> Span:
    """The characters of the target word that the token of a step belongs to.

    Raises:
        RequestError: the token stands for no text.
    """
    return _locate(hypothesis.text, target.locate(hypothesis.token_ids, hypothesis.text), step)


def trim_punctuation(text: str, span: Span) -> Span:
    """The span without punctuation at its ends, unless it holds nothing else."""
    inner = [place for place in range(*span) if not unicodedata.category(text[place]).startswith("P")]
    return (inner[0], inner[-1] + 1) if inner else span


def _locate(text: str, spans: Sequence[Span], step: int) -> Span:
    start, end = spans[step]
    written = text[start:end]
    if not written.strip():
        raise RequestError(f"The target token {step} stands for no text; choose another one.", field="wish.step")
    start += len(written) - len(written.lstrip())
    word = next(match for match in _WORD.finditer(text) if match.end() > start)
    return word.span()


def _find_places(spans: Sequence[Span], wanted: Span) -> tuple[int, ...]:
    """Places of the tokens that have a part of the wanted characters."""
    overlapping = (max(start, wanted[0]) < min(end, wanted[1]) for start, end in spans)
    return tuple(place for place, overlaps in enumerate(overlapping) if overlaps)
