"""Projects that ask for a quantized twin: both models come with a store of their own."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from exported_models.contract.manifest import load_model_manifest
from exported_models.contract.publishing import read_manifest
from exported_models.contract.twins import TwinKind
from exported_models.contract.workspace import Workspace
from exported_models.runtime.model import ExportedModel
from exported_models.search.scoring import force_batch
from pipeline.build.building import build, find_unchanged
from pipeline.build.project_file import Project, load_project
from pipeline.build.summary import BuildSummary
from pipeline.errors import ProjectFileError
from pipeline.progress import SilentProgress
from state_store.store import StateStore

QUIET = SilentProgress()


@pytest.fixture
def with_twin(project: Project) -> Project:
    """The small dates project, which asks for a twin."""
    return ask_for_twin(project)


def ask_for_twin(project: Project, kind: TwinKind = "int8") -> Project:
    """The same project with a twin."""
    text = project.path.read_text(encoding="utf-8")
    path = project.path.with_name("twin.toml")
    path.write_text(text.replace('id = "dates"\n', f'id = "dates"\nquantize = "{kind}"\n', 1), encoding="utf-8")
    return load_project(path)


@pytest.mark.parametrize("kind", get_args(TwinKind))
def test_both_models_have_a_store_that_is_bound_to_them(workspace: Workspace, project: Project, kind: TwinKind) -> None:
    name_of_twin = f"dates-{kind}"
    summary = build(ask_for_twin(project, kind), workspace, progress=QUIET)

    assert summary.twin is not None
    assert (summary.twin.model_id, summary.twin.store_id) == (name_of_twin, name_of_twin)
    assert summary.twin.pairs == summary.pairs == 90
    assert [step.name for step in summary.twin.steps] == [
        "plan", "quantize", "encode", "index", "map", "publish",
    ]  # fmt: skip
    for name in ("dates", name_of_twin):
        model = ExportedModel.open(workspace.model_folder(name), threads=1)
        store = StateStore.open(workspace.store_folder(name), model)
        assert store.manifest.model_hash == model.content_hash
        pair = store.pair(7)
        source, target = (
            tokenizer.encode(text, end=True).ids
            for tokenizer, text in ((model.source_tokenizer, pair.source), (model.target_tokenizer, pair.target))
        )
        (forced,) = force_batch(model, [source], [target])
        nearest = store.neighbors("decoder", forced.states["decoder"], k=1, exclude_source=None)
        assert max(found[0].distance for found in nearest) < 0.05
    assert summary.twin.store_hash != summary.store_hash
    report = load_model_manifest(workspace.model_folder(name_of_twin)).quantization
    assert report is not None
    assert not report.comparison.made_up
    assert summary.twin.quantization == report.model_dump(mode="json")


def test_a_second_build_does_nothing(workspace: Workspace, with_twin: Project) -> None:
    assert find_unchanged(with_twin, workspace, progress=QUIET) is None
    first = build(with_twin, workspace, progress=QUIET)

    again = build(with_twin, workspace, progress=QUIET)

    assert (first.changed, again.changed) == (True, False)
    assert first.twin is not None
    assert again.twin is not None
    assert (again.twin.changed, again.twin.steps) == (False, ())
    assert again.twin.store_hash == first.twin.store_hash
    found = find_unchanged(with_twin, workspace, progress=QUIET)
    assert found is not None
    assert found.twin is not None
    assert BuildSummary.from_document(found.to_document()) == found


def test_asking_for_a_twin_later_leaves_the_full_model_and_its_store(workspace: Workspace, project: Project) -> None:
    alone = build(project, workspace, progress=QUIET)
    assert alone.twin is None
    before = read_manifest(workspace.store_folder("dates"))
    with_twin = ask_for_twin(project)
    assert find_unchanged(with_twin, workspace, progress=QUIET) is None

    summary = build(with_twin, workspace, progress=QUIET)

    assert not summary.changed
    assert read_manifest(workspace.store_folder("dates")) == before
    assert summary.twin is not None
    assert summary.twin.changed
    assert workspace.store_ids() == ("dates", "dates-int8")


def test_names_that_leave_no_room_for_the_twins_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "project.toml"
    name = "a" * 62
    path.write_text(f'[model]\nid = "{name}"\ncheckpoint = "c"\nquantize = "int8"\n[corpus]\ntrain = "t.tsv"\n')

    with pytest.raises(ProjectFileError, match=rf"project\.toml: .*{name}-int8"):
        load_project(path)
