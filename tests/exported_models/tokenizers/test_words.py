"""Word vocabularies: tokens between spaces, their spans, and the words that marked subwords make."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exported_models.contract.errors import RequestError
from exported_models.contract.manifest import WordTokenizerSpec
from exported_models.tokenizers.words import WordTokenizer, load_word_tokenizer

WORDS = ("ein", "Mann", "Fahr@@", "rad", "Haus", "￭tür", "der￭", "maßen")
SPECIAL = ("<unk>", "<blank>", "<s>", "</s>")


def _make(tokens: tuple[str, ...] = (*SPECIAL, *WORDS), unknown: int | None = 0) -> WordTokenizer:
    return WordTokenizer(tokens, frozenset((1, 2, 3)), WordTokenizerSpec(file="v", unknown_id=unknown, after=(3,)))


@given(words=st.lists(st.sampled_from(WORDS), min_size=1), spaces=st.sampled_from([" ", "  ", "\t", "\u00a0 "]))
def test_every_token_lies_where_its_span_says(words: list[str], spaces: str) -> None:
    text = spaces.join(words)
    encoding = _make().encode(text, end=True)
    assert [text[start:end] for start, end in encoding.spans] == [*words, ""]
    assert encoding.tokens == (*words, "</s>")
    assert _make().decode(encoding.ids) == " ".join(words)


def test_marked_subwords_are_shown_as_words() -> None:
    text = "ein Mann Fahr@@ rad Haus ￭tür der￭ maßen"
    assert _make().encode(text, end=True).words == (0, 1, 2, 2, 3, 3, 4, 4, 5)
    pieces = _make((*SPECIAL, "▁the", "▁fox", "es"))
    assert pieces.encode("▁the ▁fox es", end=True).words == (0, 1, 1, 2)


def test_a_source_may_go_without_an_end() -> None:
    spec = WordTokenizerSpec(file="v", unknown_id=0, after=())
    encoding = WordTokenizer((*SPECIAL, *WORDS), frozenset((1, 2, 3)), spec).encode("ein Mann", end=True)
    assert encoding.ids == (4, 5)


def test_an_unknown_token_becomes_the_unknown_token_or_is_refused() -> None:
    assert _make().encode("ein Weib", end=False).ids == (4, 0)
    with pytest.raises(RequestError, match=r"'Weib', number 2 .* for instance <unk> ein Mann"):
        _make(unknown=None).encode("ein Weib", end=False)


def test_special_tokens_are_not_read_from_a_text() -> None:
    assert _make().encode("</s>", end=False).ids == (0,)


def test_the_vocabulary_travels_as_a_list(tmp_path: Path) -> None:
    (tmp_path / "v.json").write_text(json.dumps([*SPECIAL, *WORDS]), encoding="utf-8")
    tokenizer = load_word_tokenizer(tmp_path, WordTokenizerSpec(file="v.json", unknown_id=0, after=(3,)), (1, 2, 3))
    assert tokenizer.decode((5, 3)) == "Mann"
