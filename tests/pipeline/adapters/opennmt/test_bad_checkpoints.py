"""A checkpoint that cannot be exported is refused in one sentence that names the option or what would run code."""

from __future__ import annotations

import argparse
import collections
import math
import zipfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from pipeline.adapters import load_adapter
from pipeline.adapters.opennmt import OpenNmtAdapter
from pipeline.errors import CheckpointError
from tests.pipeline.adapters.opennmt.checkpoints import make_content, save_checkpoint, train_model

Content = dict[str, Any]


@pytest.fixture(scope="module")
def recurrent() -> nn.Module:
    return train_model("lstm", 0)


@pytest.fixture(scope="module")
def transformer() -> nn.Module:
    return train_model("transformer", 0)


def _refuse(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        load_adapter("opennmt").load(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("copy_attn", True),
        ("coverage_attn", True),
        ("context_gate", "both"),
        ("rnn_type", "SRU"),
        ("encoder_type", "ggnn"),
        ("decoder_type", "cnn"),
        ("global_attention_function", "sparsemax"),
        ("generator_function", "sparsemax"),
        ("n_src_feats", 2),
        ("lora_layers", ["linear_query"]),
        ("model_task", "lm"),
        ("model_type", "audio"),
        ("enc_layers", "two"),
    ],
)
def test_an_option_of_a_recurrent_model_is_named(recurrent: nn.Module, tmp_path: Path, option: str, value: Any) -> None:
    path = save_checkpoint(tmp_path / "model.pt", make_content(recurrent, **dict[str, Any]({option: value})))
    assert f"{option}={value!r}, which cannot be exported" in _refuse(path)


@pytest.mark.parametrize(
    ("option", "value", "meaning"),
    [
        ("max_relative_positions", -1, " (rotary positions)"),
        ("max_relative_positions", 20, ""),
        ("relative_positions_buckets", 32, ""),
        ("multiquery", True, ""),
        ("num_kv", 2, ""),
        ("parallel_residual", True, ""),
        ("num_experts", 4, ""),
        ("sliding_window", 64, ""),
        ("self_attn_type", "average", ""),
        ("quant_layers", ["w_1"], ""),
    ],
)
def test_an_option_of_a_transformer_is_named(
    transformer: nn.Module, tmp_path: Path, option: str, value: Any, meaning: str
) -> None:
    path = save_checkpoint(tmp_path / "model.pt", make_content(transformer, **dict[str, Any]({option: value})))
    assert f"{option}={value!r}{meaning}, which cannot be exported" in _refuse(path)


