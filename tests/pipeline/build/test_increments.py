"""A corpus that changes: only the blocks that a change touches are encoded or translated again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

import pipeline.work.digests
from exported_models.contract.manifest import SpaceSpec
from exported_models.contract.publishing import digest_file
from exported_models.contract.workspace import Workspace
from exported_models.runtime.model import ExportedModel
from exported_models.search.greedy import GreedyTranslation, translate_batch
from pipeline.build.building import build
from pipeline.build.project_file import Project, load_project
from pipeline.progress import SilentProgress
from state_store.check import check_contents
from state_store.shards import SentenceStates, write_shard
from tests.pipeline.projects import data_files, replace_corpus

QUIET = SilentProgress()
BLOCK = 30
BLOCKS = 4


def name_day(number: int) -> str:
    return f"{number % 28 + 1} May {1900 + number}"


PAIRS = [f"{name_day(number)}\t{1900 + number}-05-{number % 28 + 1:02}" for number in range(BLOCK * BLOCKS)]


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the blocks that are encoded from now on."""
    sizes: list[int] = []

    def watched(folder: Path, spaces: Sequence[SpaceSpec], sentences: Sequence[SentenceStates]) -> None:
        sizes.append(len(sentences))
        write_shard(folder, spaces, sentences)

    monkeypatch.setattr("pipeline.store.encode.write_shard", watched)
    return sizes


@pytest.fixture
def large(project: Project, workspace: Workspace) -> Project:
    """A project of four blocks that is built already."""
    text = project.path.read_text(encoding="utf-8").replace("limit = 90\n", "")
    project.path.write_text(re.sub(r"(?m)^validation = .*$", validation(project), text), encoding="utf-8")
    made = replace_corpus(project, PAIRS, "tsv")
    build(made, workspace, progress=QUIET)
    return made


def validation(project: Project) -> str:
    """A line of the project file for held-out pairs that stay as they are."""
    path = project.path.parent / "held_out.tsv"
    path.write_text("".join(f"{day} March 2001\t2001-03-{day:02}\n" for day in range(1, 20)), encoding="utf-8")
    return f"validation = '{path}'"


APPENDED = "7 June 2004\t2004-06-07"
CHANGES = {
    "one pair appended": ([*PAIRS, APPENDED], [1]),
    "one pair appended to an open block": ([*PAIRS[:-5], APPENDED], [BLOCK - 4]),
    "one line changed": ([*PAIRS[:40], APPENDED, *PAIRS[41:]], [BLOCK]),
    "one line that cannot be read": ([*PAIRS[:40], "😀\t2004-06-07", *PAIRS[41:]], [BLOCK - 1]),
    "one line changed and one appended": ([*PAIRS[:3], APPENDED, *PAIRS[4:], APPENDED], [BLOCK, 1]),
    "the last block removed": (PAIRS[:-BLOCK], []),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_encodes_the_blocks_it_touches_and_no_others(
    large: Project, workspace: Workspace, encoded: list[int], change: str, tmp_path: Path
) -> None:
    lines, expected = CHANGES[change]
    changed = replace_corpus(large, lines, "tsv")
    build(changed, workspace, progress=QUIET)
    assert encoded == expected
    assert check_contents(workspace.store_folder("dates")) == []
    shards = workspace.builds_folder / "stores" / "dates" / "shards"
    assert len(list(shards.iterdir())) == -(-len(lines) // BLOCK) + 1
    # The same store as from nothing.
    anew = Workspace(tmp_path / "anew")
    anew.root.mkdir()
    anew.models_folder.symlink_to(workspace.models_folder)
    build(changed, anew, progress=QUIET)
    assert data_files(anew) == data_files(workspace)


def test_a_changed_source_translates_its_block_alone(
    large: Project, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = [line.split("\t")[0] for line in PAIRS]
    build(replace_corpus(large, sources, "txt"), workspace, progress=QUIET)
    translated: list[int] = []

    def watched(model: ExportedModel, batch: Sequence[Sequence[int]]) -> list[GreedyTranslation]:
        translated.append(len(batch))
        return translate_batch(model, batch)

    monkeypatch.setattr("pipeline.store.translate.translate_batch", watched)
    changed = replace_corpus(large, [*sources[:40], "7 June 2004", *sources[41:]], "txt")
    assert build(changed, workspace, progress=QUIET).pairs == len(sources)
    assert sum(translated) == BLOCK


def test_one_changed_line_digests_every_file_once(
    large: Project, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = replace_corpus(large, [*PAIRS[:40], APPENDED, *PAIRS[41:]], "tsv")
    read: list[int] = []

    def watched(path: Path) -> str:
        read.append(path.stat().st_ino)
        return digest_file(path)

    monkeypatch.setattr(pipeline.work.digests, "digest_file", watched)
    build(changed, workspace, progress=QUIET)
    published = {path.stat().st_ino for path in workspace.store_folder("dates").rglob("*.npy")}
    assert published <= set(read)
    assert len(read) == len(set(read))


def test_the_size_of_a_block_is_of_the_corpus_and_not_of_the_pairs_that_are_read(
    large: Project, workspace: Workspace, encoded: list[int]
) -> None:
    unreadable = ["😀\t2004-06-07" if 30 <= number < 90 else line for number, line in enumerate(PAIRS)]
    summary = build(replace_corpus(large, unreadable, "tsv"), workspace, progress=QUIET)
    assert (summary.pairs, summary.pairs_left_out, encoded) == (60, 60, [])
    assert load_project(large.path).content.store.shard_pairs == BLOCK
