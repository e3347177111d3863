"""Subword tokenizers: ids, spans in the original text, words, and the way back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sentencepiece import SentencePieceProcessor, SentencePieceTrainer
from tokenizers import Tokenizer as Processor
from tokenizers import decoders, models, pre_tokenizers, trainers

from exported_models.contract.errors import ArtefactError
from exported_models.contract.manifest import ByteTokenizerSpec, SentencePieceSpec, TokenizerJsonSpec
from exported_models.contract.tokens import Encoding
from exported_models.tokenizers.byte_level import make_byte_tokenizer
from exported_models.tokenizers.sentencepiece import SentencePieceTokenizer, load_sentencepiece_tokenizer
from exported_models.tokenizers.tokenizer_json import JsonTokenizer, load_json_tokenizer

LINES = (
    "ein mann fährt mit dem fahrrad durch die stadt",
    "zwei hunde spielen am strand, 3 kinder sehen zu",
    "男の人が自転車に乗っている",
    "the quick brown fox jumps over the lazy dog",
)
END, UNKNOWN, CODE = 0, 1, 2
SPECIAL = ("</s>", "<unk>", ">>fr<<")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both kinds of tokenizer, each with a vocabulary of its own."""
    root = tmp_path_factory.mktemp("tokenizers")
    corpus = root / "corpus.txt"
    corpus.write_text("\n".join(LINES), encoding="utf-8")
    SentencePieceTrainer.train(input=str(corpus), model_prefix=str(root / "spm"), vocab_size=60, minloglevel=2)
    lines = (root / "spm.vocab").read_text(encoding="utf-8").splitlines()
    pieces = [piece for piece in (line.split("\t")[0] for line in lines) if not piece.startswith("<")]
    (root / "pieces.json").write_text(json.dumps([*SPECIAL, *sorted(pieces)]), encoding="utf-8")
    bytewise = Processor(models.BPE())
    bytewise.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytewise.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bytewise.train_from_iterator(
        LINES, trainers.BpeTrainer(vocab_size=300, special_tokens=["</s>"], initial_alphabet=alphabet)
    )
    bytewise.save(str(root / "tokenizer.json"))
    ids = bytewise.get_vocab()
    (root / "bytes.json").write_text(json.dumps(sorted(ids, key=lambda token: ids[token])), encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def pieces(folder: Path) -> SentencePieceTokenizer:
    spec = SentencePieceSpec(
        file="spm.model", vocabulary="pieces.json", unknown_id=UNKNOWN, after=(END,), reads_language_code=True
    )
    return load_sentencepiece_tokenizer(folder, spec, [END, UNKNOWN])


@pytest.fixture(scope="module")
def bytewise(folder: Path) -> JsonTokenizer:
    return load_json_tokenizer(
        folder, TokenizerJsonSpec(file="tokenizer.json", vocabulary="bytes.json", after=(END,)), [END]
    )


def _shown(encoding: Encoding) -> list[str]:
    return [encoding.text[start:end] for start, end in encoding.spans]


def _words(encoding: Encoding) -> list[str]:
    """The text of each word's tokens, joined; the bytes of a character have one span."""
    words = [""] * (encoding.words[-1] + 1)
    for (start, end), word in dict(zip(encoding.spans, encoding.words, strict=True)).items():
        words[word] += encoding.text[start:end]
    return [word.strip() for word in words]


@pytest.mark.parametrize("line", LINES)
def test_a_text_comes_back(pieces: SentencePieceTokenizer, bytewise: JsonTokenizer, line: str) -> None:
    for tokenizer in (pieces, bytewise):
        encoding = tokenizer.encode(line, end=True)
        assert encoding.ids[-1] == END
        assert tokenizer.decode(encoding.ids) == line
        assert encoding.tokens == tuple(tokenizer.tokens[token_id] for token_id in encoding.ids)
        assert [tokenizer.token_id(token) for token in encoding.tokens] == list(encoding.ids)
        assert tokenizer.encode(line, end=False).ids == encoding.ids[:-1]


def test_pieces_are_those_of_sentencepiece(pieces: SentencePieceTokenizer, folder: Path) -> None:
    processor = SentencePieceProcessor(model_file=str(folder / "spm.model"))
    for line in LINES:
        assert list(pieces.encode(line, end=False).tokens) == processor.encode(line, return_type=str)


def test_subwords_group_into_words(pieces: SentencePieceTokenizer, bytewise: JsonTokenizer) -> None:
    for tokenizer in (pieces, bytewise):
        assert _words(tokenizer.encode("ein mann  fährt", end=True)) == ["ein", "mann", "fährt", ""]


def test_scripts_without_spaces_have_a_word_a_token(pieces: SentencePieceTokenizer) -> None:
    encoding = pieces.encode("男の人", end=False)
    assert len(set(encoding.words)) == len([text for text in _shown(encoding) if text])


def test_bytes_of_one_character_are_one_word(bytewise: JsonTokenizer) -> None:
    encoding = bytewise.encode("語", end=False)
    assert len(encoding) > 1
    assert set(_shown(encoding)) == {"語"}
    assert set(encoding.words) == {0}


def test_spans_point_into_the_text_as_it_was_typed(pieces: SentencePieceTokenizer) -> None:
    """SentencePiece reads a ligature as two letters and any run of spaces as one."""
    encoding = pieces.encode("ein   ﬂuss", end=True)
    assert "".join(_shown(encoding)).replace(" ", "") == "einﬂuss"


def test_what_the_vocabulary_lacks_is_unknown_and_keeps_its_span(pieces: SentencePieceTokenizer) -> None:
    encoding = pieces.encode("ein 😀", end=False)
    assert encoding.ids[-1] == UNKNOWN
    assert _shown(encoding)[-1] == "😀"


def test_a_language_code_is_one_token(pieces: SentencePieceTokenizer) -> None:
    encoding = pieces.encode(">>fr<< ein mann", end=False)
    assert encoding.ids[0] == CODE
    assert _words(encoding) == [">>fr<<", "ein", "mann"]
    assert pieces.encode(">> ein", end=False).ids[0] != CODE


@given(text=st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=40))
def test_any_text_has_spans_in_order_and_within_it(
    pieces: SentencePieceTokenizer, bytewise: JsonTokenizer, text: str
) -> None:
    for tokenizer in (pieces, bytewise):
        encoding = tokenizer.encode(text, end=True)
        assert len(encoding.ids) == len(encoding.tokens) == len(encoding.spans) == len(encoding.words)
        assert all(0 <= start <= end <= len(text) for start, end in encoding.spans)
        starts = [start for start, _ in encoding.spans]
        assert starts == sorted(starts)
        assert all(after - before in (0, 1) for before, after in zip(encoding.words, encoding.words[1:], strict=False))


