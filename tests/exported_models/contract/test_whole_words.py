"""Whole words and the tokens that spell them."""

from __future__ import annotations

import pytest

from exported_models.contract.errors import RequestError
from exported_models.contract.source import Source
from exported_models.contract.tokens import Encoding
from exported_models.contract.whole_words import WholeWord, trim_punctuation

TEXT = "Im Wald, dort."
SOURCE = Source.of_text(
    Encoding(
        TEXT,
        ids=(5, 6, 7, 8, 9, 10, 0),
        tokens=("▁Im", "▁Wa", "ld", ",", "▁dort", ".", "</s>"),
        spans=((0, 2), (3, 5), (5, 7), (7, 8), (9, 13), (13, 14), (14, 14)),
        words=(0, 1, 1, 1, 2, 2, 3),
    )
)


def test_a_word_has_its_tokens_and_a_core_without_punctuation() -> None:
    word = WholeWord.of_source(SOURCE, 1)

    assert (word.text, word.places) == ("Wald,", (1, 2, 3))
    assert (word.core, word.core_places) == ("Wald", (1, 2))
    assert word.rewrite("Park") == "Park,"


def test_punctuation_alone_is_a_word_of_its_own() -> None:
    assert trim_punctuation("... !", (0, 3)) == (0, 3)


@pytest.mark.parametrize("word", [3, 9])
def test_what_stands_for_no_text_is_no_word(word: int) -> None:
    with pytest.raises(RequestError, match=f"no source word {word} that stands for text"):
        WholeWord.of_source(SOURCE, word)
