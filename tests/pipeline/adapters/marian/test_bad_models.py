"""A model that cannot be exported is refused in one sentence, which names the file and what is supported."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from exported_models.contract.workspace import Workspace
from pipeline.adapters import find_adapter, load_adapter
from pipeline.errors import AdapterError, CheckpointError
from pipeline.export.checkpoints import export_model
from pipeline.progress import SilentProgress
from tests.pipeline.adapters.marian.tiny_models import (
    OPTIONS,
    SSRU,
    make_tensors,
    pack_binary,
    pack_npz,
    save_tiny_model,
    train_vocabulary,
)

RECURRENT = {name.replace("-", "_"): value for name, value in SSRU.items()}


def _refuse(checkpoint: Path, message: str, workspace: Path) -> None:
    with pytest.raises(CheckpointError, match=message) as caught:
        export_model(checkpoint, "marian", "bad", Workspace(workspace), progress=SilentProgress())
    assert str(caught.value).count("\n") == 0
    assert str(checkpoint if checkpoint.is_dir() else checkpoint.parent) in str(caught.value)
    assert Workspace(workspace).model_ids() == ()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"type": "s2s"}, "type 's2s'; supported are Transformers"),
        ({"type": "amun"}, "type 'amun'; supported are Transformers"),
        ({"type": "char-s2s"}, "type 'char-s2s'; supported are Transformers"),
        ({"transformer_decoder_autoreg": "average-attention"}, "option transformer-decoder-autoreg: 'average-att"),
        ({**RECURRENT, "dec_cell": "gru"}, "option dec-cell: 'gru', which cannot be exported"),
        ({**RECURRENT, "layer_normalization": True}, "option layer-normalization: True"),
        ({"transformer_train_positions": True}, "option transformer-train-positions: True"),
        ({"transformer_tied_layers": [1, 1, 1]}, "option transformer-tied-layers"),
        ({"transformer_postprocess": "dhn"}, "with transformer-postprocess 'dhn'"),
        ({"transformer_ffn_depth": 1}, "option transformer-ffn-depth: 1"),
        ({"transformer_ffn_activation": "prelu"}, "activation: 'prelu', which cannot be exported; known are gelu"),
        ({"right_left": True}, "option right-left: True"),
        ({"dim_emb": "wide"}, "no usable dim-emb"),
        ({"transformer_heads": 5}, "do not go together"),
        ({"enc_depth": 0}, "enc-depth 0 and dec-depth 3"),
        (
            {"transformer_preprocess": "n", "transformer_postprocess": "da", "version": "v1.9.0"},
            "Marian before 1.11 did not normalize keys",
        ),
    ],
    ids=str,
)
def test_options_that_cannot_be_exported(changes: Mapping[str, Any], message: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    save_tiny_model(folder)
    options = {**OPTIONS, **{key.replace("_", "-"): value for key, value in changes.items()}}
    (folder / "model.npz").write_bytes(pack_npz(make_tensors(OPTIONS), options))

    _refuse(folder, message, tmp_path / "workspace")


def _rewrite(edit: Callable[[dict[str, Any]], object]) -> Callable[[Path], object]:
    def damage(folder: Path) -> None:
        tensors = make_tensors(OPTIONS)
        edit(tensors)
        (folder / "model.npz").write_bytes(pack_npz(tensors, OPTIONS))

    return damage


def _poison(tensors: dict[str, Any]) -> None:
    tensors["decoder_l1_ffn_W1"][2, 3] = np.nan


def _widen(tensors: dict[str, Any]) -> None:
    for name in ("encoder_l2_self_Wk", "encoder_l2_self_bk"):
        tensors[name] = np.concatenate([tensors[name], tensors[name]], axis=1)


def _cut(folder: Path) -> None:
    path = folder / "model.npz"
    path.write_bytes(path.read_bytes()[:-2000])


def _pickle(folder: Path) -> None:
    objects: dict[str, Any] = {"special:model.yml": np.array([{"type": "transformer"}], dtype=object)}
    np.savez(folder / "model.npz", **objects)


def _name_other_vocabularies(folder: Path) -> None:
    (folder / "decoder.yml").write_text(yaml.safe_dump({"models": ["model.npz"], "vocabs": ["en.spm", "de.spm"]}))


def _name_a_list(folder: Path) -> None:
    (folder / "decoder.yml").write_text(yaml.safe_dump({"models": ["model.npz"], "vocabs": ["vocab.yml"]}))


def _make_an_ensemble(folder: Path) -> None:
    (folder / "decoder.yml").write_text(yaml.safe_dump({"models": ["model.npz", "other.npz"]}))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_rewrite(_poison), "not finite, in decoder_l1_ffn_W1"),
        (
            _rewrite(lambda tensors: tensors.pop("encoder_l1_self_Wq")),
            "no weight encoder_l1_self_Wq, which its options",
        ),
        (_rewrite(lambda tensors: tensors.update(Wpos=np.zeros((9, 24), np.float32))), "do not explain.* Wpos"),
        (_rewrite(lambda tensors: tensors.update(Wemb=tensors["Wemb"][:, :-2])), "weight Wemb as .*, but its options"),
        (_rewrite(lambda tensors: tensors.update(Wemb=np.zeros((56, 24), np.int32))), "weight Wemb as int32"),
        (_rewrite(_widen), r"do not fit each other: encoder.1.attention.project.weight is \[96, 24\]"),
        (_cut, "damaged or no NumPy archive"),
        (_pickle, "damaged or no NumPy archive of plain arrays"),
        (
            lambda folder: (folder / "vocab.spm").write_bytes(train_vocabulary(50)),
            "has 50 tokens, but the model has 56",
        ),
        (lambda folder: (folder / "vocab.spm").write_bytes(b"other"), "vocab.spm is no SentencePiece model"),
        (lambda folder: (folder / "vocab.spm").unlink(), "There is no vocabulary .*vocab.spm"),
        (lambda folder: (folder / "decoder.yml").write_text("{"), "decoder.yml is not YAML"),
        (lambda folder: (folder / "decoder.yml").write_text("[]"), "decoder.yml does not hold options by name"),
        (_name_other_vocabularies, "There is no vocabulary .*en.spm"),
        (_name_a_list, "There is no vocabulary .*vocab.yml"),
        (_make_an_ensemble, "an ensemble of 2 models"),
        (
            lambda folder: (folder / "best.npz").write_bytes((folder / "model.npz").read_bytes()),
            "several Marian models",
        ),
        (lambda folder: (folder / "model.npz").unlink(), "has no Marian model"),
    ],
)
def test_damaged_files(damage: Callable[[Path], object], message: str, tmp_path: Path) -> None:
    folder = save_tiny_model(tmp_path / "model")
    damage(folder)

    _refuse(folder, message, tmp_path / "workspace")


@pytest.mark.parametrize("kept", [9, 100, 5000, -300])
def test_a_truncated_binary_is_refused_wherever_it_ends(kept: int, tmp_path: Path) -> None:
    folder = save_tiny_model(tmp_path / "model", "model.bin", pack_binary)
    path = folder / "model.bin"
    path.write_bytes(path.read_bytes()[:kept])

    assert find_adapter(folder) == "marian"
    _refuse(path, "model.bin is damaged or truncated: .*a Marian model is", tmp_path / "workspace")


def test_a_binary_whose_headers_ask_for_more_than_there_is_is_refused(tmp_path: Path) -> None:
    """Integers that are announced as floats."""
    folder = save_tiny_model(tmp_path / "model", "model.bin", partial(pack_binary, quantized_kind=0x4101))
    content = bytearray((folder / "model.bin").read_bytes())
    content[24:32] = (0x404).to_bytes(8, "little")
    (folder / "model.bin").write_bytes(content)

    _refuse(folder, "model.bin is damaged or truncated", tmp_path / "workspace")


def test_weights_packed_for_one_processor_are_refused(tmp_path: Path) -> None:
    folder = save_tiny_model(tmp_path / "model", "model.bin", pack_binary)
    content = bytearray((folder / "model.bin").read_bytes())
    content[24:32] = (0x11001).to_bytes(8, "little")
    (folder / "model.bin").write_bytes(content)

    _refuse(folder, "Wemb in a form for one kind of processor", tmp_path / "workspace")


def test_a_file_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pytorch_model.bin"
    path.write_bytes(b"PK\x03\x04" + bytes(100))

    _refuse(path, "pytorch_model.bin is not in Marian's binary format", tmp_path / "workspace")
    with pytest.raises(AdapterError, match="No adapter recognizes"):
        find_adapter(path)


def test_arrays_of_another_program_are_not_recognized(tmp_path: Path) -> None:
    np.savez(tmp_path / "weights.npz", matrix=np.zeros((2, 2), np.float32))

    assert not load_adapter("marian").recognizes(tmp_path / "weights.npz")
    assert not load_adapter("marian").recognizes(tmp_path)
