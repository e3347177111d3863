"""Quantized twins: their arithmetic, their files, what their report says, and when they are refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import sacrebleu

from exported_models.contract.errors import WorkspaceError
from exported_models.contract.graphs import Graph
from exported_models.contract.manifest import load_model_manifest
from exported_models.contract.request import Request
from exported_models.contract.workspace import Workspace
from exported_models.engine import Engine
from exported_models.runtime.model import ExportedModel
from pipeline.errors import CorpusError, ExportError, QuantizationError
from pipeline.export.checkpoints import export_model
from pipeline.export.twins import Comparison, check_twin, export_twin
from pipeline.graphs import products
from pipeline.graphs.quantize import quantize_graphs
from pipeline.progress import SilentProgress
from state_store.errors import StoreError
from state_store.store import StateStore
from tests.pipeline.adapters.huggingface.tiny_checkpoints import save_tiny_checkpoint
from tests.pipeline.product_graphs import Floats, run_graph, write_graphs

QUIET = SilentProgress()
TEXTS = ("1 May 2003", "vendredi 15 février 2013", "4 декабря 1996 г.", "March 3, 1999")
DATES = ("2003-05-01", "2013-02-15", "1996-12-04", "1999-03-04")
"""The last is wrong."""


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(f"{text}\t{date}\n" for text, date in zip(TEXTS, DATES, strict=True)), encoding="utf-8")
    return path


def test_a_twin_is_a_model_of_its_own_that_says_what_it_was_made_from(workspace: Workspace, pairs: Path) -> None:
    summary = export_twin("dates", "int8", Comparison(pairs), workspace, progress=QUIET)
    full, twin = (load_model_manifest(workspace.model_folder(name)) for name in ("dates", "dates-int8"))
    report = twin.quantization
    assert report is not None
    assert (report.kind, report.model_id, report.model_hash) == ("int8", "dates", full.content_hash)
    assert (summary.model_id, summary.model_hash, summary.changed) == ("dates-int8", twin.content_hash, True)
    assert summary.quantization == report.model_dump(mode="json")
    assert (report.full_bytes, twin.parity, full.quantization) == (full.bytes, None, None)
    assert twin.bytes < full.bytes
    assert twin.content_hash != full.content_hash
    quantized = onnx.load(workspace.model_folder("dates-int8") / Graph.DECODER_STEP.filename).graph.node
    assert 0 < sum(node.op_type == "DynamicQuantizeMatMul" for node in quantized) <= report.products


def test_the_engine_runs_a_twin_as_any_model(workspace: Workspace, pairs: Path) -> None:
    export_twin("dates", "int8", Comparison(pairs), workspace, progress=QUIET)
    engine = Engine(workspace)
    for text in TEXTS:
        full, twin = (engine.translate(Request(name, text)) for name in ("dates", "dates-int8"))
        assert twin.best.text == full.best.text
        gap = abs(twin.best.score - full.best.score)
        assert 0 < gap < 0.05
    search = onnx.load(engine.model("dates-int8").folder / Graph.BEAM_SEARCH.filename, load_external_data=False)
    loop = next(node for node in search.graph.node if node.op_type == "Loop")
    assert any(node.op_type == "DynamicQuantizeMatMul" for node in loop.attribute[0].g.node)


def test_the_report_counts_what_the_engine_shows(workspace: Workspace, pairs: Path) -> None:
    export_twin("dates", "int8", Comparison(pairs), workspace, progress=QUIET)
    engine, report = Engine(workspace), load_model_manifest(workspace.model_folder("dates-int8")).quantization
    assert report is not None
    found = report.comparison
    best = {name: [engine.translate(Request(name, text)).best for text in TEXTS] for name in ("dates", "dates-int8")}
    assert (found.sentences, found.made_up, found.tokens) == (len(TEXTS), False, sum(len(date) + 1 for date in DATES))
    same = [one.token_ids == other.token_ids for one, other in zip(*best.values(), strict=True)]
    assert found.same_best == pytest.approx(np.mean(same))
    assert found.scores is not None
    texts = [[hypothesis.text for hypothesis in listed] for listed in best.values()]
    assert found.scores.bleu == tuple(round(sacrebleu.corpus_bleu(listed, [DATES]).score, 2) for listed in texts)
    assert found.scores.chrf == tuple(round(sacrebleu.corpus_chrf(listed, [DATES]).score, 2) for listed in texts)
    # Forced to the reference, a step's most probable token is the one that a prefix search proposes first.
    agreed, gaps = [], []
    for text, date in zip(TEXTS, DATES, strict=True):
        scores = [engine.score(Request(name, text), date) for name in ("dates", "dates-int8")]
        gaps.append(np.abs(scores[0].log_probs - scores[1].log_probs))
        steps = range(len(date) + 1)
        agreed += [
            _first(engine, "dates", text, date[:n]) == _first(engine, "dates-int8", text, date[:n]) for n in steps
        ]
    assert found.agreement == pytest.approx(np.mean(agreed))
    # Rows are quantized together: a search with other rows beside it gives slightly other numbers.
    assert found.log_prob == pytest.approx(np.concatenate(gaps).mean(), abs=2e-3)


def _first(engine: Engine, model_id: str, text: str, prefix: str) -> str:
    trace = engine.translate(Request(model_id, text, prefix=tuple(prefix), beam_size=1))
    step = trace.steps[len(prefix)]
    return trace.vocabulary[int(step.top_ids[0, 0])]


def test_sentences_without_references_give_agreement_alone(workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "sources.txt"
    path.write_text("\n".join(TEXTS), encoding="utf-8")
    export_twin("dates", "int8", Comparison(path), workspace, progress=QUIET)
    report = load_model_manifest(workspace.model_folder("dates-int8")).quantization
    assert report is not None
    assert report.comparison.scores is None
    assert report.comparison.agreement > 0.9


def test_what_is_there_already_is_not_made_again(workspace: Workspace, pairs: Path) -> None:
    first = export_twin("dates", "int8", Comparison(pairs), workspace, progress=QUIET)
    again = export_twin("dates", "int8", Comparison(pairs), workspace, progress=QUIET)
    assert (first.changed, again.changed, again.model_hash) == (True, False, first.model_hash)
    pairs.write_text("1 May 2003\t2003-05-01\n", encoding="utf-8")
    other = export_twin("dates", "int8", Comparison(pairs), workspace, progress=QUIET)
    assert (other.changed, other.model_hash) == (True, first.model_hash)
    assert other.quantization["comparison"]["sentences"] == 1


def test_a_twin_that_agrees_too_little_is_not_published(workspace: Workspace) -> None:
    """Made-up sentences are nothing that the model was trained on: it is hardly ever sure there."""
    with pytest.raises(QuantizationError, match=r"before 9\d\.\d\d% of [\d,]+ tokens, less than the 100.00% it must"):
        export_twin("dates", "int8", Comparison(least_agreement=1.0), workspace, progress=QUIET)
    assert workspace.model_ids() == ("dates",)


def test_a_store_of_the_full_model_is_not_the_twins(workspace: Workspace, dates_store: StateStore, pairs: Path) -> None:
    export_twin("dates", "int8", Comparison(pairs), workspace, progress=QUIET)
    with pytest.raises(StoreError):
        StateStore.open(dates_store.folder, ExportedModel.open(workspace.model_folder("dates-int8")))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "holds no sentence to compare on"),
        ("1 May 2003\t2003-05-01\n2 May\t\n", "line 2: the target column is empty"),
        (f"1 May 2003\t2003-05-01\n{'1' * 2000}\t2003-05-01\n", "line 2: The source text has 2001 tokens"),
        ("1 May 2003\t2003/05/01\n", "line 1: "),
    ],
    ids=["empty", "no target", "too long", "unknown character"],
)
def test_bad_sentences_are_refused_with_their_place(
    workspace: Workspace, pairs: Path, content: str, sentence: str
) -> None:
    pairs.write_text(content, encoding="utf-8")
    with pytest.raises(CorpusError) as caught:
        export_twin("dates", "int8", Comparison(pairs), workspace, progress=QUIET)
    assert str(pairs) in str(caught.value)
    assert sentence in str(caught.value)
    assert workspace.model_ids() == ("dates",)


def test_what_would_be_refused_later_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="There is no corpus file"):
        check_twin("dates", "int8", Comparison(tmp_path / "missing.txt"))
    with pytest.raises(WorkspaceError, match="cannot name a model"):
        check_twin("d" * 64, "int8", Comparison())


@pytest.mark.parametrize("at_once", [products.AT_ONCE, 5_000], ids=["whole", "in parts"])
def test_products_are_computed_in_integers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    """Against the same arithmetic in NumPy: weights with a scale for each output, inputs with one for all."""
    monkeypatch.setattr(products, "AT_ONCE", at_once)
    table, projection, x = write_graphs(tmp_path / "full")
    (tmp_path / "twin").mkdir()
    assert quantize_graphs(tmp_path / "full", tmp_path / "twin", "weights.bin", "int8") == 3
    ids = np.array([3, 7, 7, 290])
    logits, states = run_graph(tmp_path / "twin" / Graph.DECODER_STEP.filename, {"x": x, "ids": ids})
    np.testing.assert_allclose(logits, _multiply(x, table.T) + 0.5, rtol=1e-4, atol=1e-4)
    assert np.array_equal(states, table[ids])
    full, _ = run_graph(tmp_path / "full" / Graph.DECODER_STEP.filename, {"x": x, "ids": ids})
    assert 0 < np.abs(logits - full).max() < 0.05 * full.std()
    (projected,) = run_graph(tmp_path / "twin" / Graph.ENCODER.filename, {"x": x})
    np.testing.assert_allclose(projected, _multiply(x, projection), rtol=1e-4, atol=1e-4)


def test_weights_are_in_one_file_each_once(tmp_path: Path) -> None:
    """The table of embeddings in floats, the output projection that it also is in bytes, and the encoder's weight."""
    table, projection, _ = write_graphs(tmp_path / "full")
    (tmp_path / "twin").mkdir()
    quantize_graphs(tmp_path / "full", tmp_path / "twin", "weights.bin", "int8")
    weights = (tmp_path / "twin" / "weights.bin").read_bytes()
    # And two sets of scales; each begins a page of its own.
    assert 0 < len(weights) - (table.nbytes + table.size + projection.size) < 5 * 4096
    assert table.tobytes() in weights
    for path in (tmp_path / "twin").glob("*.onnx"):
        assert path.stat().st_size < 10_000


