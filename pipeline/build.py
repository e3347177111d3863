"""Building: a project becomes an exported model and a state store, in steps that can be run again at any time."""

from __future__ import annotations

import time
from pathlib import Path

from exported_models.manifest import ModelManifest
from exported_models.workspace import Workspace, check_artefact_name
from pipeline.build_lock import only_build
from pipeline.model_build import export_graphs, plan_model, publish_model, verify_graphs
from pipeline.progress import Progress
from pipeline.project import Project
from pipeline.summary import BuildSummary, ExportSummary


def build(project: Project, workspace: Workspace, *, progress: Progress) -> BuildSummary:
    """Bring the published model and store of a project up to date.

    Raises:
        PipelineError: the project, checkpoint, corpus or machine does not allow it; nothing is published then.
    """
    raise NotImplementedError


def export_model(
    checkpoint: Path,
    adapter: str | None,
    model_id: str,
    workspace: Workspace,
    *,
    progress: Progress,
) -> ExportSummary:
    """Export, verify and publish a checkpoint as a model alone.

    Raises:
        PipelineError: the checkpoint cannot be read or exported, or parity fails; nothing is published then.
    """
    started = time.monotonic()
    plan = plan_model(workspace, check_artefact_name(model_id), checkpoint, adapter)
    with only_build(plan.folder, f"The model {model_id}"):
        # 1. Graphs and tokenizers, staged
        export_graphs(plan, progress=progress)
        # 2. Parity with the source model
        verify_graphs(plan, None, progress=progress)
        # 3. Published in one step
        manifest, changed = publish_model(plan)
    return ExportSummary(
        model_id=model_id,
        model_hash=manifest.content_hash,
        folder=str(workspace.models_folder / model_id),
        changed=changed,
        parity=_parity(manifest),
        bytes=sum(int(entry["bytes"]) for entry in manifest.files.values()),
        seconds=time.monotonic() - started,
    )


def _parity(manifest: ModelManifest) -> dict[str, float | int | None]:
    return manifest.parity.model_dump() if manifest.parity else {}
