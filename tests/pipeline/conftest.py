"""A workspace with the dates model and no store, and a small project to build one from."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from exported_models.contract.workspace import Workspace
from pipeline.build.project_file import Project, load_project
from tests.artefacts import write_dates_project
from tests.pipeline.projects import NO_MAPS


@pytest.fixture
def workspace(tmp_path: Path, dates_workspace: Workspace) -> Workspace:
    """A workspace in which the model is published already and nothing else is."""
    workspace = Workspace(tmp_path / "workspace")
    shutil.copytree(dates_workspace.models_folder, workspace.models_folder, symlinks=True)
    (workspace.builds_folder / "stores" / "dates").mkdir(parents=True)
    return workspace


@pytest.fixture
def project(tmp_path: Path, dates_workspace: Workspace) -> Project:
    """The dates project with 90 pairs in three shards, its corpus written already."""
    generated = dates_workspace.builds_folder / "stores" / "dates" / "corpus"
    path = write_dates_project(tmp_path, NO_MAPS)
    text = re.sub(r"generator = .*\n", "", path.read_text(encoding="utf-8"))
    text = text.replace("limit = 300", "limit = 90").replace("= 100", "= 30")
    for name in ("train", "validation"):
        text = text.replace(f'"{name}.tsv"', f"'{generated / name}.tsv'")
    path.write_text(text, encoding="utf-8")
    return load_project(path)
