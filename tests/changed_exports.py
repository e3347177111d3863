"""Copies of exported models with other graphs: those of older revisions, and others that a test makes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import onnx

from exported_models.contract.graphs import STEP_NORMALIZER, Graph
from exported_models.contract.manifest import load_model_manifest
from exported_models.contract.publishing import publish
from exported_models.contract.workspace import Workspace
from pipeline.graphs.export import seal
from pipeline.graphs.rewriting import keep_outputs


def copy_changed(folder: Path, copy: Path, change: Callable[[Path], object]) -> Path:
    """A copy of an exported model whose files were changed before its manifest was written."""
    shutil.copytree(folder, copy)
    change(copy)
    seal(copy, load_model_manifest(folder), None)
    return copy


def publish_changed(folder: Path, root: Path, change: Callable[[Path], object]) -> Workspace:
    """A workspace in ``root`` with a changed copy of a published model, by the same name."""
    workspace = Workspace(root / "changed")
    workspace.models_folder.mkdir(parents=True)
    staged = copy_changed(folder, root / "staged", change)
    manifest = load_model_manifest(staged)
    publish(staged, workspace.models_folder / manifest.model_id, manifest.for_publishing(), {})
    return workspace


def leave_out_normalizers(folder: Path) -> None:
    """Make the graphs those of a model without a repetition penalty from before export revision 12."""
    for graph in (Graph.DECODER_STEP, Graph.PLAIN_STEP, Graph.TEACHER_FORCED):
        path = folder / graph.filename
        if path.is_file():
            proto = onnx.load(path, load_external_data=False)
            inputs = list(proto.graph.input)  # graphs have inputs that they do not read, since all steps are fed alike
            keep_outputs(proto.graph, {entry.name for entry in proto.graph.output} - {STEP_NORMALIZER.name})
            del proto.graph.input[:]
            proto.graph.input.extend(inputs)
            path.write_bytes(proto.SerializeToString())


def leave_out_plain_step(folder: Path) -> None:
    """Make every step run in the graph with interventions."""
    (folder / Graph.PLAIN_STEP.filename).unlink()
