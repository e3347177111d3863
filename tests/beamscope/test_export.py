"""`beamscope export --quantize`: the command's options and what it says."""

import json
import shutil
from pathlib import Path

import pytest

from exported_models.contract.workspace import Workspace
from tests.artefacts import DATES
from tests.beamscope.shell import Beamscope, one_sentence

EXPORT = ("export", str(DATES / "checkpoint"), "--id", "dates")


@pytest.fixture
def workspace(dates_workspace: Workspace, tmp_path: Path) -> Workspace:
    """A workspace in which the full model is published already."""
    workspace = Workspace(tmp_path / "workspace")
    shutil.copytree(dates_workspace.models_folder, workspace.models_folder, symlinks=True)
    return workspace


@pytest.fixture
def sentences(tmp_path: Path) -> dict[str, Path]:
    """Files of sources and of their references."""
    texts = {"source": "1 May 2003\nMarch 3, 1999\n", "target": "2003-05-01\n1999-03-03\n"}
    for side, text in texts.items():
        (tmp_path / side).write_text(text, encoding="utf-8")
    return {side: tmp_path / side for side in texts}


def test_a_twin_is_published_beside_the_model(
    beamscope: Beamscope, workspace: Workspace, sentences: dict[str, Path]
) -> None:
    on = ("--quantize-on", str(sentences["source"]), "--references", str(sentences["target"]))
    outcome = beamscope(*EXPORT, "--quantize", "int8", *on, "--workspace", str(workspace.root))
    assert outcome.exit_code == 0, outcome.stderr
    assert "Published int8 twin dates-int8" in outcome.stdout
    assert "on 2 sentences the most probable token is the same before" in outcome.stdout
    assert "BLEU 100.00 (full 100.00)" in outcome.stdout
    assert workspace.model_ids() == ("dates", "dates-int8")
    document = json.loads(
        beamscope(*EXPORT, "--quantize", "int8", *on, "--json", "--workspace", str(workspace.root)).stdout
    )
    assert (document["changed"], document["twin"]["changed"]) == (False, False)
    assert document["twin"]["quantization"]["comparison"]["scores"]["bleu"] == [100.0, 100.0]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--quantize", "int4"), "'int4' is not one of 'int8', 'float16'"),
        (("--quantize-on", "x"), "add --quantize int8"),
        (("--quantize", "int8", "--references", "x"), "name them too"),
        (("--quantize", "int8", "--least-agreement", "2"), "--least-agreement"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    beamscope: Beamscope, workspace: Workspace, arguments: tuple[str, ...], sentence: str
) -> None:
    outcome = beamscope(*EXPORT, *arguments, "--workspace", str(workspace.root))
    assert outcome.exit_code == 2
    assert sentence in one_sentence(outcome.stderr)


def test_missing_sentences_are_refused_before_anything_is_exported(beamscope: Beamscope, tmp_path: Path) -> None:
    arguments = ("--quantize", "int8", "--quantize-on", str(tmp_path / "missing"), "--workspace", str(tmp_path / "new"))
    (tmp_path / "new").mkdir()
    outcome = beamscope(*EXPORT, *arguments)
    assert (outcome.exit_code, Workspace(tmp_path / "new").model_ids()) == (1, ())
    assert "There is no corpus file" in one_sentence(outcome.stderr)
