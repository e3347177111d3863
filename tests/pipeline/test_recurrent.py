"""The recurrent model in all its forms: ragged batches are exact, attention can be overridden, parts export."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from pipeline.models.recurrent import Memory, Override, RecurrentConfig, RecurrentModel, Source

TOLERANCE = 1e-5
LUONG = RecurrentConfig(
    source_vocabulary=30,
    target_vocabulary=12,
    source_embedding=8,
    target_embedding=6,
    encoder_units=10,
    decoder_units=14,
    cell="lstm",
    bidirectional=True,
    start="projected",
    attention="general",
    input_feeding=True,
    pad_id=0,
)
_COPIED = replace(LUONG, start="copied", encoder_units=7, encoder_layers=2, decoder_layers=2)
FORMS = {
    "luong": LUONG,
    "copied": replace(_COPIED, attention="dot"),
    "bridged": replace(_COPIED, start="bridged", input_feeding=False),
    "gru": replace(_COPIED, cell="gru", attention="mlp"),
    "gru, bridged": replace(_COPIED, cell="gru", start="bridged", bidirectional=False, encoder_units=14),
    "one direction": replace(_COPIED, bidirectional=False, encoder_units=14, encoder_layers=1, decoder_layers=1),
    "no attention": replace(_COPIED, attention="none", input_feeding=False),
    "no attention, fed": replace(_COPIED, cell="gru", attention="none"),
}
ATTENDING = [name for name, config in FORMS.items() if config.attends]

_SENTENCE = st.lists(st.integers(4, 29), min_size=1, max_size=9)
_SENTENCES = st.lists(_SENTENCE, min_size=1, max_size=4)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)  # two wait for each other on a busy machine


def _make(name: str) -> RecurrentModel:
    torch.manual_seed(7)
    return RecurrentModel(FORMS[name]).eval()


@pytest.fixture(scope="module", params=FORMS)
def model(request: pytest.FixtureRequest) -> RecurrentModel:
    return _make(request.param)


@pytest.fixture(scope="module", params=ATTENDING)
def attending(request: pytest.FixtureRequest) -> RecurrentModel:
    return _make(request.param)


def _batch(sentences: list[list[int]], extra: int = 0) -> tuple[Tensor, Tensor]:
    """Ids and mask, padded to the longest sentence and ``extra`` further."""
    width = max(map(len, sentences)) + extra
    ids = torch.tensor([sentence + [0] * (width - len(sentence)) for sentence in sentences])
    mask = torch.tensor([[True] * len(sentence) + [False] * (width - len(sentence)) for sentence in sentences])
    return ids, mask


def _flatten(memory: Memory) -> list[Tensor]:
    return [*memory.hidden, *memory.cell, *([] if memory.feed is None else [memory.feed])]


def _random_memory(model: RecurrentModel, rows: int) -> Memory:
    config = model.config
    hidden, cell = (
        tuple(torch.randn(rows, config.decoder_units) for _ in range(layers))
        for layers in (config.decoder_layers, config.decoder_layers if config.has_cell else 0)
    )
    return Memory(hidden, cell, torch.randn(rows, config.decoder_units) if config.input_feeding else None)


def _step_inputs(
    model: RecurrentModel, sentences: list[list[int]], rows_each: int
) -> tuple[Tensor, Memory, Source | None]:
    """Inputs of a step with random memories."""
    ids, mask = _batch(sentences)
    rows = len(sentences) * rows_each
    source = model.read_source(model.encode(ids, mask).states, mask) if model.config.attends else None
    return torch.randint(4, 12, (rows,)), _random_memory(model, rows), source


@settings(deadline=None, max_examples=25)
@given(sentences=_SENTENCES, extra=st.integers(0, 3))
@torch.inference_mode()
def test_a_batch_gives_what_each_sentence_alone_gives(
    model: RecurrentModel, sentences: list[list[int]], extra: int
) -> None:
    batched = model.encode(*_batch(sentences, extra))
    targets = torch.randint(4, 12, (len(sentences), 3))
    log_probs = model(*_batch(sentences, extra), targets)
    for row, sentence in enumerate(sentences):
        alone = model.encode(*_batch([sentence]))
        length = len(sentence)
        torch.testing.assert_close(batched.states[row, :length], alone.states[0], atol=TOLERANCE, rtol=0)
        for together, single in zip(_flatten(batched.memory), _flatten(alone.memory), strict=True):
            torch.testing.assert_close(together[row], single[0], atol=TOLERANCE, rtol=0)
        assert not batched.states[row, length:].any()
        expected = model(*_batch([sentence]), targets[row : row + 1])
        torch.testing.assert_close(log_probs[row], expected[0], atol=TOLERANCE, rtol=0)


def _make_oracle(model: RecurrentModel) -> nn.RNNBase:
    """Torch's own stack of layers in both directions with the model's weights."""
    config = model.config
    oracle = (nn.LSTM if config.has_cell else nn.GRU)(
        config.source_embedding,
        config.encoder_units,
        config.encoder_layers,
        batch_first=True,
        bidirectional=config.bidirectional,
    )
    weights = {}
    for name, tensor in model.encoder.state_dict().items():
        layer, direction, kind = name.split(".")
        width = dict(oracle.named_parameters())[f"{kind.removesuffix('0')}{layer}"].shape[-1]
        plain = tensor[:, :width] if kind.startswith("weight_ih") else tensor
        weights[f"{kind.removesuffix('0')}{layer}{'_reverse' if direction == 'back' else ''}"] = plain
    oracle.load_state_dict(weights)
    return oracle


@torch.inference_mode()
def test_the_encoder_is_torchs_own(model: RecurrentModel) -> None:
    """Torch's layers, given packed sequences, are the oracle: of the states, and of what a copied start begins with."""
    ids, mask = _batch([[4, 5, 6, 7, 8], [9, 10], [11, 12, 13]])
    packed = nn.utils.rnn.pack_padded_sequence(
        model.source_embedding(ids), mask.sum(1), batch_first=True, enforce_sorted=False
    )
    outputs, final = _make_oracle(model)(packed)
    expected, _ = nn.utils.rnn.pad_packed_sequence(outputs, batch_first=True)
    encoded = model.encode(ids, mask)
    torch.testing.assert_close(encoded.states, expected, atol=TOLERANCE, rtol=0)
    if model.config.start == "copied":
        begun_with = (encoded.memory.hidden, encoded.memory.cell) if model.config.has_cell else (encoded.memory.hidden,)
        kinds = zip(begun_with, final if model.config.has_cell else (final,), strict=True)
        for begun, ended in kinds:
            layers = ended.unflatten(0, (model.config.encoder_layers, -1)).transpose(1, 2).flatten(2)
            torch.testing.assert_close(torch.stack(begun), layers, atol=TOLERANCE, rtol=0)


