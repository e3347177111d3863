"""A search in one call is the search that runs step by step, whatever a decoder remembers."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pytest

from exported_models.completion import complete_request, search_settings
from exported_models.contract.errors import ModelError
from exported_models.contract.graphs import Graph
from exported_models.contract.request import Request
from exported_models.contract.trace import Trace
from exported_models.runtime.beam_search_session import BeamSearchSession, SearchInput
from exported_models.runtime.graph_folder import GraphFolder
from exported_models.runtime.graph_session import as_array
from exported_models.runtime.model import ExportedModel
from exported_models.runtime.sessions import EncodedSource, StateOutputs, StepInput
from exported_models.search.decoder_memory import SearchMemory
from exported_models.search.search import record_source, search
from pipeline.graphs.beam_search import derive_beam_search, derive_searches
from pipeline.graphs.plain_step import derive_plain_step
from pipeline.graphs.rewriting import RUNTIME_DOMAIN, replace_nodes
from tests.artefacts import TinyExport
from tests.pipeline.tiny_exports import open_unverified

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

HEAD_SIZE = 8
BEAM, STEPS, TOP = 3, 6, 6
UNFUSED = "marian, not fused"
MEMORIES = [
    pytest.param("marian", id="one kernel splits a projection and appends"),
    pytest.param("t5", id="one kernel adds a bias"),
    pytest.param("t5gemma", id="one kernel appends keys that positions turned", marks=pytest.mark.oracle),
    pytest.param(UNFUSED, id="a plain graph appends"),
    pytest.param("ssru", id="cells"),
    pytest.param("luong", id="LSTM states"),
]


@pytest.fixture(scope="module")
def export(
    tiny_export: Callable[[str], TinyExport], dates_model: ExportedModel, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], ExportedModel]:
    """A tiny model of a family, or the dates model; opened once."""

    @cache
    def find(family: str) -> ExportedModel:
        if family == UNFUSED:
            return _open_unfused(tiny_export("marian"), tmp_path_factory.mktemp("unfused") / "model")
        return dates_model if family == "luong" else tiny_export(family).open()

    return find


def _open_unfused(exported: TinyExport, folder: Path) -> ExportedModel:
    """A copy of a model whose attention has a node that no kernel has a place for."""
    shutil.copytree(exported.graphs, folder)
    step = onnx.load(folder / Graph.DECODER_STEP.filename, load_external_data=False)
    nodes = []
    for node in step.graph.node:
        if node.op_type == "Softmax":
            scores = node.input[0]
            node.input[0] = f"{scores}.same"
            nodes.append(onnx.helper.make_node("Identity", [scores], [node.input[0]]))
        nodes.append(node)
    replace_nodes(step.graph, nodes)
    plain = derive_plain_step(step, penalizes=False)
    assert plain is not None
    assert all(node.domain != RUNTIME_DOMAIN for node in plain.graph.node)
    (folder / Graph.FOLDED_BEAM_SEARCH.filename).unlink()
    for graph, proto in {Graph.PLAIN_STEP: plain, **derive_searches(plain)}.items():
        (folder / graph.filename).write_bytes(proto.SerializeToString())
    return open_unverified(folder, exported.load())


def _encode(model: ExportedModel, length: int) -> EncodedSource:
    ids = np.arange(length)[None] % 20 + 5
    return model.encoder.run(ids, np.ones(ids.shape, np.bool_))


def _start(model: ExportedModel) -> SearchInput:
    lengths = np.arange(1.0, STEPS + 1)
    hopeful = np.full(STEPS, np.inf)  # no finished hypothesis is ever good enough to stop for
    start = [model.manifest.start_id]
    return SearchInput(start, [0], [0.0], [], BEAM, 0, TOP, model.manifest.end_id, STEPS, lengths, hopeful)


def _decode(model: ExportedModel, request: Request) -> Trace:
    complete, source = complete_request(request, model), model.read_source(request.source)
    return search(model, complete, search_settings(complete, model), source, record_source(model, source))


@pytest.mark.parametrize("family", MEMORIES)
def test_a_search_in_one_call_says_what_steps_say(family: str, export: Callable[[str], ExportedModel]) -> None:
    model = export(family)
    request = Request("tiny", "3 May 2001", beam_size=4, max_length=12)

    together, apart = (_decode(way, request) for way in (model, replace(model, beam_search=None)))

    assert model.beam_search is not None
    assert [node.token_id for node in together.nodes] == [node.token_id for node in apart.nodes]
    for ours, theirs in zip(together.steps, apart.steps, strict=True):
        assert [c.fate for c in ours.candidates] == [c.fate for c in theirs.candidates]
        np.testing.assert_allclose(ours.top_log_probs, theirs.top_log_probs, atol=1e-5)
        assert ours.attention is not None
        assert theirs.attention is not None
        np.testing.assert_allclose(ours.attention, theirs.attention, atol=1e-5)
        for space, states in ours.states.items():
            np.testing.assert_allclose(states, theirs.states[space], atol=1e-5)


@pytest.mark.parametrize("family", MEMORIES)
@pytest.mark.parametrize("kept", [STEPS, 3])
def test_memory_is_restored_as_every_step_would_have_handed_it_on(
    family: str, kept: int, export: Callable[[str], ExportedModel]
) -> None:
    model = export(family)
    encoded, start = _encode(model, 5), _start(model)
    found = model.beam_search.run(encoded, encoded.memory, start)  # type: ignore[union-attr]
    restored = SearchMemory(encoded.memory, found.memory, [start.continued, *found.rows[:-1]]).first(kept)

    assert restored.steps == kept <= len(found.rows)
    memory, rows, token_ids = encoded.memory, start.continued, start.previous_ids
    for step in range(kept):
        asked = StepInput(np.array(token_ids), np.array(rows), step, None, TOP)
        memory = model.decoder.run(encoded, memory, asked).memory
        again = restored.after(step)
        assert again.keys() == memory.keys()
        for name in memory:
            ours, theirs = (as_array(tensors[name]).astype(np.float32) for tensors in (again, memory))
            np.testing.assert_allclose(ours, theirs, atol=1e-5, err_msg=f"{step} {name}")
            last = as_array(restored.after(step, row=len(rows) - 1)[name])
            np.testing.assert_array_equal(last, ours[-1:], err_msg=f"{step} {name}")
        rows, token_ids = found.rows[step], found.token_ids[step]


@pytest.mark.parametrize("length", [HEAD_SIZE, HEAD_SIZE + 1])
def test_a_source_is_folded_while_that_is_less_work(
    length: int, export: Callable[[str], ExportedModel], tmp_path: Path
) -> None:
    model = export("marian")
    needed, other = Graph.FOLDED_BEAM_SEARCH.filename, Graph.BEAM_SEARCH.filename
    if length > HEAD_SIZE:
        needed, other = other, needed
    folder = tmp_path / "model"
    folder.mkdir()
    for path in model.folder.iterdir():
        if path.name != needed:
            shutil.copyfile(path, folder / path.name)  # onnx reads no weights of which there are several links
    (folder / needed).write_bytes((folder / other).read_bytes()[:100])
    states = StateOutputs.of(model.manifest, "target")
    damaged = replace(model, beam_search=BeamSearchSession(GraphFolder.open(folder, 1), set(Graph), states))
    encoded = _encode(model, length)

    with pytest.raises(ModelError, match=needed):
        damaged.beam_search.run(encoded, encoded.memory, _start(model))  # type: ignore[union-attr]
    encoded = _encode(model, 2 * HEAD_SIZE + 1 - length)
    damaged.beam_search.run(encoded, encoded.memory, _start(model))  # type: ignore[union-attr]


def test_memory_that_is_seen_to_grow_in_no_known_way_is_left_to_steps(export: Callable[[str], ExportedModel]) -> None:
    proto = onnx.load(export(UNFUSED).folder / Graph.PLAIN_STEP.filename, load_external_data=False)
    for node in proto.graph.node:
        node.op_type = "OtherConcat" if node.op_type == "Concat" else node.op_type

    assert derive_beam_search(proto) is None
