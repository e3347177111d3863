"""Characters as tokens: every token has its span, and what the vocabulary lacks is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exported_models.contract.errors import ArtefactError, RequestError
from exported_models.tokenizers.characters import CharacterTokenizer, load_character_tokenizer

TOKENS = ("<pad>", "<s>", "</s>", "<unk>", *"abc 12-")
TOKENIZER = CharacterTokenizer(TOKENS, end_id=2, special_ids=frozenset({0, 1, 2, 3}))


@given(st.text(alphabet="abc 12-", min_size=1))
def test_decoding_what_was_encoded_gives_the_text_back(text: str) -> None:
    encoding = TOKENIZER.encode(text, end=True)

    assert TOKENIZER.decode(encoding.ids) == text
    assert "".join(text[start:end] for start, end in encoding.spans) == text
    assert encoding.tokens[-1] == "</s>"


def test_no_break_spaces_read_as_spaces_and_spans_point_into_what_was_typed() -> None:
    encoding = TOKENIZER.encode("a\u202fb", end=False)

    assert encoding.tokens == ("a", " ", "b")
    assert encoding.text == "a\u202fb"


def test_characters_group_into_words() -> None:
    assert TOKENIZER.encode("ab c", end=True).words == (0, 0, 0, 1, 2)


@pytest.mark.parametrize("text", ["a☃b", "<", "A"])
def test_a_character_outside_the_vocabulary_is_named_with_its_place(text: str) -> None:
    with pytest.raises(RequestError, match=r"U\+[0-9A-F]{4}.* at position \d"):
        TOKENIZER.encode(text, end=True)


@pytest.mark.parametrize("content", ["{", "{}", "[1]", '["a", "a"]'])
def test_a_damaged_vocabulary_is_one_sentence(tmp_path: Path, content: str) -> None:
    path = tmp_path / "vocabulary.json"
    path.write_text(content, encoding="utf-8")

    with pytest.raises(ArtefactError, match="export the model again"):
        load_character_tokenizer(path, 2, [0, 1, 2, 3])


def test_a_vocabulary_is_a_json_list(tmp_path: Path) -> None:
    path = tmp_path / "vocabulary.json"
    path.write_text(json.dumps(TOKENS), encoding="utf-8")

    assert load_character_tokenizer(path, 2, [0, 1, 2, 3]) == TOKENIZER
