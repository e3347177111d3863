"""Nearest words in a model's own word embeddings.

A row belongs to a token of the vocabulary and not to its occurrences in a corpus, so the table is read from the model.
A store neither has nor needs it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from exported_models.contract.arrays import Floats
from exported_models.contract.errors import ModelError, RequestError
from exported_models.runtime.model import ExportedModel
from exported_models.search.states import look_up


@dataclass(frozen=True, slots=True)
class NearWord:
    """A token, and the cosine of its embedding with that of the token asked for."""

    token_id: int
    token: str
    similarity: float


@dataclass(frozen=True, slots=True)
class WordTable:
    """The word embeddings of one side of a model.

    Attributes:
        tokens: the vocabulary, the index being the id.
        vectors: [vocabulary, size] float32 embeddings.
        units: [vocabulary, size] float32 embeddings at unit length; rows of zeros stay zeros.
        left_out: ids that are never listed as near: special tokens.
    """

    tokens: Sequence[str]
    vectors: Floats
    units: Floats
    left_out: Collection[int]

    @classmethod
    def open(cls, model: ExportedModel, space: str) -> WordTable:
        """Read the whole table of a space of the model.

        Raises:
            ModelError: the model has no such space, or the space is no table; the message lists the tables.
        """
        spec = model.manifest.space(space)
        if spec.kind != "table":
            tables = ", ".join(other.name for other in model.manifest.spaces if other.kind == "table") or "none"
            raise ModelError(f"The space {space!r} of {model.manifest.model_id!r} is no table (tables: {tables}).")
        tokenizer = model.source_tokenizer if spec.owner == "source" else model.target_tokenizer
        vectors = look_up(model, spec, np.arange(len(tokenizer.tokens)))
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        units = vectors / np.where(lengths > 0, lengths, 1)
        return cls(tokenizer.tokens, vectors, units.astype(np.float32), frozenset(model.manifest.special_ids))

    def nearest(self, token_id: int, k: int) -> tuple[NearWord, ...]:
        """The ``k`` tokens whose embeddings have the largest cosine with that of a token, largest first.

        The token itself, special tokens and tokens without an embedding are left out; of equal cosines the lower id
        comes first.

        Raises:
            RequestError: the vocabulary has no such id.
        """
        if not 0 <= token_id < len(self.tokens):
            raise RequestError(f"There is no token {token_id}: the vocabulary has {len(self.tokens)}, counted from 0.")
        similarities = self.units @ self.units[token_id]
        candidates = np.any(self.units != 0, axis=1)
        candidates[[token_id, *self.left_out]] = False
        ids = np.flatnonzero(candidates)
        best = ids[np.argsort(-similarities[ids], kind="stable")[:k]]
        return tuple(NearWord(int(row), self.tokens[row], float(similarities[row])) for row in best)
