"""Suggested words: those near to a source or target word, and those that begin as an analyst types.

The words of a corpus, or of a vocabulary, are remembered for each model and store.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from exported_models.contract.arrays import Floats
from exported_models.contract.errors import ArtefactError, RequestError
from exported_models.contract.integrity import Build
from exported_models.contract.manifest import Owner
from exported_models.engine import Engine
from exported_models.runtime.caches import OnceCache
from exported_models.runtime.model import ExportedModel
from exported_models.search.lexicon import (
    Lexicon,
    Suggestion,
    WordIndex,
    is_whole_word,
    mean_embedding,
    nearest_tokens,
    table_of,
)
from exported_models.search.word_table import WordTable
from exported_models.tokenizers.vocabulary import Tokenizer
from state_store.errors import StoreError
from state_store.store import StateStore
from state_store.word_counts import count_words

SUGGESTED: Final = 20
"""Words suggested for one word."""
COMPLETED: Final = 8
"""Words suggested for one beginning."""
_MOST_TRIED: Final = 400
"""Tokens of a vocabulary that are tried for one beginning: most are parts of words."""
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
    index: WordIndex
    pairs: int


class SuggestionCache:
    """Suggests words. Safe to use from many threads."""

    def __init__(self) -> None:
        self._lexicons: OnceCache[tuple[Build, str, Owner], _Counted] = OnceCache(_KEPT_LEXICONS)
        self._vocabularies: OnceCache[tuple[Build, Owner], WordIndex] = OnceCache(_KEPT_LEXICONS)

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
        tokenizer = _tokenizer_of(model, side)
        if counted is None or store is None:
            words = nearest_tokens(table, tokenizer, vector, SUGGESTED, besides=core)
            return Suggestions(vector, words, None)
        words = counted.lexicon.nearest(vector, SUGGESTED, besides=core)
        return Suggestions(vector, words, counted.pairs, store.manifest.store_id)

    def complete(
        self, engine: Engine, store: StateStore | None, model_id: str, side: Owner, beginning: str
    ) -> tuple[str, ...]:
        """Up to `COMPLETED` words that begin so and are longer.

        The most frequent words of the store's corpus, as `suggest` has them; without a corpus, or without embeddings
        of the side, the first whole words of the vocabulary.
        """
        longer = self._list_words(engine, store, model_id, side, beginning)
        return tuple(islice((word for word in longer if len(word) > len(beginning)), COMPLETED)) if beginning else ()

    def _list_words(
        self, engine: Engine, store: StateStore | None, model_id: str, side: Owner, beginning: str
    ) -> Iterator[str]:
        model = engine.model(model_id)
        try:
            table = engine.word_table(model_id, table_of(model, side))
            counted = self._count(engine, store, model_id, side, table)
        except RequestError:
            counted = None
        if counted is not None:
            return counted.index.find(beginning)
        tokenizer, special = _tokenizer_of(model, side), frozenset(model.manifest.special_ids)
        index = self._vocabularies.get((model.build, side), lambda: WordIndex.of_vocabulary(tokenizer, special))
        tried = islice(index.find(beginning), _MOST_TRIED)
        return (word for word in tried if is_whole_word(word, tokenizer, special))

    def _count(
        self, engine: Engine, store: StateStore | None, model_id: str, side: Owner, table: WordTable
    ) -> _Counted | None:
        """The words of a store's corpus; None where there is no corpus to use."""
        if store is None:
            return None
        model = engine.model(model_id)

        def count() -> _Counted:
            store.require_pairs()
            found = count_words(store.pairs, side)
            lexicon = Lexicon.open(table, _tokenizer_of(model, side), found.counts)
            return _Counted(lexicon, WordIndex.of(lexicon.words), found.pairs)

        try:
            counted = self._lexicons.get((model.build, store.manifest.content_hash, side), count)
        except (StoreError, ArtefactError):
            return None
        return counted if counted.lexicon.words else None


def _tokenizer_of(model: ExportedModel, side: Owner) -> Tokenizer:
    return model.source_tokenizer if side == "source" else model.target_tokenizer
