"""Step graphs rewritten to be quick compute what they computed before, for every length of the past."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from exported_models.contract.graphs import (
    INTERVENTIONS,
    MEMORY_PREFIX,
    NEXT_PREFIX,
    SCORES,
    STEP_NORMALIZER,
    Graph,
    memory_name,
)
from exported_models.runtime.model import ExportedModel
from exported_models.runtime.sessions import StepInput
from pipeline.errors import ParityError
from pipeline.graphs.folded_step import derive_folded_step
from pipeline.graphs.fused_attention import fuse_self_attention
from pipeline.graphs.plain_step import derive_plain_step
from pipeline.graphs.rewriting import RUNTIME_DOMAIN
from pipeline.parity.sample import make_up_sample
from pipeline.parity.verify import verify_model
from pipeline.progress import SilentProgress
from tests.artefacts import TinyExport
from tests.pipeline.tiny_exports import open_unverified

ROWS, SOURCE = 4, 6
SIZES = {"rows": ROWS, "incoming": ROWS, "sentences": 1, "source": SOURCE, "past": 0}
FOR_CPUS = (Graph.PLAIN_STEP, Graph.BEAM_SEARCH, Graph.FOLDED_BEAM_SEARCH)
BEAMS = ([0, 0, 0, 0], [0, 2, 1, 1], [3, 0, 0, 2])
T5GEMMA = pytest.param("t5gemma", marks=pytest.mark.oracle)
Arrays = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def export(tiny_export: Callable[[str], TinyExport], dates_model: ExportedModel) -> Callable[[str], Path]:
    """A folder with the graphs of a tiny model of a family, or of the dates model."""
    return lambda family: dates_model.folder if family == "luong" else tiny_export(family).graphs


def _open(path: Path) -> ort.InferenceSession:
    return ort.InferenceSession(path, providers=["CPUExecutionProvider"])


def _run(session: ort.InferenceSession, inputs: Arrays) -> Arrays:
    names = [value.name for value in session.get_outputs()]
    asked = {value.name for value in session.get_inputs()}
    found = session.run(names, {name: array for name, array in inputs.items() if name in asked})
    return dict(zip(names, found, strict=True))


def _walk(
    whole: ort.InferenceSession, other: ort.InferenceSession, ablated: int = 0
) -> Iterator[tuple[Arrays, Arrays]]:
    """Answers of both, step by step, to beams that change places; each goes on from its own memory.

    Args:
        ablated: how many heads are.
    """
    generator = np.random.default_rng(0)
    fed: Arrays = {}
    for value in whole.get_inputs():
        shape = [SIZES.get(size, 1) if isinstance(size, str) else size for size in value.shape]
        if "int64" in value.type:
            fed[value.name] = np.full(shape, 5)
        elif "bool" in value.type:
            fed[value.name] = np.full(shape, value.name == "source_mask")
        else:
            fed[value.name] = generator.normal(0, 0.5, shape).astype(np.float32)
    fed["decoder_head_mask"] = np.ones_like(fed.get("decoder_head_mask", np.ones((1, 1), np.float32)))
    fed["decoder_head_mask"].flat[:ablated] = 0
    memories = [{name: array for name, array in fed.items() if name.startswith(MEMORY_PREFIX)}] * 2
    for position, rows in enumerate(BEAMS):
        fed |= {"previous_ids": np.arange(ROWS) + 5, "beam_index": np.array(rows), "position": np.array([position])}
        answers = [_run(session, fed | memory) for session, memory in zip((whole, other), memories, strict=True)]
        memories = [
            {memory_name(name): array for name, array in answer.items() if name.startswith(NEXT_PREFIX)}
            for answer in answers
        ]
        yield answers[0], answers[1]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("family", ["marian", "t5", T5GEMMA, "luong"])
def test_a_plain_step_is_a_step_without_interventions(family: str, export: Callable[[str], Path]) -> None:
    folder = export(family)
    whole, plain = (_open(folder / graph.filename) for graph in (Graph.DECODER_STEP, Graph.PLAIN_STEP))
    inputs = [{value.name for value in session.get_inputs()} for session in (whole, plain)]
    assert inputs[0] - inputs[1] == inputs[0] & INTERVENTIONS

    for wanted, found in _walk(whole, plain):
        assert found.keys() == wanted.keys() - SCORES - {STEP_NORMALIZER.name}
        for name, array in found.items():
            np.testing.assert_allclose(array, wanted[name], atol=1e-5, err_msg=name)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("family", ["marian", "t5", T5GEMMA])
def test_a_folded_step_is_a_plain_step(family: str, export: Callable[[str], Path], tmp_path: Path) -> None:
    plain = export(family) / Graph.PLAIN_STEP.filename
    derived = derive_folded_step(onnx.load(plain))
    assert derived is not None
    folded = tmp_path / "folded.onnx"
    folded.write_bytes(derived.SerializeToString())

    for wanted, found in _walk(_open(plain), _open(folded)):
        assert found.keys() == wanted.keys()
        for name, array in found.items():
            np.testing.assert_allclose(array, wanted[name], atol=1e-5, err_msg=name)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("kind", ["Softmax", "MatMul"])
def test_cross_attention_of_another_form_is_not_folded(kind: str, export: Callable[[str], Path]) -> None:
    proto = onnx.load(export("marian") / Graph.PLAIN_STEP.filename, load_external_data=False)
    for node in proto.graph.node:
        node.op_type = f"Other{kind}" if node.op_type == kind else node.op_type

    assert derive_folded_step(proto) is None


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("family", ["marian", "t5", T5GEMMA, pytest.param("umt5", marks=pytest.mark.oracle)])
def test_fused_attention_ablates_heads_too(family: str, export: Callable[[str], Path], tmp_path: Path) -> None:
    path = export(family) / Graph.DECODER_STEP.filename
    proto = onnx.load(path)
    before = len(proto.graph.node)
    layers = fuse_self_attention(proto)
    onnx.checker.check_model(proto)
    fused = tmp_path / "fused.onnx"
    fused.write_bytes(proto.SerializeToString())

    assert layers == sum(value.name.startswith(f"{NEXT_PREFIX}key.") for value in proto.graph.output)
    assert len(proto.graph.node) < before
    for wanted, found in _walk(_open(path), _open(fused), ablated=2):
        for name, array in wanted.items():
            np.testing.assert_allclose(found[name], array, atol=1e-5, err_msg=name)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_attention_of_another_form_is_left_as_it_is(export: Callable[[str], Path]) -> None:
    proto = onnx.load(export("marian") / Graph.DECODER_STEP.filename, load_external_data=False)
    for node in proto.graph.node:
        node.op_type = "OtherSoftmax" if node.op_type == "Softmax" else node.op_type
    content = proto.SerializeToString(deterministic=True)
    assert fuse_self_attention(proto) == 0
    assert proto.SerializeToString(deterministic=True) == content


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_step_that_differs_from_the_whole_target_in_one_pass_is_refused(
    tiny_export: Callable[[str], TinyExport], tmp_path: Path
) -> None:
    folder, source = tmp_path / "staged", tiny_export("marian").load()
    shutil.copytree(tiny_export("marian").graphs, folder)
    proto = onnx.load(folder / Graph.DECODER_STEP.filename, load_external_data=False)
    softmax = next(node for node in proto.graph.node if node.op_type == "Softmax")
    softmax.op_type = "Identity"
    del softmax.attribute[:]
    (folder / Graph.DECODER_STEP.filename).write_bytes(proto.SerializeToString())
    model = open_unverified(folder, source)

    with pytest.raises(ParityError, match=r"do not compute .*: step by step"):
        verify_model(source, model, make_up_sample(source, 4), progress=SilentProgress())


def test_interventions_of_another_form_are_left_where_they_are(dates_model: ExportedModel) -> None:
    proto = onnx.load(dates_model.folder / Graph.DECODER_STEP.filename)
    for node in proto.graph.node:
        node.op_type = "SelectInstead" if node.op_type == "Where" else node.op_type

    assert derive_plain_step(proto, penalizes=False) is None


def test_a_step_with_interventions_that_change_nothing_says_the_same(dates_model: ExportedModel) -> None:
    encoded = dates_model.encoder.run(np.array([[5, 6, 7]]), np.ones((1, 3), np.bool_))
    rows = np.array([8, 9])
    off = np.zeros((2, 1, 1, 3), np.float32), np.zeros((2, 1, 1), np.bool_)

    plain = dates_model.decoder.run(encoded, encoded.memory, StepInput(rows, np.zeros(2, np.int64), 0, None, 5))
    whole = dates_model.decoder.run(encoded, encoded.memory, StepInput(rows, np.zeros(2, np.int64), 0, rows, 5, off))

    assert whole.arrays.keys() - plain.arrays.keys() == {*SCORES, STEP_NORMALIZER.name}
    for name in plain.arrays:
        np.testing.assert_allclose(plain.floats(name), whole.floats(name), atol=1e-5, err_msg=name)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("family", ["marian", "luong"])
def test_kernels_that_only_cpus_have_are_in_steps_for_cpus_alone(family: str, export: Callable[[str], Path]) -> None:
    for graph in Graph:
        path = export(family) / graph.filename
        if path.is_file() and graph not in FOR_CPUS:
            assert all(node.domain != RUNTIME_DOMAIN for node in onnx.load(path).graph.node), graph
