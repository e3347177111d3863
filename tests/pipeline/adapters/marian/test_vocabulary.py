"""Vocabularies that list words or subwords: as Marian numbers them, and the same model as with SentencePiece's."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from sentencepiece import SentencePieceProcessor
from transformers import MarianTokenizer

from exported_models.contract.manifest import CheckpointOrigin
from exported_models.contract.request import Request
from exported_models.contract.trace import Trace
from exported_models.contract.workspace import Workspace
from exported_models.engine import Engine
from exported_models.runtime.model import load_tokenizer
from exported_models.tokenizers.vocabulary import Tokenizer
from pipeline.adapters import digest_checkpoint, load_adapter
from pipeline.adapters.marian.vocabulary import read_word_vocabulary
from pipeline.errors import CheckpointError
from pipeline.graphs.export import describe_model, seal, write_graphs, write_tokenizers
from pipeline.models.checkpoint import LoadedCheckpoint
from tests.pipeline.adapters.huggingface.tiny_checkpoints import save_tiny_checkpoint
from tests.pipeline.adapters.marian.tiny_models import (
    OPTIONS,
    TEXTS,
    VOCABULARY,
    make_tensors,
    pack_npz,
    save_tiny_model,
    train_vocabulary,
)

ORIGIN = CheckpointOrigin(adapter="marian", name="tiny", digest="0")
ODD = (
    "no",
    "1.50",
    "null",
    "~",
    "2020-13-45",
    "=",
    "<<",
    "a: b",
    "'",
    "# c",
    "\u2028",
    "&amp;",
    "@@",
    "haus",
    "\u2581ab",
)


def _pieces() -> list[str]:
    """The tokens of the tiny models' SentencePiece vocabulary; its first are Marian's special tokens."""
    processor = SentencePieceProcessor.from_proto(train_vocabulary())
    return ["</s>", "<unk>", *(processor.id_to_piece(index) for index in range(2, VOCABULARY))]


def _as_yaml(tokens: Sequence[str]) -> str:
    return yaml.safe_dump({token: index for index, token in enumerate(tokens)}, allow_unicode=True, sort_keys=True)


def _as_json(tokens: Sequence[str]) -> str:
    return json.dumps({token: index for index, token in enumerate(tokens)})


def _as_lines(tokens: Sequence[str]) -> str:
    return "\n".join(tokens) + "\n"


FORMS: dict[str, Callable[[Sequence[str]], str]] = {
    "yml": _as_yaml,
    "yaml": _as_yaml,
    "json": _as_json,
    "txt": _as_lines,
}


def _save_model(folder: Path, *vocabularies: tuple[str, str], **changes: Any) -> Path:
    """A tiny model whose settings name these files, which have this content."""
    save_tiny_model(folder, **changes)
    (folder / "vocab.spm").unlink()
    for name, content in vocabularies:
        (folder / name).write_text(content, encoding="utf-8")
    settings = {"models": ["model.npz"], "vocabs": [name for name, _ in vocabularies], "beam-size": 3}
    (folder / "decoder.yml").write_text(yaml.safe_dump(settings))
    return folder


def _open_tokenizers(source: LoadedCheckpoint, folder: Path) -> tuple[Tokenizer, Tokenizer]:
    """Both sides' tokenizers as an exported model has them."""
    write_tokenizers(source, folder)
    manifest = describe_model(source, "tiny", ORIGIN)
    return (
        load_tokenizer(folder, source.source_tokenizer, manifest),
        load_tokenizer(folder, source.target_tokenizer, manifest),
    )


@pytest.mark.parametrize("suffix", FORMS)
def test_every_form_gives_every_token_its_id(suffix: str, tmp_path: Path) -> None:
    """Also tokens that YAML has another meaning for, and in text marks of a line's end that Marian does not know."""
    tokens = ("</s>", "<unk>", *ODD)
    path = tmp_path / f"vocab.{suffix}"
    path.write_text(FORMS[suffix](tokens), encoding="utf-8")

    found = read_word_vocabulary(path)

    assert found.tokens == tokens
    assert (found.end_id, found.unknown_id) == (0, 1)


def test_what_is_written_plainly_is_a_token_as_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "vocab.de.yml"
    path.write_text('on: 3\n"</s>": 0\n1_000: 4\n<unk>: 1\n0x1F: 2\n1.50: 5\n')
    assert read_word_vocabulary(path).tokens == ("</s>", "<unk>", "0x1F", "on", "1_000", "1.50")


