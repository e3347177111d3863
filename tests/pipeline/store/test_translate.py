"""A corpus of sources alone: the model translates it, by the shard, and its store says whose the targets are."""

from __future__ import annotations

import io
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from exported_models.contract.publishing import write_json_atomically
from exported_models.contract.request import Request
from exported_models.contract.workspace import Workspace
from exported_models.engine import Engine
from exported_models.runtime.model import ExportedModel
from exported_models.search.greedy import GreedyTranslation, translate_batch
from pipeline.build.building import build
from pipeline.build.project_file import Project, load_project
from pipeline.errors import CorpusError
from pipeline.progress import LineProgress, SilentProgress
from state_store.manifest import StoreManifest, load_store_manifest
from state_store.pairs import PairTable, StoredPair
from tests.artefacts import ROOT
from tests.pipeline.projects import data_files

QUIET = SilentProgress()


def read_column(project: Project, name: str, column: int) -> list[str]:
    """A column of the first 90 lines of one of the project's corpora."""
    (path,) = re.findall(rf"^{name} = '(.*)'", project.path.read_text(encoding="utf-8"), re.MULTILINE)
    return [line.split("\t")[column] for line in Path(path).read_text(encoding="utf-8").splitlines()[:90]]


def set_corpus(project: Project, name: str, lines: list[str], suffix: str = "txt") -> Project:
    """The project with other lines in a corpus; its file is written anew."""
    path = project.path.parent / f"{name}.{suffix}"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    text = re.sub(rf"(?m)^{name} = .*", f"{name} = '{path}'", project.path.read_text(encoding="utf-8"))
    project.path.write_text(text, encoding="utf-8")
    return load_project(project.path)


@pytest.fixture
def sources_project(project: Project) -> Project:
    """The 90 pairs in three shards and the held-out ones, without their targets."""
    for name in ("train", "validation"):
        project = set_corpus(project, name, read_column(project, name, 0))
    return project


def read_store(workspace: Workspace) -> tuple[StoreManifest, list[StoredPair]]:
    folder = workspace.store_folder("dates")
    manifest = load_store_manifest(folder)
    return manifest, list(PairTable(folder, manifest.corpus.pairs))


def test_targets_are_the_models_own_and_said_to_be(sources_project: Project, workspace: Workspace) -> None:
    log = io.StringIO()
    summary = build(sources_project, workspace, progress=LineProgress(log))
    manifest, pairs = read_store(workspace)
    assert (summary.pairs, summary.targets_by_model, manifest.corpus.kind) == (90, True, "model_output")
    assert all(pair.target_is_model_output for pair in pairs)
    engine = Engine(workspace, threads=1)
    for pair in pairs[::7]:
        request = Request("dates", pair.source, beam_size=1, early_stopping="first")
        assert pair.target == engine.translate(request).best.text
    assert all(space.calibration_states > 0 for space in manifest.spaces)
    assert "90 sources without targets" in log.getvalue()
    assert "90 sentence pairs" in log.getvalue()


def test_a_second_build_changes_nothing(sources_project: Project, workspace: Workspace) -> None:
    first = build(sources_project, workspace, progress=QUIET)
    second = build(sources_project, workspace, progress=QUIET)
    assert (first.changed, second.changed) == (True, False)
    assert (second.pairs, second.targets_by_model) == (90, True)