class Touch:
    """Content of a malicious file: reading it would make a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.path,)


def test_what_would_run_code_is_refused_and_not_run(recurrent: nn.Module, tmp_path: Path) -> None:
    content = make_content(recurrent)
    content["optim"] = Touch(tmp_path / "touched")
    message = _refuse(save_checkpoint(tmp_path / "model.pt", content))
    assert "reading that would run code of the file's choice" in message
    assert not (tmp_path / "touched").exists()


def test_other_classes_are_refused_by_name(recurrent: nn.Module, tmp_path: Path) -> None:
    content = make_content(recurrent, version=2)
    content["vocab"] = {"src": Fraction(1, 2), "tgt": collections.Counter()}
    message = _refuse(save_checkpoint(tmp_path / "model.pt", content))
    assert "pickles fractions.Fraction, and reading that would run code" in message


def test_fields_of_torchtext_are_refused_with_what_to_do(
    recurrent: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As version 2 pickles them; the class stands in for the one of a package that no longer installs."""
    import sys
    import types

    module = types.ModuleType("torchtext.data.field")
    field = type("Field", (), {"__module__": module.__name__})
    module.Field = field  # type: ignore[attr-defined]
    for name in ("torchtext", "torchtext.data"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    content = make_content(recurrent, version=2)
    content["vocab"] = {"src": field(), "tgt": field()}
    message = _refuse(save_checkpoint(tmp_path / "model.pt", content))
    assert "pickles torchtext.data.field.Field" in message
    assert "tools/convertv2_v3.py" in message


def _without(*names: str) -> Callable[[Content], None]:
    def damage(content: Content) -> None:
        for name in names:
            del content[name]

    return damage


def _change_weight(name: str, change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[Content], None]:
    def damage(content: Content) -> None:
        content["model"][name] = change(content["model"][name])

    return damage


def _add_copy_attention(content: Content) -> None:
    content["model"]["decoder.copy_attn.linear_in.weight"] = torch.zeros(2, 2)


def _set_vocabulary(side: str, change: Callable[[list[str]], object]) -> Callable[[Content], None]:
    def damage(content: Content) -> None:
        content["vocab"][side] = change(content["vocab"][side])

    return damage


def _set_options(content: Content) -> None:
    content["opt"] = vars(content["opt"])


def _drop_option(content: Content) -> None:
    del content["opt"].enc_layers


def _deepen(content: Content) -> None:
    content["opt"].enc_layers = 3


def _add_features(content: Content) -> None:
    content["vocab"]["src_feats"] = [["<unk>", "upper"]]


_WEIGHT = "decoder.attn.linear_out.weight"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_without("opt"), "holds no options of a training"),
        (_set_options, "holds no options of a training"),
        (_drop_option, "does not say its option enc_layers"),
        (_without("vocab"), "holds no vocabulary, and there is no model.vocab.json beside it"),
        (_without("model"), "holds no weights, and there is no model.safetensors beside it"),
        (_without("generator"), "has no weights generator.weight"),
        (_set_vocabulary("src", lambda _: {"a": 1}), "has no list of tokens 'src'"),
        (_set_vocabulary("tgt", lambda tokens: [*tokens, tokens[-1]]), "has a token twice in 'tgt'"),
        (_set_vocabulary("tgt", lambda tokens: [*tokens[:3], "end", *tokens[4:]]), "has no '</s>'"),
        (_set_vocabulary("src", lambda tokens: tokens[:-1]), "tokens 'src' are"),
        (_set_vocabulary("tgt", lambda tokens: [*tokens, "more"]), "tokens 'tgt' are"),
        (_add_features, "source features (src_feats)"),
        (_add_copy_attention, "for instance decoder.copy_attn.linear_in.weight"),
        (_deepen, "3 encoder and 2 decoder layers"),
        (_change_weight(_WEIGHT, lambda tensor: tensor[:-1]), "do not fit its options: attentional.weight is [31, 64]"),
        (_change_weight(_WEIGHT, lambda tensor: tensor * math.nan), f"weights that are not finite, in {_WEIGHT}"),
    ],
)
def test_a_damaged_checkpoint_is_refused(
    recurrent: nn.Module, tmp_path: Path, damage: Callable[[Content], None], message: str
) -> None:
    content = make_content(recurrent)
    damage(content)
    assert message in _refuse(save_checkpoint(tmp_path / "model.pt", content))


def test_a_file_cut_short_is_refused(recurrent: nn.Module, tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path / "model.pt", make_content(recurrent))
    path.write_bytes(path.read_bytes()[:-200])
    assert "damaged or cut short" in _refuse(path)


def test_only_checkpoints_are_recognized(recurrent: nn.Module, tmp_path: Path) -> None:
    recognizes = OpenNmtAdapter().recognizes
    assert recognizes(save_checkpoint(tmp_path / "model.pt", make_content(recurrent)))
    assert recognizes(tmp_path)
    torch.save({"weights": torch.zeros(2)}, tmp_path / "other.pt")
    assert not recognizes(tmp_path / "other.pt")
    assert not recognizes(tmp_path)
    with zipfile.ZipFile(tmp_path / "empty.pt", "w"):
        pass
    assert not recognizes(tmp_path / "empty.pt")
    assert not recognizes(tmp_path / "missing.pt")
    namespace = argparse.Namespace(vocab=1, generator=2, opt=3)
    torch.save(namespace, tmp_path / "names.pt")
    assert "holds no checkpoint of OpenNMT-py" in _refuse(tmp_path / "names.pt")
