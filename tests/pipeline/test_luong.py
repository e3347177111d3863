"""Checkpoints of Luong models: they come back as they were, and damaged ones are refused."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

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


@pytest.fixture(scope="module")
def model() -> LuongModel:
    torch.manual_seed(7)
    return LuongModel(CONFIG).eval()


def test_a_checkpoint_comes_back_as_it_was(model: LuongModel, tmp_path: Path) -> None:
    for name in ("one", "two"):
        save_checkpoint(tmp_path / name, model, SOURCE_VOCABULARY, TARGET_VOCABULARY)
    loaded = load_checkpoint(tmp_path / "one")
    assert loaded.model.sizes == CONFIG
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


def test_a_saved_checkpoint_has_the_names_that_older_ones_have(model: LuongModel, tmp_path: Path) -> None:
    save_checkpoint(tmp_path, model, SOURCE_VOCABULARY, TARGET_VOCABULARY)
    shipped = Path(__file__).parents[2] / "examples" / "dates" / "checkpoint" / "model.safetensors"
    assert load_file(tmp_path / "model.safetensors").keys() == load_file(shipped).keys()


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
