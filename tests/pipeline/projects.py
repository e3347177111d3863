"""Projects of the tests of builds, and comparing their stores."""

from __future__ import annotations

import re
from collections.abc import Sequence

from exported_models.contract.publishing import read_manifest
from exported_models.contract.workspace import Workspace
from pipeline.build.project_file import Project, load_project

NO_MAPS = "maps = []\n"


def data_files(workspace: Workspace) -> dict[str, str]:
    """The digest of every data file of the published store ``dates``."""
    manifest = read_manifest(workspace.store_folder("dates"))
    return {name: entry["sha256"] for name, entry in manifest["files"].items()}


def replace_corpus(project: Project, lines: Sequence[str], suffix: str) -> Project:
    """The project with these lines as the corpus that is encoded."""
    path = project.path.parent / f"train.{suffix}"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    text = re.sub(r"(?m)^train = .*", f"train = '{path}'", project.path.read_text(encoding="utf-8"))
    project.path.write_text(text, encoding="utf-8")
    return load_project(project.path)