def test_a_twin_reads_no_source_in_floats(tmp_path: Path) -> None:
    """Folded products would stay in floats, beside a step with overrides that computes them in integers."""
    write_graphs(tmp_path / "full")
    (tmp_path / "twin").mkdir()
    folded = Graph.FOLDED_BEAM_SEARCH.filename
    shutil.copy(tmp_path / "full" / Graph.ENCODER.filename, tmp_path / "full" / folded)
    quantize_graphs(tmp_path / "full", tmp_path / "twin", "weights.bin", "int8")
    graphs = {path.stem for path in (tmp_path / "twin").glob("*.onnx")}
    assert graphs == {Graph.ENCODER, Graph.DECODER_STEP, Graph.TEACHER_FORCED}


def test_equal_models_give_equal_twins(tmp_path: Path) -> None:
    for name in ("full", "again"):
        write_graphs(tmp_path / name)
        (tmp_path / f"{name} twin").mkdir()
        quantize_graphs(tmp_path / name, tmp_path / f"{name} twin", "weights.bin", "int8")
    for path in (tmp_path / "full twin").iterdir():
        assert path.read_bytes() == (tmp_path / "again twin" / path.name).read_bytes()


def test_a_model_of_small_products_is_refused(tmp_path: Path) -> None:
    write_graphs(tmp_path / "full", size=16)
    (tmp_path / "twin").mkdir()
    with pytest.raises(ExportError, match="nothing can be quantized"):
        quantize_graphs(tmp_path / "full", tmp_path / "twin", "weights.bin", "int8")
    assert not list((tmp_path / "twin").iterdir())


def test_a_twin_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "workspace")
    checkpoint = save_tiny_checkpoint("marian", tmp_path / "checkpoint")
    export_model(checkpoint, None, "small", workspace, progress=SilentProgress())

    with pytest.raises(ExportError, match=r"^The twin small-float16 was not made: No product has 32,768 weights"):
        export_twin("small", "float16", Comparison(), workspace, progress=SilentProgress())
    assert workspace.model_ids() == ("small",)


def _multiply(x: Floats, weights: Floats) -> Floats:
    scales = np.abs(weights).max(axis=0) / 127
    whole = np.rint(weights / scales)
    low, high = min(x.min(), 0), max(x.max(), 0)
    scale = (high - low) / 255
    zero = np.rint(-low / scale)
    codes = np.clip(np.rint(x / scale) + zero, 0, 255) - zero
    product: Floats = (codes @ whole * scale * scales).astype(np.float32)
    return product