@torch.inference_mode()
def test_what_stands_in_the_padding_never_matters(model: RecurrentModel) -> None:
    ids, mask = _batch([[4, 5, 6, 7, 8], [9, 10]])
    clean, dirty = (model.encode(given, mask) for given in (ids, torch.where(mask, ids, torch.full_like(ids, 29))))
    for one, other in zip(
        (clean.states, *_flatten(clean.memory)), (dirty.states, *_flatten(dirty.memory)), strict=True
    ):
        torch.testing.assert_close(one, other, atol=1e-7, rtol=0)


@torch.inference_mode()
def test_attention_sums_to_one_and_is_zero_on_padding(attending: RecurrentModel) -> None:
    inputs = _step_inputs(attending, [[4, 5, 6, 7, 8], [9, 10]], rows_each=3)
    attention = attending.step(*inputs, None).attention
    assert attention is not None
    torch.testing.assert_close(attention.sum(1), torch.ones(6))
    assert not attention[3:, 2:].any()
    everywhere = Override(torch.full_like(attention, 0.2), torch.ones(6, dtype=torch.bool))
    overridden = attending.step(*inputs, everywhere).attention
    assert overridden is not None
    assert not overridden[3:, 2:].any()


@torch.inference_mode()
def test_the_own_attention_as_override_changes_nothing(attending: RecurrentModel) -> None:
    inputs = _step_inputs(attending, [[4, 5, 6], [7, 8, 9, 10]], rows_each=2)
    own = attending.step(*inputs, None)
    assert own.attention is not None
    again = attending.step(*inputs, Override(own.attention, torch.ones(4, dtype=torch.bool)))
    assert torch.equal(own.logits, again.logits)
    for before, after in zip(_flatten(own.memory), _flatten(again.memory), strict=True):
        assert torch.equal(before, after)