def test_the_special_tokens_have_the_ids_they_are_listed_at(tmp_path: Path) -> None:
    path = tmp_path / "vocab.txt"
    path.write_text("a\r\n<unk>\r\n</s>\r\n")
    found = read_word_vocabulary(path)
    assert (found.tokens, found.unknown_id, found.end_id) == (("a", "<unk>", "</s>"), 1, 2)


def test_nematus_names_are_those_of_marian(tmp_path: Path) -> None:
    path = tmp_path / "vocab.json"
    path.write_text(_as_json(("eos", "UNK", "a", "</s>")))
    found = read_word_vocabulary(path)
    assert (found.end_id, found.unknown_id) == (0, 1)


def test_each_side_has_words_of_its_own(tmp_path: Path) -> None:
    """Subwords that a text was cut into before are tokens between spaces, and words where they are marked as joined."""
    source_words = ["</s>", "<unk>", "ein", "hau@@", "s"] + [f"wort{index}" for index in range(VOCABULARY - 5)]
    target_words = ["</s>", "<unk>", "a", "house"] + [f"word{index}" for index in range(VOCABULARY - 4)]
    folder = _save_model(
        tmp_path / "model",
        ("vocab.de.txt", _as_lines(source_words)),
        ("vocab.en.yml", _as_yaml(target_words)),
        tied_embeddings_all=False,
        tied_embeddings=True,
    )

    loaded = load_adapter("marian").load(folder)
    source, target = _open_tokenizers(loaded, tmp_path / "tokenizers")

    found = source.encode("ein hau@@ s gross", end=True)
    assert found.tokens == ("ein", "hau@@", "s", "<unk>", "</s>")
    assert found.ids == (2, 3, 4, 1, 0)
    assert found.spans == ((0, 3), (4, 9), (10, 11), (12, 17), (17, 17))
    assert found.words == (0, 1, 1, 2, 3)
    assert target.encode("a house", end=True).ids == (2, 3, 0)
    assert target.decode((2, 3, 0)) == "a house"
    assert (loaded.source_vocabulary, loaded.target_vocabulary) == (VOCABULARY, VOCABULARY + 1)
    assert any("vocab.de.txt is a list of words" in notice for notice in loaded.notices)


@pytest.mark.filterwarnings("ignore:Recommended. pip install sacremoses:UserWarning")
def test_subword_models_beside_a_list_cut_texts_as_the_library_does(tmp_path: Path) -> None:
    """The files of an OPUS-MT model, with a tokenizer that transformers reads too."""
    theirs = save_tiny_checkpoint("marian", tmp_path / "theirs", texts=(*TEXTS, "schnell"))
    tokens = list(json.loads((theirs / "vocab.json").read_text()))
    tokens += [">>de<<", *(f"unused{index}" for index in range(VOCABULARY))]
    folder = save_tiny_model(tmp_path / "native")
    (folder / "model.npz").write_bytes(pack_npz(make_tensors(OPTIONS, len(tokens)), OPTIONS))
    (folder / "vocab.spm").unlink()
    (folder / "decoder.yml").unlink()
    (folder / "opus.spm32k-spm32k.vocab.yml").write_text(_as_yaml(tokens), encoding="utf-8")
    for name in ("source.spm", "target.spm"):
        (folder / name).write_bytes((theirs / name).read_bytes())

    loaded = load_adapter("marian").load(folder)
    source, target = _open_tokenizers(loaded, tmp_path / "tokenizers")

    library = MarianTokenizer.from_pretrained(str(theirs), local_files_only=True)
    for text in TEXTS:
        ids = source.encode(text, end=True).ids
        assert list(ids) == library(text)["input_ids"]
        assert target.decode(ids) == library.decode(ids, skip_special_tokens=True)
    assert source.encode(f">>de<< {TEXTS[0]}", end=True).tokens[0] == ">>de<<"
    assert not loaded.notices


def test_another_list_is_another_checkpoint(tmp_path: Path) -> None:
    folder = _save_model(tmp_path, ("vocab.txt", _as_lines(_pieces())))
    before = digest_checkpoint(folder / "model.npz")
    (folder / "vocab.txt").write_text(_as_lines(_pieces()[::-1]), encoding="utf-8")
    assert digest_checkpoint(folder / "model.npz") != before


