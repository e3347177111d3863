"""JoeyNMT's Transformers: the exported modules and the reference compute what the model computes."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from exported_models.contract.manifest import SentencePieceSpec, WordTokenizerSpec
from pipeline.adapters.joeynmt import JoeyNmtAdapter
from pipeline.errors import CheckpointError
from pipeline.models.checkpoint import LoadedCheckpoint
from tests.pipeline.adapters.graph_modules import run_modules
from tests.pipeline.adapters.joeynmt.modules import Joey, make_config, make_model, save_folder
from tests.pipeline.adapters.marian.tiny_models import train_vocabulary

TOLERANCE = 1e-4
VARIANTS: tuple[dict[str, Any], ...] = (
    {},
    {"layer_norm": "post", "activation": "gelu", "tied_softmax": True},
    {"activation": "swish", "scale": False},
)
PAIRS = (([5, 6, 7, 3], [5, 6, 3]), ([9, 3], [11, 3]), ([*range(4, 20), 3], [*range(4, 16), 3]))


@pytest.fixture(scope="module", params=VARIANTS, ids=["pre", "post", "swish"])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Joey, LoadedCheckpoint]:
    model = make_model(**request.param)
    folder = save_folder(tmp_path_factory.mktemp("joeynmt"), model, make_config(**request.param))
    assert JoeyNmtAdapter().recognizes(folder)
    return model, JoeyNmtAdapter().load(folder)


@torch.inference_mode()
def test_the_modules_and_the_reference_give_what_the_model_gives(case: tuple[Joey, LoadedCheckpoint]) -> None:
    model, source = case
    for ids, target in PAIRS:
        logits = model(torch.tensor([ids]), torch.tensor([[source.start_id, *target[:-1]]]))[0]
        wanted = torch.log_softmax(logits, -1).gather(1, torch.tensor(target)[:, None])[:, 0].numpy()
        reference, found = source.reference.force(ids, target), run_modules(source, ids, target)
        np.testing.assert_allclose(reference.log_probs, wanted, atol=TOLERANCE)
        np.testing.assert_allclose(found["scored_log_probs"], wanted, atol=TOLERANCE)
        assert reference.attention is not None
        np.testing.assert_allclose(found["cross_attention"], reference.attention, atol=TOLERANCE)
        for space in (space for space in source.spaces if space.kind != "table"):
            np.testing.assert_allclose(found[space.output], reference.states[space.name], atol=TOLERANCE)


def test_settings_are_joeynmts_own(case: tuple[Joey, LoadedCheckpoint]) -> None:
    source = case[1]
    assert (source.pad_id, source.start_id, source.end_id) == (1, 2, 3)
    assert source.generation.suppressed_ids == (2,)
    assert (source.generation.beam_size, source.generation.length_penalty, source.generation.max_length) == (3, 1.0, 12)
    assert isinstance(source.source_tokenizer, WordTokenizerSpec)
    assert [notice for notice in source.notices if "beam_alpha=1" in notice] == list(source.notices)


def test_sentencepiece_models_beside_the_checkpoint_cut_texts(tmp_path: Path) -> None:
    config = make_config()
    side = {"level": "bpe", "lowercase": True, "tokenizer_cfg": {"model_file": "/elsewhere/sp.model"}}
    config["data"]["src"] = config["data"]["trg"] = side
    folder = save_folder(tmp_path, make_model(), config)
    assert isinstance(JoeyNmtAdapter().load(folder).source_tokenizer, WordTokenizerSpec)
    (folder / "sp.model").write_bytes(train_vocabulary())
    source = JoeyNmtAdapter().load(folder)
    assert isinstance(source.source_tokenizer, SentencePieceSpec)
    assert any("went through lowercase, which is not run here" in notice for notice in source.notices)


def _refuse(checkpoint: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        JoeyNmtAdapter().load(checkpoint)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (("model", "encoder", "type"), "convolutional", "model.encoder.type='convolutional'; models can be exported"),
        (("model", "decoder", "alpha"), 0.5, "has model.decoder.alpha=0.5, which cannot be exported"),
        (("model", "encoder", "activation"), "tanh", "has model.encoder.activation='tanh', which cannot be exported"),
        (("model", "decoder", "layer_norm"), "post", "has layer_norm 'pre' in its encoder and 'post' in its decoder"),
        (("model", "encoder", "num_heads"), 5, "has encoder states of 24 for 5 heads"),
        (("model", "encoder", "num_layers"), 4, "has no weights encoder.layers.2"),
        (("model", "decoder", "num_layers"), 2, "weights that no supported model has, for instance decoder.layers.2"),
        (("model", "encoder"), {"type": "transformer"}, "does not say model.encoder.num_layers"),
        (("testing", "beam_size"), 0, "has testing.beam_size=0, which cannot be exported"),
    ],
)
def test_a_setting_that_cannot_be_exported_is_named(
    tmp_path: Path, place: tuple[str, ...], value: object, words: str
) -> None:
    config = make_config()
    inner: dict[str, Any] = config
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = value
    assert words in _refuse(save_folder(tmp_path, make_model(), config))


def test_a_pickle_that_would_run_code_is_refused_and_not_run(tmp_path: Path) -> None:
    folder = save_folder(tmp_path, make_model(), make_config())
    torch.save({"model_state": make_model().state_dict(), "score": Fraction(1, 2)}, folder / "5.ckpt")
    assert "pickles fractions.Fraction, and reading that would run code of the file's choice" in _refuse(folder)


def test_what_is_missing_or_damaged_is_said(tmp_path: Path) -> None:
    folder = save_folder(tmp_path, make_model(), make_config())
    content = (folder / "5.ckpt").read_bytes()
    (folder / "5.ckpt").write_bytes(content[: len(content) // 2])
    assert "is damaged or cut short" in _refuse(folder)
    torch.save({"optimizer_state": {}}, folder / "5.ckpt")
    assert "holds no weights of a JoeyNMT model" in _refuse(folder)
    (folder / "5.ckpt").write_bytes(content)
    (folder / "trg_vocab.txt").write_text("one\ntwo\n")
    assert "has 6 tokens, special ones included, but the model has embeddings for 16" in _refuse(folder)
    (folder / "trg_vocab.txt").unlink()
    assert "has no trg_vocab.txt" in _refuse(folder)
    (folder / "config.yaml").write_text("model: [")
    assert "config.yaml cannot be read as YAML" in _refuse(folder)
    (folder / "config.yaml").write_text(yaml.safe_dump([1]))
    assert "config.yaml" in _refuse(folder)
    (folder / "config.yaml").unlink()
    assert not JoeyNmtAdapter().recognizes(folder)
    (folder / "best.ckpt").unlink()
    (folder / "6.ckpt").write_bytes(content)
    assert "no folder with a best.ckpt, a latest.ckpt or a single one" in _refuse(folder)
