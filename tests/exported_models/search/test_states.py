"""States of any space of a trace: recorded, on demand under what-ifs, and of word embeddings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch

from exported_models.contract.errors import ModelError
from exported_models.contract.graphs import Graph
from exported_models.contract.request import AttentionOverride, Request
from exported_models.contract.trace import Trace
from exported_models.engine import Engine
from exported_models.runtime.model import ExportedModel
from exported_models.search.scoring import force_batch
from exported_models.search.states import find_states, force_with_states
from pipeline.models.luong import LuongModel
from tests.exported_models.conftest import MODEL_ID

REQUEST = Request(MODEL_ID, "abc da", beam_size=3)
UNIFORM = AttentionOverride(2, ((0, 1.0), (4, 1.0)))


def attentional_by_hand(model: LuongModel, trace: Trace) -> np.ndarray:
    """Luong's equation 5 on the recorded states of the best hypothesis."""
    assert model.attentional is not None
    joined = np.concatenate([trace.states("context"), trace.states("decoder")], axis=1)
    with torch.no_grad():
        mixed: np.ndarray = torch.tanh(model.attentional(torch.from_numpy(joined))).numpy()
    return mixed


@pytest.mark.parametrize("overrides", [(), (UNIFORM,)])
def test_states_on_demand_are_those_of_the_request(
    overrides: tuple[AttentionOverride, ...], engine: Engine, model: ExportedModel, random_torch_model: LuongModel
) -> None:
    trace = engine.translate(replace(REQUEST, overrides=overrides))

    found = find_states(model, trace, "attentional")

    np.testing.assert_allclose(found, attentional_by_hand(random_torch_model, trace), atol=1e-5)


def test_every_hypothesis_has_its_own(engine: Engine, model: ExportedModel) -> None:
    trace = engine.translate(REQUEST)
    best, other = (find_states(model, trace, "attentional", hypothesis) for hypothesis in trace.hypotheses[:2])

    assert len(other) == len(trace.hypotheses[1].tokens)
    assert best.shape != other.shape or not np.allclose(best, other)


def test_recorded_states_are_those_of_the_trace(engine: Engine, model: ExportedModel) -> None:
    trace = engine.translate(REQUEST)
    for space in ("encoder", "decoder", "context"):
        np.testing.assert_array_equal(find_states(model, trace, space), trace.states(space))


def test_a_trace_records_no_more_than_a_search_computes(engine: Engine) -> None:
    trace = engine.translate(REQUEST)
    assert set(trace.steps[0].states) == {"decoder", "context"}
    with pytest.raises(ModelError, match=r"does not record the space 'attentional' \(encoder, decoder, context\)"):
        trace.states("attentional")


def test_an_unknown_space_lists_the_known_ones(engine: Engine, model: ExportedModel) -> None:
    with pytest.raises(ModelError, match=r"no space 'attention' \(known: encoder, decoder, context, attentional, "):
        find_states(model, engine.translate(REQUEST), "attention")


def test_graphs_of_a_search_have_no_states_on_demand(model: ExportedModel) -> None:
    for graph in (Graph.DECODER_STEP, Graph.PLAIN_STEP, Graph.BEAM_SEARCH):
        proto = onnx.load(model.folder / graph.filename, load_external_data=False)
        assert "attentional" not in {value.name for value in proto.graph.output}


def test_word_embeddings_are_rows_of_the_checkpoint_s_tables(
    engine: Engine, model: ExportedModel, random_torch_model: LuongModel
) -> None:
    trace = engine.translate(REQUEST)
    for space, ids, table in (
        ("source_embedding", trace.source.ids, random_torch_model.source_embedding),
        ("target_embedding", trace.best.token_ids, random_torch_model.target_embedding),
    ):
        np.testing.assert_array_equal(find_states(model, trace, space), table.weight.detach().numpy()[list(ids)])


def test_a_ragged_batch_has_the_states_of_each_sentence_alone(model: ExportedModel) -> None:
    sources = [model.source_tokenizer.encode(text, end=True).ids for text in ("ab", "abcdef", "h")]
    targets = [model.target_tokenizer.encode(text, end=True).ids for text in ("uvwx", "z", "")]

    together = force_with_states(model, sources, targets)

    for source, target, found in zip(sources, targets, together, strict=True):
        (alone,) = force_with_states(model, [source], [target])
        assert found.states.keys() == {space.name for space in model.manifest.spaces}
        for space, states in alone.states.items():
            np.testing.assert_allclose(found.states[space], states, atol=1e-5, err_msg=space)
    assert list(force_batch(model, sources, targets)[0].states) == ["encoder", "decoder", "context"]
    assert force_with_states(model, [], []) == []
