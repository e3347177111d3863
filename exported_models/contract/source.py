"""A source as a value: the input of an encoder, with a label for every position.

A request names a source by its payload. A reader for the model's kind of source (`exported_models.runtime.sources`)
makes a `Source` of the payload. Behind the reader, graphs read `Source.rows`, searches count positions, caches compare
keys and views show labels; none of them reads the payload. Text is the only kind today.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from exported_models.contract.arrays import Floats
from exported_models.contract.tokens import Encoding

SourceRows = Sequence[int] | NDArray[np.generic]
"""The encoder's input for one source, a row for each position: [positions] token ids, or [positions, size] features."""


@dataclass(frozen=True, slots=True)
class Source:
    """One source, ready to be encoded.

    Attributes:
        payload: as a request names the source; the text itself for text.
        key: equal for equal sources, and for no others. Recordings are kept by it, and a store leaves out the sentence
            that has it from neighbors.
        tokens: the label of each position, special tokens included where the model reads them.
        spans: ``(start, end)`` places of the payload that positions stand for; empty (start == end) for special tokens,
            and for positions that stand for no part of a text.
        words: index of the word that each position belongs to; positions that go together are shown as one.
        ids: token id of each position; empty where positions are no tokens of a vocabulary.
        features: [positions, size] float32 that the encoder reads instead of ids, or None.
        unknown: positions whose token stands for what the vocabulary lacks.
        cut: number of tokens of the payload that were left out, since the model reads fewer.
    """

    payload: str
    key: str
    tokens: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]
    words: tuple[int, ...]
    ids: tuple[int, ...] = ()
    features: Floats | None = field(default=None, compare=False)
    unknown: tuple[int, ...] = ()
    cut: int = 0

    @classmethod
    def of_text(cls, encoding: Encoding, *, unknown_id: int | None = None, cut: int = 0) -> Source:
        """A tokenized text; ``cut`` of its tokens are left out already."""
        unknown = tuple(place for place, token_id in enumerate(encoding.ids) if token_id == unknown_id)
        names = (encoding.tokens, encoding.spans, encoding.words, encoding.ids)
        return cls(encoding.text, encoding.text, *names, unknown=unknown, cut=cut)

    @property
    def rows(self) -> SourceRows:
        """The rows that the encoder reads."""
        return self.ids if self.features is None else self.features

    def __len__(self) -> int:
        return len(self.tokens)
