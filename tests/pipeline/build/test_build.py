"""Building the dates project: what it makes, that a second run does nothing, and that an interrupted one goes on."""

from __future__ import annotations

import io
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import pipeline.store.encode
from exported_models.contract.errors import BeamscopeError
from exported_models.contract.manifest import SpaceSpec
from exported_models.contract.publishing import check_files
from exported_models.contract.request import Request
from exported_models.contract.workspace import Workspace
from exported_models.engine import Engine
from exported_models.runtime.model import ExportedModel
from exported_models.search.scoring import force_batch
from pipeline.build.building import build, is_up_to_date, open_build
from pipeline.build.project_file import Project, load_project
from pipeline.errors import BuildError, CorpusError, ProjectFileError
from pipeline.export.planned import find_model
from pipeline.progress import LineProgress, SilentProgress
from pipeline.store.plan import StorePlan
from pipeline.work.lock import only_build
from state_store.check import check_contents
from state_store.manifest import load_store_manifest
from state_store.pairs import PairTable
from state_store.shards import SentenceStates, write_shard
from state_store.store import StateStore
from tests.artefacts import ROOT
from tests.pipeline.projects import NO_MAPS, data_files

QUIET = SilentProgress()


def test_the_store_holds_the_corpus_and_belongs_to_the_model(
    dates_workspace: Workspace, dates_model: ExportedModel, dates_store: StateStore
) -> None:
    manifest = dates_store.manifest
    assert manifest.model_hash == dates_model.content_hash
    assert manifest.corpus.pairs == 300
    assert manifest.space_names == ("encoder", "decoder", "context")
    for space in manifest.spaces:
        assert space.index.recall_at_10 >= 0.99
        assert space.index.recall_queries > 0
        assert space.calibration_states > 0
        assert space.maps == ("umap", "landmark_mds")
    assert check_contents(dates_workspace.store_folder("dates")) == []


def test_rows_are_the_states_of_the_tokens_they_name(dates_model: ExportedModel, dates_store: StateStore) -> None:
    pair = dates_store.pair(7)
    source = dates_model.source_tokenizer.encode(pair.source, end=True)
    target = dates_model.target_tokenizer.encode(pair.target, end=True)
    (forced,) = force_batch(dates_model, [source.ids], [target.ids])
    for name, ids in (("encoder", source.ids), ("decoder", target.ids), ("context", target.ids)):
        space = dates_store.space(name).space
        rows = list(space.rows_of(7))
        assert space.tokens[rows][:, 2].tolist() == list(ids)
        np.testing.assert_allclose(space.vectors[rows], space.normalize(forced.states[name]), atol=2e-3)


def test_a_second_build_changes_nothing_and_says_so(project: Project, workspace: Workspace) -> None:
    first = build(project, workspace, progress=QUIET)
    folder = workspace.store_folder("dates")
    files = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    second = build(project, workspace, progress=QUIET)
    assert (first.changed, second.changed) == (True, False)
    assert workspace.store_folder("dates") == folder
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == files
    assert first.store_hash == second.store_hash
    assert second.steps == ()


def test_a_summary_is_json_and_back(project: Project, workspace: Workspace) -> None:
    summary = build(project, workspace, progress=QUIET)
    assert type(summary).from_document(json.loads(json.dumps(summary.to_document()))) == summary


def test_a_map_more_keeps_the_encoded_corpus(project: Project, workspace: Workspace) -> None:
    first = build(project, workspace, progress=QUIET)
    before = data_files(workspace)
    text = project.path.read_text(encoding="utf-8")
    project.path.write_text(text.replace(NO_MAPS, "maps = ['landmark_mds']\n"), encoding="utf-8")
    second = build(load_project(project.path), workspace, progress=QUIET)
    cached = {step.name for step in second.steps if step.cached}
    assert {"plan", "export", "verify", "encode", "index"} <= cached
    after = data_files(workspace)
    assert before == {name: digest for name, digest in after.items() if "map." not in name}
    assert sum("map.landmark_mds" in name for name in after) == 3
    assert second.store_hash != first.store_hash


