"""Twins in 16-bit floats: their arithmetic, their weights, and what they answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from exported_models.contract.graphs import WEIGHTS_FILE, Graph
from exported_models.contract.manifest import load_model_manifest
from exported_models.contract.request import Request
from exported_models.contract.workspace import Workspace
from exported_models.engine import Engine
from exported_models.runtime.model import ExportedModel
from exported_models.search.states import force_with_states
from pipeline.errors import ExportError
from pipeline.export.twins import Comparison, export_twin
from pipeline.graphs import products
from pipeline.graphs.quantize import quantize_graphs
from pipeline.parity.searches import decode_ids
from pipeline.progress import SilentProgress
from tests.artefacts import TinyExport
from tests.changed_exports import copy_changed
from tests.pipeline.product_graphs import Floats, run_graph, write_graphs

IDS = np.array([3, 7, 7, 290])


def test_products_and_tables_are_in_halves(tmp_path: Path) -> None:
    """Against NumPy with rounded weights and inputs. ONNX Runtime may round a result that stays on a CPU or not."""
    table, projection, x = write_graphs(tmp_path / "full")
    (tmp_path / "twin").mkdir()

    assert quantize_graphs(tmp_path / "full", tmp_path / "twin", "weights.bin", "float16") == 3

    logits, states = run_graph(tmp_path / "twin" / Graph.DECODER_STEP.filename, {"x": x, "ids": IDS})
    wanted = _halve(x) @ _halve(table).T
    assert np.abs(logits - 0.5 - wanted).max() <= np.abs(wanted).max() * 2**-11
    assert np.array_equal(states, _halve(table)[IDS])
    full, _ = run_graph(tmp_path / "full" / Graph.DECODER_STEP.filename, {"x": x, "ids": IDS})
    assert 0 < np.abs(logits - full).max() < 0.01 * full.std()
    (projected,) = run_graph(tmp_path / "twin" / Graph.ENCODER.filename, {"x": x})
    wanted = _halve(x) @ _halve(projection)
    assert np.abs(projected - wanted).max() <= np.abs(wanted).max() * 2**-11


def test_weights_take_half_the_bytes_and_tied_ones_lie_there_once(tmp_path: Path) -> None:
    table, projection, _ = write_graphs(tmp_path / "full")
    (tmp_path / "twin").mkdir()
    quantize_graphs(tmp_path / "full", tmp_path / "twin", "weights.bin", "float16")
    weights = (tmp_path / "twin" / "weights.bin").read_bytes()
    # And a bias; each begins a page of its own.
    assert 0 < len(weights) - (table.nbytes + projection.nbytes) // 2 < 4 * 4096
    assert table.astype(np.float16).tobytes() in weights


def test_a_weight_beyond_the_largest_half_is_refused(tmp_path: Path) -> None:
    write_graphs(tmp_path / "full", scale=1e5)
    (tmp_path / "twin").mkdir()
    with pytest.raises(ExportError, match="The weights table reach beyond 65,504, the largest number of float16"):
        quantize_graphs(tmp_path / "full", tmp_path / "twin", "weights.bin", "float16")
    assert not list((tmp_path / "twin").iterdir())


def test_a_twin_answers_as_its_model(workspace: Workspace, tmp_path: Path) -> None:
    sentences = tmp_path / "sentences.txt"
    sentences.write_text("1 May 2003\nMarch 3, 1999\n", encoding="utf-8")

    summary = export_twin("dates", "float16", Comparison(sentences), workspace, progress=SilentProgress())

    full, twin = (load_model_manifest(workspace.model_folder(name)) for name in ("dates", "dates-float16"))
    assert twin.quantization is not None
    assert (twin.quantization.kind, twin.architecture) == ("float16", f"{full.architecture}, float16")
    assert summary.model_id == "dates-float16"
    assert twin.bytes < 0.8 * full.bytes  # its recurrent layers stay as they are
    assert twin.quantization.comparison.agreement == 1
    engine = Engine(workspace, threads=1)
    for text in ("1 May 2003", "4 декабря 1996 г."):
        answers = [engine.translate(Request(name, text)).best for name in ("dates", "dates-float16")]
        assert answers[0].text == answers[1].text
        assert 0 < abs(answers[0].score - answers[1].score) < 0.01


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("family", ["marian", "t5", "t5gemma"])
def test_every_graph_of_a_transformer_runs_in_halves(
    family: str, tiny_export: Callable[[str], TinyExport], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Searches, forced targets and states on demand, each close to what it is in floats."""
    monkeypatch.setattr(products, "LARGE", 64)
    full = tiny_export(family)
    twin = copy_changed(full.graphs, tmp_path / "twin", lambda folder: _make_twin(full.graphs, folder))
    models = [full.open(), ExportedModel.open(twin, threads=1)]
    sources, targets = [(5, 9, 30, models[0].manifest.end_id)], [(40, 7, 22, models[0].manifest.end_id)]

    forced = [force_with_states(model, sources, targets)[0] for model in models]
    found = [decode_ids(model, sources[0], longest=8) for model in models]

    for path in twin.glob("*.onnx"):
        made = {node.op_type for node in onnx.load(path, load_external_data=False).graph.node}
        assert made >= {"Cast"}, path.name
    np.testing.assert_allclose(forced[1].log_probs, forced[0].log_probs, atol=0.1)
    assert forced[0].states.keys() == forced[1].states.keys()
    for space, states in forced[0].states.items():
        largest = np.abs(states).max()
        np.testing.assert_allclose(forced[1].states[space], states, atol=0.01 * largest, err_msg=space)
    assert found[1].steps[0].top_ids[0, 0] == found[0].steps[0].top_ids[0, 0]
    assert found[1].best.score == pytest.approx(found[0].best.score, abs=0.2)


def _make_twin(full: Path, folder: Path) -> None:
    assert quantize_graphs(full, folder, WEIGHTS_FILE, "float16") > 0
    (folder / Graph.FOLDED_BEAM_SEARCH.filename).unlink(missing_ok=True)


def _halve(values: Floats) -> Floats:
    return values.astype(np.float16).astype(np.float32)
