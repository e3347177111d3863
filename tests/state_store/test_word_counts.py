"""Words of a corpus and how often it has them."""

from __future__ import annotations

from pathlib import Path

from state_store.pairs import PairTable, StoredPair, write_pairs
from state_store.word_counts import count_words

TEXTS = (("Ein Hund, ein Ball.", "A dog, a ball."), ("„Ein“ Hund !", "a dog"), ("x" * 41, "a"))


def test_words_are_counted_without_the_punctuation_around_them(tmp_path: Path) -> None:
    pairs = [StoredPair(index, *texts, line=index + 1) for index, texts in enumerate(TEXTS)]
    table = PairTable(tmp_path, write_pairs(tmp_path, pairs))

    source, target = count_words(table, "source"), count_words(table, "target")

    assert source.counts == {"Ein": 2, "Hund": 2, "ein": 1, "Ball": 1, "!": 1}
    assert target.counts == {"A": 1, "dog": 2, "a": 3, "ball": 1}
    assert source.pairs == 3