def test_a_published_store_that_was_damaged_is_built_again(project: Project, workspace: Workspace) -> None:
    build(project, workspace, progress=QUIET)
    good = data_files(workspace)
    vectors = workspace.store_folder("dates") / "spaces" / "encoder" / "vectors.npy"
    content = bytearray(vectors.read_bytes())
    content[-1] ^= 1
    vectors.write_bytes(content)
    summary = build(project, workspace, progress=QUIET)
    assert summary.changed
    assert not [check for check in check_files(workspace.store_folder("dates")) if check.problem]
    assert data_files(workspace) == good


# In the real code, only with time to be killed in: after every shard, and with half an index written.
SLOW_BUILD = """
import sys, time
from pathlib import Path
import pipeline.store.encode, pipeline.store.index
from exported_models.contract.workspace import Workspace
from pipeline.build.building import build
from pipeline.progress import SilentProgress
from pipeline.build.project_file import load_project

write_shard, build_index = pipeline.store.encode.write_shard, pipeline.store.index.build_index

def write_shard_slowly(*arguments):
    write_shard(*arguments)
    time.sleep(SHARD_SECONDS)

def build_index_slowly(folder, *arguments):
    folder.mkdir()
    (folder / "partial").write_bytes(b"half an index")
    time.sleep(60)

pipeline.store.encode.write_shard = write_shard_slowly
pipeline.store.index.build_index = build_index_slowly
build(load_project(Path(sys.argv[1])), Workspace(Path(sys.argv[2])), progress=SilentProgress())
"""
# At which moment a build is killed: the files that show it, how many, and how long the build stays after a shard.
MOMENTS = {"encode": ("shards/*", 2, 2), "index": ("staged/spaces/encoder/index/partial", 1, 0)}


def kill_build(project: Project, workspace: Workspace, moment: str) -> None:
    """Start a build in a process of its own and kill it at that moment."""
    pattern, marks, seconds = MOMENTS[moment]
    folder = workspace.builds_folder / "stores" / "dates"
    code = SLOW_BUILD.replace("SHARD_SECONDS", str(seconds))
    command = [sys.executable, "-c", code, str(project.path), str(workspace.root)]
    with subprocess.Popen(command, cwd=ROOT) as process:
        deadline = time.monotonic() + 120
        while count_paths(folder, pattern) < marks and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert count_paths(folder, pattern) == marks


