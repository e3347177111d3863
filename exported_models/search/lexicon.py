"""Whole words of one side of a model, and those whose embeddings are near.

The embedding of a word is the mean of the embeddings of its tokens, so that words can be compared where the vocabulary
has only parts of them. With a corpus the words are those of its texts; without one, the tokens that are whole words.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from exported_models.contract.arrays import Floats
from exported_models.contract.errors import RequestError
from exported_models.contract.manifest import Owner
from exported_models.runtime.model import ExportedModel
from exported_models.search.word_table import WordTable
from exported_models.tokenizers.vocabulary import Tokenizer

MAX_LEXICON: Final = 20_000
"""Most words of a corpus that are compared, the most frequent ones."""
_LEAST_COUNT: Final = 2
"""Times that a word must stand in the corpus: most words seen once are compounds and mistakes."""
_LAST_CHARACTER: Final = "\U0010ffff"
_MOST_TRIED: Final = 40
"""Tokens that are tried for each word wanted, where most tokens are no whole words."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A word that may stand in place of another one.

    Attributes:
        similarity: cosine of both embeddings.
        count: times that the corpus has the word; None without a corpus.
        vector: [size] float32 embedding.
    """

    text: str
    similarity: float
    count: int | None
    vector: Floats


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The words of one side of a corpus, the most frequent first.

    Attributes:
        words: spelled alike at most once.
        counts: times that the corpus has each word.
        vectors: [words, size] float32 embeddings.
        units: the same at unit length; rows of zeros stay zeros.
    """

    words: tuple[str, ...]
    counts: tuple[int, ...]
    vectors: Floats
    units: Floats

    @classmethod
    def open(cls, table: WordTable, tokenizer: Tokenizer, counts: Mapping[str, int]) -> Lexicon:
        """Embed the most frequent words of a corpus.

        Words that stand there once, and those that the vocabulary cannot express, are left out.
        """
        frequent = (word for word, count in counts.items() if count >= _LEAST_COUNT)
        ordered = sorted(frequent, key=lambda word: (-counts[word], word))[:MAX_LEXICON]
        named = [(word, ids) for word in ordered if (ids := _tokenize(word, tokenizer, table.left_out))]
        vectors = np.zeros((len(named), table.vectors.shape[1]), np.float32)
        for row, (_, ids) in enumerate(named):
            vectors[row] = mean_embedding(table, ids)
        return cls(tuple(word for word, _ in named), tuple(counts[word] for word, _ in named), vectors, _scale(vectors))

    def nearest(self, vector: Floats, k: int, *, besides: str) -> tuple[Suggestion, ...]:
        """The ``k`` words nearest to an embedding by cosine, nearest first, without the word ``besides``."""
        similarities = self.units @ _scale(vector)
        order = np.argsort(-similarities, kind="stable")
        near = [row for row in order[: k + 1].tolist() if self.words[row] != besides][:k]
        return tuple(
            Suggestion(self.words[row], float(similarities[row]), self.counts[row], self.vectors[row]) for row in near
        )


@dataclass(frozen=True, slots=True)
class WordIndex:
    """Words by their beginnings, whatever the case of their letters.

    Attributes:
        words: in the order in which they are preferred.
        keys: caseless spelling and place of each word, ascending.
    """

    words: tuple[str, ...]
    keys: tuple[tuple[str, int], ...]

    @classmethod
    def of(cls, words: Iterable[str]) -> WordIndex:
        """Index words, the preferred ones first; of those spelled alike the first counts."""
        different = tuple(dict.fromkeys(words))
        return cls(different, tuple(sorted((word.casefold(), place) for place, word in enumerate(different))))

    @classmethod
    def of_vocabulary(cls, tokenizer: Tokenizer, left_out: Collection[int]) -> WordIndex:
        """Index the texts of all tokens but those that are left out, in the order of the vocabulary."""
        ids = (token_id for token_id in range(len(tokenizer.tokens)) if token_id not in left_out)
        return cls.of(text for token_id in ids if (text := tokenizer.decode([token_id]).strip()))

    def find(self, beginning: str) -> Iterator[str]:
        """The words that begin so, the preferred ones first."""
        key = beginning.casefold()
        first, end = bisect_left(self.keys, (key, 0)), bisect_left(self.keys, (key + _LAST_CHARACTER, 0))
        return (self.words[place] for place in sorted(place for _, place in self.keys[first:end]))


def mean_embedding(table: WordTable, ids: Sequence[int]) -> Floats:
    """[size] float32 mean of the embeddings of tokens."""
    return np.asarray(table.vectors[list(ids)].mean(axis=0), np.float32)


def nearest_tokens(
    table: WordTable, tokenizer: Tokenizer, vector: Floats, k: int, *, besides: str
) -> tuple[Suggestion, ...]:
    """The ``k`` tokens that are whole words nearest to an embedding, nearest first, without the word ``besides``."""
    similarities = table.units @ _scale(vector)
    order = np.argsort(-similarities, kind="stable")[: _MOST_TRIED * k]
    found: list[Suggestion] = []
    for token_id, text in _whole_words(order.tolist(), table, tokenizer):
        if text != besides:
            found.append(Suggestion(text, float(similarities[token_id]), None, table.vectors[token_id]))
        if len(found) == k:
            break
    return tuple(found)


def table_of(model: ExportedModel, owner: Owner) -> str:
    """The space of a model that holds the word embeddings of a side.

    Raises:
        RequestError: the model has none.
    """
    found = (space.name for space in model.manifest.spaces if space.kind == "table" and space.owner == owner)
    name = next(found, None)
    if name is None:
        raise RequestError(f"{model.manifest.model_id} has no embeddings of {owner} words to compare; type a word.")
    return name


def _whole_words(ids: Sequence[int], table: WordTable, tokenizer: Tokenizer) -> Iterator[tuple[int, str]]:
    """Those of the tokens whose text is that very token again, with the text."""
    for token_id in ids:
        text = "" if token_id in table.left_out else tokenizer.decode([token_id]).strip()
        if text and _tokenize(text, tokenizer, table.left_out) == (token_id,):
            yield token_id, text


def is_whole_word(word: str, tokenizer: Tokenizer, left_out: Collection[int]) -> bool:
    """Whether one token of the vocabulary stands for a word."""
    return len(_tokenize(word, tokenizer, left_out)) == 1


def _tokenize(word: str, tokenizer: Tokenizer, left_out: Collection[int]) -> tuple[int, ...]:
    """The ids of a word without special tokens; empty where the vocabulary cannot express it."""
    try:
        encoding = tokenizer.encode(word, end=False)
    except RequestError:
        return ()
    pairs = zip(encoding.ids, encoding.spans, strict=True)
    # A special token that stands for text is the unknown one.
    ids = [token_id for token_id, (start, end) in pairs if token_id not in left_out or start < end]
    return () if any(token_id in left_out for token_id in ids) else tuple(ids)


def _scale(vectors: Floats) -> Floats:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1), np.float32)
