"""Products with the weights as the left factor: the same values, no copy of the weights, and the way back."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper, parser

from exported_models.contract.graphs import WEIGHTS_FILE, Graph
from exported_models.contract.manifest import load_model_manifest
from exported_models.contract.workspace import Workspace
from exported_models.runtime.graph_folder import GraphFolder
from exported_models.runtime.graph_session import GraphSession
from exported_models.runtime.model import ExportedModel
from exported_models.search.scoring import force_batch
from pipeline.graphs.export import seal
from pipeline.graphs.quantize import quantize_graphs
from pipeline.graphs.weights_file import write_weights
from pipeline.graphs.weights_first import put_weights_first, put_weights_last

SIZE, INNER = 128, 256
MIB = 1 << 20
WEIGHTS = 16 * MIB
"""Bytes of the weights of a large product."""

_LAYERS = """
    (float[rows, 128] x) => (float[rows, 128] y)
    {
        a = Gemm <transB = 1> (x, expand, bias)
        b = Relu (a)
        c = Gemm <transB = 1> (b, contract)
        d = Gemm <transB = 1> (c, narrow)
        e = Gemm (d, wide)
        y = Add (c, e)
    }
"""
_LOOP = """
    (float[rows, 128] x) => (float[rows, 128] y)
    {
        steps = Constant <value_int = 3> ()
        y = Loop <body = step (int64 iteration, bool goes, float[rows, 128] before)
            => (bool on, float[rows, 128] after) {
                on = Identity (goes)
                a = Gemm <transB = 1> (before, expand, bias)
                after = Gemm <transB = 1> (a, contract)
            }> (steps, , x)
    }
"""
_SHAPES = {"expand": (INNER, SIZE), "bias": (INNER,), "contract": (SIZE, INNER), "narrow": (8, SIZE), "wide": (8, SIZE)}


def _make(text: str) -> onnx.ModelProto:
    generator = np.random.default_rng(3)
    graph = parser.parse_graph(f"graph {text}")
    for name, shape in _SHAPES.items():
        if name in text:
            values = generator.normal(scale=0.05, size=shape).astype(np.float32)
            graph.initializer.append(numpy_helper.from_array(values, name))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def _run(proto: onnx.ModelProto, rows: int) -> NDArray[np.float32]:
    x = np.random.default_rng(rows).normal(size=(rows, SIZE)).astype(np.float32)
    session = ort.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    found: NDArray[np.float32] = session.run(None, {"x": x})[0]
    return found


@pytest.mark.parametrize("text", [pytest.param(_LAYERS, id="layers"), pytest.param(_LOOP, id="loop")])
def test_values_are_those_of_the_products_as_they_were(text: str) -> None:
    """Of large products; those of few weights, and those without a transposition, stay."""
    before, after = _make(text), _make(text)
    assert put_weights_first(after) == 2
    assert put_weights_first(after) == 0
    onnx.checker.check_model(after)
    for rows in (1, 5, 40):
        np.testing.assert_allclose(_run(after, rows), _run(before, rows), rtol=1e-5, atol=1e-5)


def test_the_products_come_back_as_they_were() -> None:
    before, after = _make(_LAYERS), _make(_LAYERS)
    put_weights_first(after)
    put_weights_last(after)
    assert [_describe(node) for node in after.graph.node] == [_describe(node) for node in before.graph.node]
    kept = ({tensor.name: tensor for tensor in proto.graph.initializer} for proto in (before, after))
    assert next(kept) == next(kept)


def test_sessions_of_a_folder_hold_one_copy_of_the_weights(tmp_path: Path) -> None:
    """Three sessions: none keeps weights of its own, and the pages of the file are counted once."""
    graph = parser.parse_graph(
        "graph (float[rows, 2048] x) => (float[rows, 2048] encoder_state) "
        "{ encoder_state = Gemm <transB = 1> (x, weights) }"
    )
    values = np.arange(WEIGHTS // 4, dtype=np.float32).reshape(2048, 2048) % 7
    graph.initializer.append(numpy_helper.from_array(values, "weights"))
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    with write_weights(tmp_path / WEIGHTS_FILE) as weights:
        weights.take(proto.graph, tmp_path)
    put_weights_first(proto)
    onnx.save(proto, tmp_path / Graph.ENCODER.filename)
    x = np.ones((3, 2048), np.float32)
    expected = x @ values.T
    del values

    folder, (anonymous, mapped) = GraphFolder.open(tmp_path, threads=1), _resident()
    content = proto.SerializeToString()
    sessions = [GraphSession(folder, Graph.ENCODER, given) for given in (None, None, content)]
    for session in sessions:
        np.testing.assert_array_equal(session.run({"x": x}, ["encoder_state"])["encoder_state"], expected)
    after = _resident()

    assert after[0] - anonymous < WEIGHTS // 2
    assert after[1] - mapped < WEIGHTS * 1.5


def _resident() -> tuple[int, int]:
    """Bytes of memory of this process: its own, and those of mapped files."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    sizes = {name: value for name, _, value in (line.partition(":") for line in lines)}
    own, mapped = (int(sizes[name].split()[0]) << 10 for name in ("RssAnon", "RssFile"))
    return own, mapped


def _describe(node: onnx.NodeProto) -> tuple[str, list[str], list[str]]:
    return node.op_type, list(node.input), list(node.output)


def test_a_model_and_its_twin_stay_the_same(workspace: Workspace, tmp_path: Path) -> None:
    """The dates model with its products transposed: its answers and forced scores, and the twin that is made of it."""
    full, turned = workspace.model_folder("dates"), tmp_path / "turned"
    shutil.copytree(full, turned)
    products = 0
    for path in turned.glob("*.onnx"):
        proto = onnx.load(path, load_external_data=False)
        products += put_weights_first(proto)
        path.write_bytes(proto.SerializeToString(deterministic=True))
    assert products > 0
    manifest = load_model_manifest(full)
    seal(turned, manifest, manifest.parity)

    models = [ExportedModel.open(folder, threads=1) for folder in (full, turned)]
    pair = [model.source_tokenizer.encode("1 May 2003", end=True).ids for model in models]
    target = models[0].target_tokenizer.encode("2003-05-01", end=True).ids
    as_it_was, after = (force_batch(model, [ids], [target])[0] for model, ids in zip(models, pair, strict=True))
    np.testing.assert_allclose(after.log_probs, as_it_was.log_probs, atol=1e-5)
    for space, states in as_it_was.states.items():
        np.testing.assert_allclose(after.states[space], states, atol=1e-4, err_msg=space)

    twins = [tmp_path / f"{folder.name} twin" for folder in (full, turned)]
    for folder, twin in zip((full, turned), twins, strict=True):
        twin.mkdir()
        quantize_graphs(folder, twin, WEIGHTS_FILE, "int8")
    for path in twins[0].glob("*.onnx"):
        nodes = [onnx.load(twin / path.name, load_external_data=False).graph.node for twin in twins]
        assert [_describe(node) for node in nodes[0]] == [_describe(node) for node in nodes[1]], path.name