@given(text=st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=40))
def test_byte_tokens_express_any_text(bytewise: JsonTokenizer, text: str) -> None:
    assert bytewise.decode(bytewise.encode(text, end=True).ids) == text


BYTES = make_byte_tokenizer(
    ByteTokenizerSpec(special_tokens=("<pad>", "</s>", "<unk>"), vocabulary_size=384, end_id=1), [0, 1, 2]
)


@given(text=st.text(st.characters(codec="utf-8"), max_size=40))
def test_plain_bytes_express_any_text(text: str) -> None:
    encoding = BYTES.encode(text, end=True)
    assert BYTES.decode(encoding.ids) == text
    assert list(encoding.ids) == [*(byte + 3 for byte in text.encode("utf-8")), 1]
    assert [BYTES.token_id(token) for token in encoding.tokens] == list(encoding.ids)


def test_the_bytes_of_a_character_share_its_span_and_word() -> None:
    encoding = BYTES.encode("aß b", end=True)
    assert encoding.tokens == ("a", "<0xC3>", "<0x9F>", " ", "b", "</s>")
    assert encoding.spans == ((0, 1), (1, 2), (1, 2), (2, 3), (3, 4), (4, 4))
    assert encoding.words == (0, 0, 0, 0, 1, 2)


@pytest.mark.parametrize("name", ["spm.model", "pieces.json", "tokenizer.json", "bytes.json"])
def test_a_damaged_file_is_named(folder: Path, tmp_path: Path, name: str) -> None:
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(b"damaged" if path.name == name else path.read_bytes())
    with pytest.raises(ArtefactError, match=name):
        _open_both(tmp_path)


def _open_both(folder: Path) -> None:
    load_sentencepiece_tokenizer(
        folder, SentencePieceSpec(file="spm.model", vocabulary="pieces.json", unknown_id=1, after=(0,)), [0]
    )
    load_json_tokenizer(folder, TokenizerJsonSpec(file="tokenizer.json", vocabulary="bytes.json", after=(0,)), [])
