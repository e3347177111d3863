"""Executors are exchangeable: the same store, wherever its blocks were worked on."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import pytest

from exported_models.contract.workspace import Workspace
from pipeline.build.building import build
from pipeline.build.project_file import Project
from pipeline.progress import SilentProgress
from tests.pipeline.pool_executor import PoolExecutor
from tests.pipeline.projects import data_files, replace_corpus

QUIET = SilentProgress()


@pytest.mark.slow
@pytest.mark.parametrize("has_targets", [True, False])
def test_a_pool_of_processes_makes_the_same_store(
    project: Project, workspace: Workspace, tmp_path: Path, has_targets: bool
) -> None:
    if not has_targets:
        project = replace_corpus(project, [f"{day % 28 + 1} May {1950 + day}" for day in range(90)], "txt")
    local = Workspace(tmp_path / "local")
    shutil.copytree(workspace.root, local.root, symlinks=True)
    pool = PoolExecutor()
    pooled, plain = build(project, workspace, progress=QUIET, executor=pool), build(project, local, progress=QUIET)
    assert pooled.store_hash == plain.store_hash
    assert data_files(workspace) == data_files(local)
    # Three blocks and the held-out pairs; sources without targets are translated by the block before.
    assert len(pool.items) == (4 if has_targets else 7)
    # Values with paths and without arrays.
    assert all(len(pickle.dumps(item)) < 2_000 for item in pool.items)
