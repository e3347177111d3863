"""The Luong model: ragged batches are exact, attention can be overridden, parts export, checkpoints are checked."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from pipeline.errors import CheckpointError
from pipeline.models.luong import (
    SPECIAL_TOKENS,
    LuongConfig,
    LuongModel,
    load_checkpoint,
    save_checkpoint,
)

CONFIG = LuongConfig(source_vocabulary=30, target_vocabulary=12, embedding=8, encoder_units=10, decoder_units=14)
SOURCE_VOCABULARY = (*SPECIAL_TOKENS, *(chr(0x3B1 + index) for index in range(26)))
TARGET_VOCABULARY = (*SPECIAL_TOKENS, *"abcdefgh")
TOLERANCE = 1e-5

_SENTENCE = st.lists(st.integers(4, 29), min_size=1, max_size=9)
_SENTENCES = st.lists(_SENTENCE, min_size=1, max_size=4)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)  # two wait for each other on a busy machine


@pytest.fixture(scope="module")
def model() -> LuongModel:
    torch.manual_seed(7)
    return LuongModel(CONFIG).eval()


def _batch(sentences: list[list[int]], extra: int = 0) -> tuple[Tensor, Tensor]:
    """Ids and mask, padded to the longest sentence and ``extra`` further."""
    width = max(map(len, sentences)) + extra
    ids = torch.tensor([sentence + [CONFIG.pad_id] * (width - len(sentence)) for sentence in sentences])
    mask = torch.tensor([[True] * len(sentence) + [False] * (width - len(sentence)) for sentence in sentences])
    return ids, mask


def _step_inputs(model: LuongModel, sentences: list[list[int]], rows_each: int) -> tuple[Tensor, ...]:
    """Inputs of a step with random memories, no override."""
    ids, mask = _batch(sentences)
    states = model.encode(ids, mask).states
    rows, units = len(sentences) * rows_each, CONFIG.decoder_units
    memory = (torch.randn(rows, units) for _ in range(3))
    unused, off = torch.zeros(rows, ids.shape[1]), torch.zeros(rows, dtype=torch.bool)
    return (torch.randint(4, 12, (rows,)), *memory, states, model.attention_keys(states), mask, unused, off)


def _override(inputs: tuple[Tensor, ...], weights: Tensor, on: Tensor) -> tuple[Tensor, ...]:
    return (*inputs[:7], weights, on)


@settings(deadline=None, max_examples=40)
@given(sentences=_SENTENCES, extra=st.integers(0, 3))
@torch.inference_mode()
def test_a_batch_gives_what_each_sentence_alone_gives(
    model: LuongModel, sentences: list[list[int]], extra: int
) -> None:
    batched = model.encode(*_batch(sentences, extra))
    targets = torch.randint(4, 12, (len(sentences), 3))
    log_probs = model(*_batch(sentences, extra), targets)
    for row, sentence in enumerate(sentences):
        alone = model.encode(*_batch([sentence]))
        length = len(sentence)
        torch.testing.assert_close(batched.states[row, :length], alone.states[0], atol=TOLERANCE, rtol=0)
        torch.testing.assert_close(batched.hidden[row], alone.hidden[0], atol=TOLERANCE, rtol=0)
        torch.testing.assert_close(batched.cell[row], alone.cell[0], atol=TOLERANCE, rtol=0)
        assert not batched.states[row, length:].any()
        expected = model(*_batch([sentence]), targets[row : row + 1])
        torch.testing.assert_close(log_probs[row], expected[0], atol=TOLERANCE, rtol=0)


@torch.inference_mode()
def test_the_encoder_is_a_bidirectional_lstm(model: LuongModel) -> None:
    """Torch's own bidirectional LSTM, given packed sequences, is the oracle."""
    oracle = nn.LSTM(CONFIG.embedding, CONFIG.encoder_units, batch_first=True, bidirectional=True)
    weights = dict(model.forward_encoder.state_dict())
    weights |= {f"{name}_reverse": tensor for name, tensor in model.backward_encoder.state_dict().items()}
    oracle.load_state_dict(weights)
    ids, mask = _batch([[4, 5, 6, 7, 8], [9, 10], [11, 12, 13]])
    packed = nn.utils.rnn.pack_padded_sequence(
        model.source_embedding(ids), mask.sum(1), batch_first=True, enforce_sorted=False
    )
    expected, _ = nn.utils.rnn.pad_packed_sequence(oracle(packed)[0], batch_first=True)
    torch.testing.assert_close(model.encode(ids, mask).states, expected, atol=TOLERANCE, rtol=0)


@torch.inference_mode()
def test_what_stands_in_the_padding_never_matters(model: LuongModel) -> None:
    ids, mask = _batch([[4, 5, 6, 7, 8], [9, 10]])
    noisy = torch.where(mask, ids, torch.full_like(ids, 29))
    for clean, dirty in zip(model.encode(ids, mask), model.encode(noisy, mask), strict=True):
        assert torch.equal(clean, dirty)