@pytest.mark.slow
def test_a_model_translates_as_with_its_other_vocabulary(tmp_path: Path) -> None:
    """The same weights and the same pieces, which one cuts itself and the other finds cut: equal ids and searches."""
    words = _save_model(tmp_path / "words", ("vocab.yml", _as_yaml(_pieces())), enc_depth=1, dec_depth=1)
    pieces = save_tiny_model(tmp_path / "pieces", enc_depth=1, dec_depth=1)
    engine = Engine(_export(tmp_path, words=words, pieces=pieces), threads=1)
    for text in TEXTS:
        wanted = _translate(engine, "pieces", text)
        cut = " ".join(_pieces()[token_id] for token_id in wanted.source.ids[:-1])
        found = _translate(engine, "words", cut)
        assert found.source.ids == wanted.source.ids
        assert [entry.token_ids for entry in found.hypotheses] == [entry.token_ids for entry in wanted.hypotheses]
        assert [entry.score for entry in found.hypotheses] == [entry.score for entry in wanted.hypotheses]
        assert found.best.text.split() == [_pieces()[token_id] for token_id in found.best.token_ids if token_id > 1]


def _translate(engine: Engine, model_id: str, text: str) -> Trace:
    return engine.translate(Request(model_id, text, beam_size=3, length_penalty=0.6, max_length=20))


def _export(root: Path, **checkpoints: Path) -> Workspace:
    """Checkpoints of equal weights, the graphs of which are made once."""
    workspace, graphs = Workspace(root), root / "graphs"
    for model_id, folder in checkpoints.items():
        source = replace(load_adapter("marian").load(folder), teacher_forced=None, self_attention=None)
        if not graphs.exists():
            write_graphs(source, graphs)
        exported = shutil.copytree(graphs, workspace.models_folder / model_id)
        write_tokenizers(source, exported)
        seal(exported, describe_model(source, model_id, ORIGIN), None)
    return workspace


def test_of_two_lists_the_sources_must_be_known(tmp_path: Path) -> None:
    folder = _save_model(tmp_path, ("vocab.de.yml", _as_yaml(_pieces())), ("vocab.en.yml", _as_yaml(_pieces())))
    (folder / "decoder.yml").unlink()
    with pytest.raises(CheckpointError, match=r"vocabularies vocab.de.yml and vocab.en.yml; name that of the source,"):
        load_adapter("marian").load(folder)


SMALL = '"</s>": 0\n<unk>: 1\na: 2\nb: 3\n'


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("vocab.yml", SMALL, "has 4 tokens, but the model has 56 embeddings"),
        ("vocab.yml", SMALL.replace("b: 3", "b: 2"), "gives the id 2 to both 'a' and 'b'"),
        ("vocab.yml", SMALL.replace("b: 3", "a: 3"), "names the token 'a' twice"),
        ("vocab.yml", SMALL.replace("b: 3", "b: 5"), "has no token of id 3, but ids up to 5"),
        ("vocab.yml", SMALL.replace("b: 3", "b: -3"), "gives the token 'b' the id '-3', which is no number"),
        ("vocab.yml", SMALL.replace("b: 3", "b:"), "gives the token 'b' the id '', which is no number"),
        ("vocab.yml", SMALL.replace("<unk>", "unknown"), "has no <unk>, which every vocabulary of Marian has"),
        ("vocab.yml", SMALL.replace('"</s>"', "end"), "has no </s>"),
        ("vocab.yml", SMALL.replace("b: 3", "b: [3]"), "is not one mapping of tokens to ids in YAML"),
        ("vocab.yml", SMALL + "---\n" + SMALL, "is not one mapping of tokens to ids"),
        ("vocab.yml", "- a\n- b\n", "is not one mapping of tokens to ids"),
        ("vocab.yml", "a b", "is not one mapping of tokens to ids"),
        ("vocab.yml", "", "is not one mapping of tokens to ids"),
        ("vocab.yml", '"</s>": 0\n"open', "is not one mapping of tokens to ids"),
        ("vocab.yml", "[" * 100_000, "is not one mapping of tokens to ids"),
        ("vocab.txt", "</s>\n<unk>\na\na\n", "names the token 'a' twice"),
        ("vocab.txt", "</s>\n<unk>\n\na\n", "has an empty line, number 3"),
        ("vocab.txt", "", "has an empty line, number 1"),
        ("vocab.txt", "</s>\n<unk>\na\n", "has 3 tokens, but the model has 56 embeddings"),
        ("vocab.fsv", "", "vocab.fsv has factors"),
    ],
)
def test_a_list_that_is_none_is_refused_in_a_sentence(name: str, content: str, message: str, tmp_path: Path) -> None:
    folder = _save_model(tmp_path / "model", (name, content))
    with pytest.raises(CheckpointError, match=message.replace("[", r"\[")) as caught:
        load_adapter("marian").load(folder)
    assert str(folder / name) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    folder = _save_model(tmp_path / "model", ("vocab.txt", ""))
    (folder / "vocab.txt").write_bytes(b"</s>\n\xff\xfe\n")
    with pytest.raises(CheckpointError, match=r"vocab\.txt cannot be read as text in UTF-8"):
        load_adapter("marian").load(folder)
