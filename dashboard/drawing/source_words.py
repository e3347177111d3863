"""The whole words of a source, which a person writes anew."""

from __future__ import annotations

from dashboard.drawing.attributes import wild
from exported_models.contract.source import Source


def name_word(source: Source, place: int) -> dict[str, str]:
    """Attributes of the box of a source token: the number of its word and the word's text; none for special tokens."""
    if not 0 <= place < len(source.words) or source.spans[place][0] == source.spans[place][1]:
        return {}
    word = source.words[place]
    spans = [span for span, index in zip(source.spans, source.words, strict=True) if index == word]
    text = source.payload[min(start for start, _ in spans) : max(end for _, end in spans)].strip()
    return wild(data_word=str(word), data_text=text) if text else {}
