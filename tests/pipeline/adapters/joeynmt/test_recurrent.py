"""JoeyNMT's recurrent models: the exported graphs and the reference compute what the model computes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from exported_models.contract.request import Request
from exported_models.contract.workspace import Workspace
from exported_models.engine import Engine
from exported_models.search.scoring import force_batch
from pipeline.adapters.joeynmt import JoeyNmtAdapter
from pipeline.errors import CheckpointError
from pipeline.export.checkpoints import export_model
from pipeline.graphs.export import write_graphs
from pipeline.models.checkpoint import LoadedCheckpoint
from pipeline.progress import SilentProgress
from tests.pipeline.adapters.joeynmt.modules import save_folder
from tests.pipeline.adapters.joeynmt.recurrent_modules import (
    ENCODER_UNITS,
    RecurrentJoey,
    make_recurrent_config,
    make_recurrent_model,
)
from tests.pipeline.tiny_exports import open_unverified

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

TOLERANCE = 1e-4
VARIANTS: dict[str, dict[str, Any]] = {
    "gru": {},
    "lstm": {"rnn_type": "lstm", "activation": "relu", "scale": True},
    "last of both": {"units": 2 * ENCODER_UNITS, "init_hidden": "last", "attention": "luong", "activation": "gelu"},
    "last of one": {"rnn_type": "lstm", "units": ENCODER_UNITS, "init_hidden": "last", "input_feeding": False},
    "zero": {"init_hidden": "zero", "attention": "luong", "activation": "swish"},
}
PAIRS = (([5, 6, 7, 3], [5, 6, 3]), ([9, 3], [11, 3]), ([*range(4, 20), 3], [*range(4, 16), 3]))
Case = tuple[RecurrentJoey, LoadedCheckpoint]


@pytest.fixture(scope="module", params=VARIANTS.values(), ids=list(VARIANTS))
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    model = make_recurrent_model(**request.param)
    folder = save_folder(tmp_path_factory.mktemp("joeynmt"), model, make_recurrent_config(**request.param))
    assert JoeyNmtAdapter().recognizes(folder)
    return model, JoeyNmtAdapter().load(folder)


@pytest.mark.slow
@torch.inference_mode()
def test_the_graphs_and_the_reference_give_what_the_model_gives(case: Case, tmp_path: Path) -> None:
    model, source = case
    write_graphs(source, tmp_path)
    exported = open_unverified(tmp_path, source)
    batch = force_batch(exported, [ids for ids, _ in PAIRS], [target for _, target in PAIRS])
    for (ids, target), found in zip(PAIRS, batch, strict=True):
        logits = model(torch.tensor([ids]), torch.tensor([[source.start_id, *target[:-1]]]))[0]
        wanted = torch.log_softmax(logits, -1).gather(1, torch.tensor(target)[:, None])[:, 0].numpy()
        reference = source.reference.force(ids, target)
        np.testing.assert_allclose(reference.log_probs, wanted, atol=TOLERANCE)
        np.testing.assert_allclose(found.log_probs, wanted, atol=TOLERANCE)
        np.testing.assert_allclose(reference.log_normalizers, torch.logsumexp(logits, -1).numpy(), atol=TOLERANCE)
        assert reference.attention is not None
        assert found.attention is not None
        np.testing.assert_allclose(found.attention, reference.attention, atol=TOLERANCE)
        for space in (space for space in source.spaces if space.kind == "recorded"):
            np.testing.assert_allclose(found.states[space.name], reference.states[space.name], atol=TOLERANCE)


@pytest.mark.slow
def test_it_is_verified_published_and_translates(tmp_path: Path) -> None:
    folder = save_folder(tmp_path / "checkpoint", make_recurrent_model(), make_recurrent_config())

    summary = export_model(folder, None, "joey", Workspace(tmp_path), progress=SilentProgress())

    assert summary.parity["beam_sentences_equal"] == summary.parity["beam_sentences"]
    trace = Engine(Workspace(tmp_path), threads=1).translate(Request("joey", "a b c"))
    assert len(trace.hypotheses) == 3
    assert trace.steps[0].attention is not None


def test_settings_are_described(case: Case) -> None:
    source = case[1]
    assert source.architecture.startswith("JoeyNMT ")
    assert (source.pad_id, source.start_id, source.end_id) == (1, 2, 3)
    assert (source.generation.beam_size, source.generation.max_length, source.max_target_tokens) == (3, 12, None)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda model: model["decoder"].update(type="transformer"), "model.decoder.type='transformer'; models can be"),
        (lambda model: model["encoder"].update(bidirectional=False), "has model.encoder.bidirectional=False, which"),
        (lambda model: model["decoder"].update(rnn_type="lstm"), "has rnn_type 'gru' in its encoder and 'lstm' in"),
        (lambda model: model["decoder"].update(attention="dot"), "has model.decoder.attention='dot', which cannot be"),
        (lambda model: model["decoder"].update(init_hidden="last"), "a decoder of 12 units for encoder states of 14"),
        (lambda model: model["decoder"].update(num_layers=4), "has no weights decoder.rnn.weight_ih_l3"),
        (lambda model: model["encoder"].update(num_layers=1), "weights that no supported model has, for instance"),
        (lambda model: model["decoder"].update(input_feeding=False), "do not fit its options: decoder.0.weight_ih is"),
    ],
)
def test_what_cannot_be_exported_is_said(change: Callable[[dict[str, Any]], None], words: str, tmp_path: Path) -> None:
    config = make_recurrent_config()
    change(config["model"])
    folder = save_folder(tmp_path, make_recurrent_model(), config)
    with pytest.raises(CheckpointError) as caught:
        JoeyNmtAdapter().load(folder)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
