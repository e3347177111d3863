"""The int8 twin of a trained model says nearly what the model says."""

from __future__ import annotations

from pathlib import Path

import pytest

from exported_models.contract.manifest import load_model_manifest
from exported_models.contract.workspace import Workspace
from pipeline.export.checkpoints import export_model
from pipeline.export.twins import Comparison, export_twin
from pipeline.progress import SilentProgress
from tests.oracles.multi30k import CHECKPOINT, MODEL_ID, read_lines

pytestmark = [
    pytest.mark.slow,
    pytest.mark.oracle,
    pytest.mark.shared,
    pytest.mark.filterwarnings("ignore::UserWarning:transformers"),
]

SENTENCES = 100


def test_the_twin_of_a_trained_model_agrees(materials: Path, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    pairs = tmp_path / "pairs.tsv"
    sides = zip(read_lines(materials, SENTENCES), read_lines(materials, SENTENCES, "en"), strict=True)
    pairs.write_text("".join(f"{source}\t{target}\n" for source, target in sides), encoding="utf-8")
    full = export_model(materials / CHECKPOINT, None, MODEL_ID, workspace, progress=SilentProgress())
    twin = export_twin(MODEL_ID, "int8", Comparison(pairs), workspace, progress=SilentProgress())
    report = load_model_manifest(workspace.model_folder(twin.model_id)).quantization
    assert report is not None
    found = report.comparison
    assert found.agreement > 0.98
    assert found.log_prob < 0.05
    assert found.scores is not None
    assert abs(found.scores.bleu[0] - found.scores.bleu[1]) < 1.5
    assert abs(found.scores.chrf[0] - found.scores.chrf[1]) < 1.5
    # The table of embeddings stays in floats.
    assert twin.bytes < 0.65 * full.bytes
