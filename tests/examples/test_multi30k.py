"""The Multi30k recipe, end to end on a few dozen made-up pairs: train, evaluate, export, translate."""

from __future__ import annotations

import itertools
import json
import random
from pathlib import Path

import pytest
import sacrebleu
import torch

from examples.multi30k_de_en import evaluate
from examples.multi30k_de_en.evaluate import translate
from examples.multi30k_de_en.train import Recipe, Trained, encode_pairs, main, make_batches, read_texts, train
from examples.multi30k_de_en.vocabulary import train_vocabulary
from exported_models.contract.request import Request
from exported_models.contract.workspace import Workspace
from exported_models.engine import Engine
from pipeline.adapters.huggingface.checkpoint import quiet_library
from pipeline.build.project_file import load_project
from pipeline.export.checkpoints import export_model
from pipeline.progress import SilentProgress

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:transformers")

SUBJECTS = {"ein Mann": "a man", "eine Frau": "a woman", "ein Hund": "a dog", "ein Kind": "a child"}
VERBS = {"sieht": "sees", "sucht": "seeks", "findet": "finds", "mag": "likes"}
OBJECTS = {"einen Ball": "a ball", "ein Haus": "a house", "einen Baum": "a tree", "Wasser": "water"}
TINY = Recipe(
    vocabulary=40,
    layers=1,
    size=32,
    heads=2,
    feed_forward=32,
    dropout=0.0,
    learning_rate=5e-3,
    batch_tokens=100,
    epochs=40,
)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every sentence of a subject, a verb and an object; a dozen of them are kept from training."""
    folder = tmp_path_factory.mktemp("corpus")
    pairs = [
        tuple(" ".join(side) for side in zip(*words, strict=True))
        for words in itertools.product(SUBJECTS.items(), VERBS.items(), OBJECTS.items())
    ]
    random.Random(0).shuffle(pairs)
    for split, listed in (("train", pairs[12:]), ("val", pairs[:12]), (evaluate.SPLIT, pairs[:12])):
        for language, side in zip(("de", "en"), zip(*listed, strict=True), strict=True):
            (folder / f"{split}.{language}").write_text("".join(f"{text}\n" for text in side), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trained") / "checkpoint"


@pytest.fixture(scope="module")
def trained(corpus: Path, checkpoint: Path) -> Trained:
    torch.set_num_threads(1)
    return train(corpus, checkpoint, TINY)


def test_training_learns_the_pairs(trained: Trained) -> None:
    assert trained.losses[-1] < 0.6 * trained.losses[0]
    assert trained.perplexity < 2


def test_the_checkpoint_is_laid_out_as_opus_mt_models_are(trained: Trained, checkpoint: Path) -> None:
    names = {path.name for path in checkpoint.iterdir()}
    tokenizer = {"source.spm", "target.spm", "vocab.json", "tokenizer_config.json"}
    assert names == {"config.json", "generation_config.json", "model.safetensors", *tokenizer}
    ids = json.loads((checkpoint / "vocab.json").read_text(encoding="utf-8"))
    assert (ids["</s>"], ids["<unk>"], ids["<pad>"]) == (0, 1, TINY.vocabulary - 1)
    assert sorted(ids.values()) == list(range(TINY.vocabulary))
    config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    assert (config["d_model"], config["vocab_size"], config["model_type"]) == (32, TINY.vocabulary, "marian")
    assert trained.model.config.decoder_start_token_id == ids["<pad>"]


@pytest.mark.slow
@pytest.mark.usefixtures("trained")
def test_the_checkpoint_exports_and_translates(checkpoint: Path, corpus: Path, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    export_model(checkpoint, None, "recipe", workspace, progress=SilentProgress())
    engine = Engine(workspace)
    pairs = read_texts(corpus, "train")[:12]
    found = [engine.translate(Request("recipe", source)).best.text for source, _ in pairs]
    with quiet_library():
        assert found == translate(checkpoint, [source for source, _ in pairs])
    assert sum(text == target for text, (_, target) in zip(found, pairs, strict=True)) >= 9


@pytest.mark.usefixtures("trained")
def test_scores_are_sacrebleus_of_the_translations(
    checkpoint: Path, corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate.main([str(corpus), "--checkpoint", str(checkpoint), "--limit", "5"]) == 0
    pairs = read_texts(corpus, evaluate.SPLIT)[:5]
    found = translate(checkpoint, [source for source, _ in pairs])
    wanted = [[target for _, target in pairs]]
    bleu, chrf = sacrebleu.corpus_bleu(found, wanted).score, sacrebleu.corpus_chrf(found, wanted).score
    assert capsys.readouterr().out == f"{evaluate.SPLIT}, 5 sentences: BLEU {bleu:.2f}, chrF {chrf:.2f}\n"


def test_batches_hold_every_pair_once_and_no_more_than_they_may(corpus: Path) -> None:
    texts = read_texts(corpus, "train")
    pairs = encode_pairs(texts, train_vocabulary((text for pair in texts for text in pair), TINY.vocabulary))
    batches = make_batches(pairs, 80, random.Random(1))
    assert sorted(pair for batch in batches for pair in batch) == sorted(pairs)
    assert all(len(batch) * max(len(target) for _, target in batch) <= 80 for batch in batches)


def test_what_is_missing_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err == f"There is no corpus file {tmp_path / 'train.de'}.\n"
    assert not (tmp_path / "out").exists()


def test_a_corpus_too_small_for_the_vocabulary_is_one_sentence(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(corpus), "--out", str(tmp_path / "out")]) == 1
    (sentence,) = capsys.readouterr().err.splitlines()
    assert sentence.startswith("The corpus cannot fill a vocabulary of 8,000: ")


def test_evaluating_nothing_is_one_sentence(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate.main([str(corpus), "--checkpoint", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"There is no checkpoint in {tmp_path}; train one first.\n"


def test_the_project_file_names_the_trained_checkpoint() -> None:
    project = load_project(Path(evaluate.__file__).parent / "project.toml")
    assert (project.model_id, project.checkpoint.name) == ("multi30k-de-en", "checkpoint")
