"""Suggested words: those that may stand in place of a source or target word, remembered for each model and store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from exported_models.contract.arrays import Floats
from exported_models.contract.errors import ArtefactError
from exported_models.contract.integrity import Build
from exported_models.contract.manifest import Owner
from exported_models.engine import Engine
from exported_models.runtime.caches import OnceCache
from exported_models.search.lexicon import (
    Lexicon,
    Suggestion,
    mean_embedding,
    nearest_tokens,
    table_of,
)
from exported_models.search.word_table import WordTable
from state_store.errors import StoreError
from state_store.store import StateStore
from state_store.word_counts import count_words

SUGGESTED: Final = 20
"""Words suggested for one word."""
_KEPT_LEXICONS: Final = 4


@dataclass(frozen=True, slots=True)
class Suggestions:
    """Words near to one word.

    Attributes:
        vector: [size] float32 embedding of the word itself.
        pairs: sentence pairs in which the words were counted; None without a corpus.
        corpus: name of that corpus' store; empty without.
    """

    vector: Floats
    words: tuple[Suggestion, ...]
    pairs: int | None
    corpus: str = ""


@dataclass(frozen=True, slots=True)
class _Counted:
    lexicon: Lexicon
    pairs: int


class SuggestionCache:
    """Suggests words. Safe to use from many threads."""

    def __init__(self) -> None:
        self._lexicons: OnceCache[tuple[Build, str, Owner], _Counted] = OnceCache(_KEPT_LEXICONS)

    def suggest(
        self, engine: Engine, store: StateStore | None, model_id: str, side: Owner, ids: tuple[int, ...], core: str
    ) -> Suggestions:
        """The words nearest to the mean embedding of some tokens of a side, nearest first.

        Args:
            store: of the corpus whose words are suggested; without one, or if it is damaged, whole words of the
                vocabulary are.
            ids: tokens of the word asked about; at least one.
            core: the word asked about, which is not suggested.

        Raises:
            RequestError: the model has no word embeddings of that side.
        """
        model = engine.model(model_id)
        table = engine.word_table(model_id, table_of(model, side))
        vector = mean_embedding(table, ids)
        counted = self._count(engine, store, model_id, side, table)
        tokenizer = model.source_tokenizer if side == "source" else model.target_tokenizer
        if counted is None or store is None:
            words = nearest_tokens(table, tokenizer, vector, SUGGESTED, besides=core)
            return Suggestions(vector, words, None)
        words = counted.lexicon.nearest(vector, SUGGESTED, besides=core)
        return Suggestions(vector, words, counted.pairs, store.manifest.store_id)

    def _count(
        self, engine: Engine, store: StateStore | None, model_id: str, side: Owner, table: WordTable
    ) -> _Counted | None:
        """The words of a store's corpus; None where there is no corpus to use."""
        if store is None:
            return None
        model = engine.model(model_id)
        tokenizer = model.source_tokenizer if side == "source" else model.target_tokenizer

        def count() -> _Counted:
            store.require_pairs()
            found = count_words(store.pairs, side)
            return _Counted(Lexicon.open(table, tokenizer, found.counts), found.pairs)

        try:
            counted = self._lexicons.get((model.build, store.manifest.content_hash, side), count)
        except (StoreError, ArtefactError):
            return None
        return counted if counted.lexicon.words else None