def test_a_map_more_keeps_the_translations(
    sources_project: Project, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(sources_project, workspace, progress=QUIET)
    monkeypatch.setattr("pipeline.store.translate.translate_batch", refuse_to_translate)
    text = sources_project.path.read_text(encoding="utf-8").replace("maps = []", "maps = ['landmark_mds']")
    sources_project.path.write_text(text, encoding="utf-8")
    summary = build(load_project(sources_project.path), workspace, progress=QUIET)
    assert {"plan", "translate", "encode"} <= {step.name for step in summary.steps if step.cached}


def refuse_to_translate(*arguments: object) -> list[object]:
    raise AssertionError(f"translated again: {arguments}")


def test_sources_with_targets_are_not_translated(
    project: Project, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.store.translate.translate_batch", refuse_to_translate)
    summary = build(project, workspace, progress=QUIET)
    manifest, pairs = read_store(workspace)
    assert (summary.targets_by_model, manifest.corpus.kind) == (False, "parallel")
    assert not any(pair.target_is_model_output for pair in pairs)
    assert "translate" not in {step.name for step in summary.steps}


def test_only_the_held_out_sources_lack_targets(project: Project, workspace: Workspace) -> None:
    project = set_corpus(project, "validation", read_column(project, "validation", 0))
    summary = build(project, workspace, progress=QUIET)
    manifest, _ = read_store(workspace)
    assert (summary.targets_by_model, manifest.corpus.kind) == (False, "parallel")
    assert all(space.calibration_states > 0 for space in manifest.spaces)


def test_without_a_validation_corpus_one_percent_of_the_sources_is_held_out(
    sources_project: Project, workspace: Workspace
) -> None:
    text = re.sub(r"validation = .*\n", "", sources_project.path.read_text(encoding="utf-8"))
    sources_project.path.write_text(text, encoding="utf-8")
    project = set_corpus(sources_project, "train", [f"{day % 28 + 1} May {1950 + day % 99}" for day in range(100)])
    project.path.write_text(project.path.read_text(encoding="utf-8").replace("= 90", "= 100"), encoding="utf-8")
    assert build(load_project(project.path), workspace, progress=QUIET).pairs == 99
    manifest, pairs = read_store(workspace)
    assert pairs[-1].line == 99
    assert all(space.calibration_states > 0 for space in manifest.spaces)


def test_sources_that_cannot_be_read_or_translated_are_left_out(
    sources_project: Project, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = set_corpus(sources_project, "train", ["1 May 2003", "😀", "2 May 2003", "3 May 2003"])

    def cut_short(model: ExportedModel, sources: list[tuple[int, ...]]) -> list[GreedyTranslation]:
        return [*translate_batch(model, sources[:-1]), *translate_batch(model, sources[-1:], max_length=3)]

    monkeypatch.setattr("pipeline.store.translate.translate_batch", cut_short)
    log = io.StringIO()
    summary = build(project, workspace, progress=LineProgress(log))
    assert (summary.pairs, summary.pairs_left_out) == (2, 2)
    assert "1 pair is left out; the first: train.txt, line 2: The character" in log.getvalue()
    assert "2 pairs are left out; the first: train.txt, line 2: The character" in log.getvalue()


def test_a_corpus_of_which_no_translation_ends_is_refused(
    sources_project: Project, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "pipeline.store.translate.translate_batch", lambda *given: translate_batch(*given, max_length=2)
    )
    with pytest.raises(
        CorpusError, match=r"no pair that can be encoded \(train.txt, line 1: The model's translation does"
    ):
        build(sources_project, workspace, progress=QUIET)
    assert workspace.store_ids() == ()


def test_json_lines_say_that_they_have_sources_only(sources_project: Project, workspace: Workspace) -> None:
    lines = [json.dumps({"source": f"{day} May 2003", "note": "x"}) for day in range(1, 20)]
    project = set_corpus(sources_project, "train", lines, "jsonl")
    with pytest.raises(CorpusError, match="no field 'target'"):
        build(project, workspace, progress=QUIET)
    text = project.path.read_text(encoding="utf-8").replace("[corpus]", "[corpus]\ntarget_field = ''")
    project.path.write_text(text, encoding="utf-8")
    assert build(load_project(project.path), workspace, progress=QUIET).targets_by_model


def test_a_corpus_with_some_targets_is_refused_with_its_line(sources_project: Project, workspace: Workspace) -> None:
    project = set_corpus(sources_project, "train", ["1 May 2003", "2 May 2003\t2003-05-02"], "tsv")
    with pytest.raises(CorpusError, match="line 2: 2 columns where 1 is expected"):
        build(project, workspace, progress=QUIET)


# In the real code, only with time to be killed in after every shard of translations.
SLOW_BUILD = """
import sys, time
from pathlib import Path
import pipeline.store.translate
from exported_models.contract.workspace import Workspace
from pipeline.build.building import build
from pipeline.progress import SilentProgress
from pipeline.build.project_file import load_project

write = pipeline.store.translate.write_json_atomically

def write_slowly(*arguments):
    write(*arguments)
    time.sleep(2)

pipeline.store.translate.write_json_atomically = write_slowly
build(load_project(Path(sys.argv[1])), Workspace(Path(sys.argv[2])), progress=SilentProgress())
"""


@pytest.mark.slow
def test_a_killed_translation_goes_on_with_the_first_missing_shard(
    sources_project: Project, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Workspace(tmp_path / "whole")
    shutil.copytree(workspace.root, whole.root, symlinks=True)
    build(sources_project, whole, progress=QUIET)
    shards = workspace.builds_folder / "stores" / "dates" / "translations"
    command = [sys.executable, "-c", SLOW_BUILD, str(sources_project.path), str(workspace.root)]
    with subprocess.Popen(command, cwd=ROOT) as process:
        deadline = time.monotonic() + 120
        while len(list(shards.glob("[!.]*.json"))) < 2 and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    written: list[str] = []

    def watched(path: Path, value: object) -> None:
        written.append(path.name)
        write_json_atomically(path, value)

    monkeypatch.setattr("pipeline.store.translate.write_json_atomically", watched)
    summary = build(sources_project, workspace, progress=QUIET)
    # The third of the corpus, and the held-out sources.
    assert len(written) == 2
    assert {"plan", "export", "verify"} <= {step.name for step in summary.steps if step.cached}
    assert data_files(workspace) == data_files(whole)