@torch.inference_mode()
def test_an_override_acts_on_its_row_only(attending: RecurrentModel) -> None:
    inputs = _step_inputs(attending, [[4, 5, 6]], rows_each=2)
    first_token = torch.tensor([[1.0, 0.0, 0.0]] * 2)
    own = attending.step(*inputs, None)
    changed = attending.step(*inputs, Override(first_token, torch.tensor([True, False])))
    source = inputs[2]
    assert source is not None
    assert changed.attention is not None
    assert changed.context is not None
    assert torch.equal(changed.attention[0], first_token[0])
    torch.testing.assert_close(changed.context[0], source.states[0, 0])
    assert not torch.equal(changed.logits[0], own.logits[0])
    torch.testing.assert_close(own.logits[1], changed.logits[1])


@torch.inference_mode()
def test_rows_of_one_sentence_are_independent(model: RecurrentModel) -> None:
    previous, memory, source = _step_inputs(model, [[4, 5, 6], [7, 8]], rows_each=3)
    together = model.step(previous, memory, source, None)
    for row in range(6):
        own = Memory(
            tuple(layer[row : row + 1] for layer in memory.hidden),
            tuple(layer[row : row + 1] for layer in memory.cell),
            None if memory.feed is None else memory.feed[row : row + 1],
        )
        sentence = None if source is None else Source(*(part[row // 3 : row // 3 + 1] for part in source))
        alone = model.step(previous[row : row + 1], own, sentence, None)
        torch.testing.assert_close(together.logits[row], alone.logits[0], atol=TOLERANCE, rtol=0)
        for batched, single in zip(_flatten(together.memory), _flatten(alone.memory), strict=True):
            torch.testing.assert_close(batched[row], single[0], atol=TOLERANCE, rtol=0)


class _Encoder(nn.Module):
    def __init__(self, model: RecurrentModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, source_ids: Tensor, source_mask: Tensor) -> tuple[Tensor, ...]:
        states, memory, _ = self.model.encode(source_ids, source_mask)
        return states, *_flatten(memory)


def _run_exported(module: nn.Module, inputs: tuple[Tensor, ...], path: Path) -> onnxruntime.InferenceSession:
    free: Any = ({0: "n", 1: "s"}, {0: "n", 1: "s"})
    program = torch.onnx.export(module.eval(), inputs, dynamo=True, dynamic_shapes=free, verbose=False)
    assert program is not None
    program.save(path)
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the exporter's own deprecation and renaming notices
@torch.inference_mode()
def test_the_encoder_exports_with_every_size_free(tmp_path: Path) -> None:
    """The step is exported in the tests of `pipeline.graphs.export`; here are the last cells of ragged batches."""
    module = _Encoder(_make("copied"))
    session = _run_exported(module, _batch([[4, 5, 6, 7], [8, 9], [10, 11, 12]]), tmp_path / "encoder.onnx")
    names = [entry.name for entry in session.get_inputs()]
    for lengths in ([4, 2, 3], [1], [3, 1], [2, 7, 7, 1, 60]):
        batch = _batch([[4 + position % 20 for position in range(length)] for length in lengths])
        found = session.run(None, {key: value.numpy() for key, value in zip(names, batch, strict=True)})
        for got, expected in zip(found, module(*batch), strict=True):
            np.testing.assert_allclose(got, expected.numpy(), atol=TOLERANCE, rtol=0)
