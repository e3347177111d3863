"""Artefacts are found by their manifest, and an unknown name lists the known ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from exported_models.contract.errors import WorkspaceError
from exported_models.contract.publishing import publish
from exported_models.contract.workspace import RESERVED_NAMES, Workspace, check_artefact_name


def publish_model(workspace: Workspace, name: str, text: str = "x") -> Path:
    staged = workspace.root / "staged"
    staged.mkdir()
    (staged / "data.txt").write_text(text, encoding="utf-8")
    workspace.models_folder.mkdir(exist_ok=True)
    return publish(staged, workspace.models_folder / name, {}, {})


def test_models_are_the_folders_with_a_manifest(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    publish_model(workspace, "dates")
    (workspace.models_folder / "code").mkdir()

    assert workspace.model_ids() == ("dates",)
    assert workspace.store_ids() == ()


def test_a_model_folder_is_resolved_to_one_immutable_build(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    publish_model(workspace, "dates", "old")
    opened = workspace.model_folder("dates")
    publish_model(workspace, "dates", "new")

    assert (opened / "data.txt").read_text(encoding="utf-8") == "old"
    assert workspace.model_folder("dates") != opened


def test_an_unknown_name_lists_the_known_ones(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    publish_model(workspace, "dates")

    with pytest.raises(WorkspaceError, match=r"no exported model named 'date' .*known: dates"):
        workspace.model_folder("date")


def test_an_empty_workspace_says_how_to_fill_it(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="beamscope build"):
        Workspace(tmp_path).store_folder("dates")


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "a b", "x" * 65, "é"])
def test_a_name_that_could_leave_the_workspace_is_refused(name: str) -> None:
    with pytest.raises(WorkspaceError, match="cannot name"):
        check_artefact_name(name)


@pytest.mark.parametrize("name", sorted(RESERVED_NAMES))
def test_a_name_of_a_folder_of_code_is_refused(name: str) -> None:
    with pytest.raises(WorkspaceError, match="folder of Beamscope's code"):
        check_artefact_name(name)