def count_paths(folder: Path, pattern: str) -> int:
    """The number of finished files or folders that match; unfinished ones have a leading dot."""
    return sum(not path.name.startswith(".") for path in folder.glob(pattern))


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_build_goes_on_and_ends_in_the_same_store(
    project: Project, workspace: Workspace, tmp_path: Path, moment: str
) -> None:
    whole = Workspace(tmp_path / "whole")
    shutil.copytree(workspace.root, whole.root, symlinks=True)
    build(project, whole, progress=QUIET)
    kill_build(project, workspace, moment)
    assert workspace.store_ids() == ()
    summary = build(project, workspace, progress=QUIET)
    assert summary.changed
    assert data_files(workspace) == data_files(whole)
    cached = {step.name for step in summary.steps if step.cached}
    assert {"plan", "export", "verify"} <= cached
    assert ("encode" in cached) == (moment == "index")


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The source tokens of every block that is encoded from now on, by block."""
    blocks: list[list[str]] = []

    def watched(folder: Path, spaces: Sequence[SpaceSpec], sentences: Sequence[SentenceStates]) -> None:
        blocks.append([str(sentence.source_ids) for sentence in sentences])
        write_shard(folder, spaces, sentences)

    monkeypatch.setattr(pipeline.store.encode, "write_shard", watched)
    return blocks


@pytest.mark.slow
def test_finished_shards_are_not_encoded_again(
    project: Project, workspace: Workspace, encoded: list[list[str]]
) -> None:
    kill_build(project, workspace, "encode")
    build(project, workspace, progress=QUIET)
    # The third of the corpus, and the held-out pairs.
    assert [len(block) for block in encoded] == [30, 90]


def test_one_build_of_a_name_at_a_time(project: Project, workspace: Workspace) -> None:
    holder = "import sys, time; from pathlib import Path; from pipeline.work.lock import only_build\n"
    holder += "with only_build(Path(sys.argv[1]), 'x'): print('held', flush=True); time.sleep(60)\n"
    folder = workspace.builds_folder / "stores" / "dates"
    command = [sys.executable, "-c", holder, str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(BuildError, match=rf"dates is being built by another command \(process {process.pid}\)"):
            build(project, workspace, progress=QUIET)
        process.kill()
    with only_build(folder, "x"):
        pass


def test_too_small_a_disk_is_refused_before_anything_is_encoded(
    project: Project, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=100_000, path=path))
    with pytest.raises(BuildError, match=r"needs about [\d.]+ MB in .*, but 100 kB are free"):
        build(project, workspace, progress=QUIET)
    assert workspace.store_ids() == ()


def test_a_build_that_goes_on_needs_room_for_the_rest_alone(
    project: Project, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = workspace.builds_folder / "stores" / "dates"

    def stop(*arguments: object) -> dict[str, int]:  # noqa: ARG001 (a stand-in)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(pipeline.store.encode, "merge_shards", stop)
        with pytest.raises(KeyboardInterrupt):
            build(project, workspace, progress=QUIET)
    needed, shards = planned_room(project, workspace)
    there = sum(path.stat().st_size for shard in shards for path in (folder / "shards" / shard).iterdir())
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=needed - there, path=path))
    assert build(project, workspace, progress=QUIET).changed
    # One more map of what is encoded and published takes less than its states.
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=needed // 4, path=path))
    text = project.path.read_text(encoding="utf-8")
    project.path.write_text(text.replace(NO_MAPS, "maps = ['landmark_mds']\n"), encoding="utf-8")
    assert build(load_project(project.path), workspace, progress=QUIET).changed


def planned_room(project: Project, workspace: Workspace) -> tuple[int, list[str]]:
    """Bytes that the planned build needs, and the names of its shards."""
    with open_build(project, workspace, progress=QUIET) as run:
        plan = run.store.ledger.find("plan", run.store.plan_fingerprint, StorePlan)
        model = find_model(run.store.model)
        assert plan is not None
        assert model is not None
        settings = run.store.state_settings(model)
        return plan.bytes_needed, [settings.shard_name(block) for block in plan.blocks]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_disk_that_fills_up_is_one_sentence_and_leaves_what_was_published(
    project: Project, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(project, workspace, progress=QUIET)
    good = data_files(workspace)
    project.path.write_text(
        project.path.read_text(encoding="utf-8").replace("shard_pairs = 30", "shard_pairs = 45"), encoding="utf-8"
    )
    shards = workspace.builds_folder / "stores" / "dates" / "shards"
    real = Path.open

    def full(self: Path, *arguments: object, **named: object) -> object:
        on_full_disk = self.name == "decoder.states.npy" and self.parent.parent == shards and count_paths(shards, "*")
        return real(Path("/dev/full") if on_full_disk else self, *arguments, **named)  # type: ignore[call-overload]

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", full)
        with pytest.raises(BeamscopeError, match="disk is full"):
            build(load_project(project.path), workspace, progress=QUIET)
    assert data_files(workspace) == good
    assert build(load_project(project.path), workspace, progress=QUIET).changed


def test_a_corpus_without_usable_pairs_is_refused(project: Project, workspace: Workspace, tmp_path: Path) -> None:
    corpus = tmp_path / "emoji.tsv"
    corpus.write_text("😀\t2000-01-01\n", encoding="utf-8")
    text = re.sub(r"train = .*", f"train = '{corpus}'", project.path.read_text(encoding="utf-8"))
    project.path.write_text(text, encoding="utf-8")
    with pytest.raises(CorpusError, match=r"no pair that can be encoded \(emoji.tsv, line 1: The character"):
        build(load_project(project.path), workspace, progress=QUIET)


@pytest.mark.parametrize("model_is_there", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_pairs_that_cannot_be_read_are_left_out_and_counted(
    project: Project, workspace: Workspace, tmp_path: Path, model_is_there: bool
) -> None:
    if not model_is_there:
        shutil.rmtree(workspace.models_folder)
    corpus = tmp_path / "mixed.tsv"
    corpus.write_text("1 May 2003\t2003-05-01\n😀\t2000-01-01\n2 May 2003\t2003-05-02\n", encoding="utf-8")
    text = re.sub(r"train = .*", f"train = '{corpus}'", project.path.read_text(encoding="utf-8"))
    project.path.write_text(text, encoding="utf-8")
    log = io.StringIO()
    summary = build(load_project(project.path), workspace, progress=LineProgress(log))
    assert (summary.pairs, summary.pairs_left_out) == (2, 1)
    assert "1 pair is left out; the first: mixed.tsv, line 2: The character" in log.getvalue()


def test_every_pair_of_a_store_can_be_opened(project: Project, workspace: Workspace, tmp_path: Path) -> None:
    corpus = tmp_path / "sources.txt"
    lines = ["1 May 2003", "2 May\x07 2003", "3\tMay 2003", "4 " * 1_001 + "May 2003", "5 May 2003"]
    corpus.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    text = re.sub(r"train = .*", f"train = '{corpus}'", project.path.read_text(encoding="utf-8"))
    project.path.write_text(text, encoding="utf-8")
    log = io.StringIO()
    summary = build(load_project(project.path), workspace, progress=LineProgress(log))
    assert (summary.pairs, summary.pairs_left_out) == (2, 3)
    assert "sources.txt, line 2: The source text holds the control character U+0007" in log.getvalue()
    engine = Engine(workspace, threads=1)
    for pair in PairTable(workspace.store_folder("dates"), 2):
        assert engine.translate(Request("dates", pair.source)).best.text


def test_an_unknown_space_is_refused_with_the_known_ones(project: Project, workspace: Workspace) -> None:
    text = project.path.read_text(encoding="utf-8") + "spaces = ['encodr']\n"
    project.path.write_text(text, encoding="utf-8")
    with pytest.raises(ProjectFileError, match=r"'encodr', which dates does not have \(known: encoder, decoder"):
        build(load_project(project.path), workspace, progress=QUIET)


def test_without_a_validation_corpus_one_percent_is_held_out(project: Project, workspace: Workspace) -> None:
    text = re.sub(r"validation = .*\n", "", project.path.read_text(encoding="utf-8")).replace("= 90", "= 200")
    project.path.write_text(text, encoding="utf-8")
    summary = build(load_project(project.path), workspace, progress=QUIET)
    assert summary.pairs == 198
    manifest = load_store_manifest(workspace.store_folder("dates"))
    assert all(space.calibration_states > 0 for space in manifest.spaces)


def test_a_generator_that_fails_is_told_with_its_last_words(
    project: Project, workspace: Workspace, tmp_path: Path
) -> None:
    (tmp_path / "broken.py").write_text("raise SystemExit('no data today')", encoding="utf-8")
    text = project.path.read_text(encoding="utf-8").replace("[corpus]", "[corpus]\ngenerator = 'broken.py'")
    project.path.write_text(text, encoding="utf-8")
    with pytest.raises(CorpusError, match=r"broken.py failed with exit code 1: no data today"):
        build(load_project(project.path), workspace, progress=QUIET)


def test_the_last_words_of_a_generator_may_be_in_any_encoding(
    project: Project, workspace: Workspace, tmp_path: Path
) -> None:
    script = "import sys; sys.stderr.buffer.write(b'no caf\\xe9'); sys.exit(3)"
    (tmp_path / "latin.py").write_text(script, encoding="utf-8")
    text = project.path.read_text(encoding="utf-8").replace("[corpus]", "[corpus]\ngenerator = 'latin.py'")
    project.path.write_text(text, encoding="utf-8")
    with pytest.raises(CorpusError, match="failed with exit code 3: no caf\N{REPLACEMENT CHARACTER}"):
        build(load_project(project.path), workspace, progress=QUIET)


def test_what_is_up_to_date_is_known_without_building(dates_workspace: Workspace) -> None:
    project = load_project(dates_workspace.root / "project.toml")
    with open_build(project, dates_workspace, progress=QUIET) as run:
        assert is_up_to_date(run.store)


def test_importing_the_build_imports_nothing_heavy() -> None:
    code = "import sys, pipeline.build.building, pipeline.run.flow, pipeline.run.schedule; "
    code += "print([m for m in ('torch', 'prefect', 'umap', 'dask', 'transformers') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