@torch.inference_mode()
def test_attention_sums_to_one_and_is_zero_on_padding(model: LuongModel) -> None:
    inputs = _step_inputs(model, [[4, 5, 6, 7, 8], [9, 10]], rows_each=3)
    attention = model.step(*inputs).attention
    torch.testing.assert_close(attention.sum(1), torch.ones(6))
    assert not attention[3:, 2:].any()
    everywhere = torch.full_like(attention, 0.2)
    overridden = model.step(*_override(inputs, everywhere, torch.ones(6, dtype=torch.bool))).attention
    assert not overridden[3:, 2:].any()


@torch.inference_mode()
def test_the_own_attention_as_override_changes_nothing(model: LuongModel) -> None:
    inputs = _step_inputs(model, [[4, 5, 6], [7, 8, 9, 10]], rows_each=2)
    own = model.step(*inputs)
    again = model.step(*_override(inputs, own.attention, torch.ones(4, dtype=torch.bool)))
    for before, after in zip(own, again, strict=True):
        assert torch.equal(before, after)


@torch.inference_mode()
def test_an_override_acts_on_its_row_only(model: LuongModel) -> None:
    inputs = _step_inputs(model, [[4, 5, 6]], rows_each=2)
    first_token = torch.tensor([[1.0, 0.0, 0.0]] * 2)
    own = model.step(*inputs)
    changed = model.step(*_override(inputs, first_token, torch.tensor([True, False])))
    assert torch.equal(changed.attention[0], first_token[0])
    torch.testing.assert_close(changed.context[0], inputs[4][0, 0])
    assert not torch.equal(changed.log_probs[0], own.log_probs[0])
    for before, after in zip(own, changed, strict=True):
        torch.testing.assert_close(before[1], after[1])


@torch.inference_mode()
def test_rows_of_one_sentence_are_independent(model: LuongModel) -> None:
    inputs = _step_inputs(model, [[4, 5, 6], [7, 8]], rows_each=3)
    together = model.step(*inputs)
    for row in range(6):
        memory = [part[row : row + 1] for part in inputs[:4]]
        sentence = [part[row // 3 : row // 3 + 1] for part in inputs[4:7]]
        alone = model.step(*_override((*memory, *sentence), inputs[7][:1], inputs[8][:1]))
        for batched, single in zip(together, alone, strict=True):
            torch.testing.assert_close(batched[row], single[0], atol=TOLERANCE, rtol=0)


@torch.inference_mode()
def test_forward_is_steps_in_a_row(model: LuongModel) -> None:
    ids, mask = _batch([[4, 5, 6], [7, 8]])
    targets = torch.tensor([[1, 5, 6], [1, 7, 8]])
    log_probs = model(ids, mask, targets)
    states, hidden, cell = model.encode(ids, mask)
    feed, keys = torch.zeros_like(hidden), model.attention_keys(states)
    for step in range(3):
        unused, off = torch.zeros(2, 3), torch.zeros(2, dtype=torch.bool)
        stepped = model.step(targets[:, step], hidden, cell, feed, states, keys, mask, unused, off)
        hidden, cell, feed = stepped.hidden, stepped.cell, stepped.feed
        assert torch.equal(log_probs[:, step], stepped.log_probs)


class _Encoder(nn.Module):
    def __init__(self, model: LuongModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, source_ids: Tensor, source_mask: Tensor) -> tuple[Tensor, ...]:
        states, hidden, cell = self.model.encode(source_ids, source_mask)
        return states, hidden, cell, self.model.attention_keys(states)


class _Step(nn.Module):
    def __init__(self, model: LuongModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.model.step(*inputs))


def _export(
    module: nn.Module, inputs: tuple[Tensor, ...], shapes: tuple[Any, ...], path: Path
) -> onnxruntime.InferenceSession:
    program = torch.onnx.export(module.eval(), inputs, dynamo=True, dynamic_shapes=shapes, verbose=False)
    assert program is not None
    program.save(path)
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def _assert_parity(session: onnxruntime.InferenceSession, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    names = [entry.name for entry in session.get_inputs()]
    outputs = session.run(None, {name: value.numpy() for name, value in zip(names, inputs, strict=True)})
    for got, expected in zip(outputs, module(*inputs), strict=True):
        np.testing.assert_allclose(got, expected.numpy(), atol=TOLERANCE, rtol=0)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the exporter's own deprecation and renaming notices
@torch.inference_mode()
def test_encode_and_step_export_with_every_size_free(model: LuongModel, tmp_path: Path) -> None:
    sentence, row = {0: "n", 1: "s"}, {0: "r"}
    sentences = [[4, 5, 6, 7], [8, 9], [10, 11, 12]]
    encoder = _export(_Encoder(model), _batch(sentences), (sentence, sentence), tmp_path / "encoder.onnx")
    shapes = (row, row, row, row, sentence, sentence, sentence, {0: "r", 1: "s"}, row)
    step = _export(_Step(model), _step_inputs(model, sentences, 2), (shapes,), tmp_path / "step.onnx")
    for lengths, rows_each in (([4, 2, 3], 2), ([1], 1), ([9], 5), ([3, 1], 1), ([2, 7, 7, 1, 5], 4)):
        batch = [[4 + position for position in range(length)] for length in lengths]
        _assert_parity(encoder, _Encoder(model), _batch(batch))
        inputs = _step_inputs(model, batch, rows_each)
        _assert_parity(step, _Step(model), inputs)
        uniform = inputs[6].repeat_interleave(rows_each, 0) / inputs[6].sum(1).repeat_interleave(rows_each)[:, None]
        _assert_parity(step, _Step(model), _override(inputs, uniform, torch.arange(uniform.shape[0]) % 2 == 0))


def test_a_checkpoint_comes_back_as_it_was(model: LuongModel, tmp_path: Path) -> None:
    for name in ("one", "two"):
        save_checkpoint(tmp_path / name, model, SOURCE_VOCABULARY, TARGET_VOCABULARY)
    loaded = load_checkpoint(tmp_path / "one")
    assert loaded.model.config == CONFIG
    assert loaded.source_vocabulary == SOURCE_VOCABULARY
    assert loaded.target_vocabulary == TARGET_VOCABULARY
    assert not loaded.model.training
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, loaded.model.state_dict()[name])
    one, two = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("one", "two"))
    assert one == two
    assert sorted(one) == [
        "config.json",
        "model.safetensors",
        "source_vocabulary.json",
        "target_vocabulary.json",
    ]


def _edit_json(name: str, edit: Callable[[Any], Any]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        value = json.loads((folder / name).read_text("utf-8"))
        (folder / name).write_text(json.dumps(edit(value)), "utf-8")

    return damage


def _truncate(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


def _poison(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + np.float32(math.nan).tobytes())


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "config.json").unlink(), "has no config.json"),
        (lambda folder: (folder / "model.safetensors").unlink(), "has no model.safetensors"),
        (lambda folder: (folder / "target_vocabulary.json").unlink(), "has no target_vocabulary.json"),
        (lambda folder: (folder / "config.json").write_bytes(b"{"), "config.json is not JSON"),
        (lambda folder: (folder / "config.json").write_bytes(b"\xff"), "config.json is not JSON"),
        (_edit_json("config.json", lambda _: []), 'does not say "architecture": "luong"'),
        (_edit_json("config.json", lambda c: c | {"typo": 1}), "missing, unknown or ill-typed entries: typo"),
        (_edit_json("config.json", lambda c: c | {"pad_id": "0"}), "ill-typed entries: pad_id"),
        (_edit_json("config.json", lambda c: c | {"embedding": 9}), "is [30, 8], expected [30, 9]"),
        (_edit_json("config.json", lambda c: c | {"embedding": 0}), "embedding must be at least 1"),
        (_edit_json("config.json", lambda c: c | {"end_id": 7}), "end_id must be 2"),
        (_edit_json("config.json", lambda c: c | {"dropout": 1.5}), "dropout must be"),
        (
            _edit_json("source_vocabulary.json", lambda v: v[:-1]),
            "has 29 tokens, but the model was made for 30",
        ),
        (_edit_json("source_vocabulary.json", lambda v: v[::-1]), "does not begin with the special tokens"),
        (_edit_json("source_vocabulary.json", lambda v: [*v[:-1], v[-2]]), "has a token twice"),
        (_edit_json("source_vocabulary.json", lambda v: [*v[:-1], 3]), "is not a list of tokens"),
        (_truncate, "model.safetensors is damaged or cut short"),
        (_poison, "has weights that are not finite"),
    ],
)
def test_a_damaged_checkpoint_is_refused_in_one_sentence(
    model: LuongModel, tmp_path: Path, damage: Callable[[Path], object], message: str
) -> None:
    save_checkpoint(tmp_path, model, SOURCE_VOCABULARY, TARGET_VOCABULARY)
    damage(tmp_path)
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(tmp_path)
    assert message in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_weights_that_are_not_finite_are_not_saved(tmp_path: Path) -> None:
    broken = LuongModel(CONFIG)
    nn.init.constant_(broken.output.bias, math.inf)
    with pytest.raises(CheckpointError, match=r"not finite, in output\.bias"):
        save_checkpoint(tmp_path, broken, SOURCE_VOCABULARY, TARGET_VOCABULARY)
    assert not list(tmp_path.iterdir())
