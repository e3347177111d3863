"""A folder that is torn, altered, or of a model that cannot be exported is refused in one sentence."""

from __future__ import annotations

import contextlib
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.adapters import load_adapter
from pipeline.adapters.ctranslate2 import CTranslate2Adapter
from pipeline.errors import CheckpointError
from tests.pipeline.adapters.ctranslate2.folders import library, save_folder

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def intact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_folder("flan-t5", tmp_path_factory.mktemp("ctranslate2") / "intact")


@pytest.fixture
def folder(intact: Path, tmp_path: Path) -> Path:
    for path in intact.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def _refuse(folder: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        CTranslate2Adapter().load(folder)
    message = str(caught.value)
    assert "\n" not in message
    assert str(folder) in message
    return message


def _change_settings(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda content: content[:-1], "needs 43 more, and has 42"),
        (lambda content: content[: len(content) // 2], "is damaged or cut short: at byte"),
        (lambda content: content + b"\0", "1 bytes follow its end"),
        (lambda content: content[:0], "is empty"),
        (lambda content: struct.pack("<I", 5) + content[4:], "has version 5 of CTranslate2's format, and version 6 is"),
        (lambda content: content.replace(b"TransformerSpec\0\x07", b"TransformerSpec\0\x06", 1), "has revision 6"),
        (lambda content: content.replace(b"TransformerSpec", b"TransfurmerSpec", 1), "TransfurmerSpec of CTranslate2"),
        (lambda content: content.replace(b"linear_0_noact", b"linear_9_noact"), "linear_9_noact"),
        (lambda content: content.replace(b"decoder/activation", b"decoder/activatiom"), "has activation 1 in its"),
        (lambda content: content.replace(b"encoder/pre_norm", b"decoder/pre_norm"), "has 'decoder/pre_norm' twice"),
    ],
)
def test_a_damaged_or_foreign_file_is_refused(folder: Path, change: Callable[[bytes], bytes], words: str) -> None:
    path = folder / "model.bin"
    path.write_bytes(change(path.read_bytes()))
    assert words in _refuse(folder)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), length=st.integers(1, 8), value=st.integers(0, 255))
def test_bytes_that_changed_give_a_model_or_a_refusal_and_nothing_else(
    folder: Path, intact: Path, place: float, length: int, value: int
) -> None:
    content = bytearray((intact / "model.bin").read_bytes())
    start = int(place * len(content))
    content[start : start + length] = bytes([value] * length)
    (folder / "model.bin").write_bytes(content)
    with contextlib.suppress(CheckpointError):
        CTranslate2Adapter().load(folder)


def test_a_size_beyond_the_file_is_not_believed(folder: Path) -> None:
    """The first variable claims 4 GB, and its shape agrees."""
    path = folder / "model.bin"
    content = path.read_bytes()
    name = b"decoder/embeddings/weight\0"
    place = content.index(name) + len(name) + 1
    path.write_bytes(content[:place] + struct.pack("<II", 1 << 15, 1 << 15) + content[place + 8 :])
    assert "holds" in _refuse(folder)
    path.write_bytes(content[:place] + struct.pack("<IIBI", 1 << 15, 1 << 15, 2, (1 << 31)) + content[place + 13 :])
    assert "needs 2,147,483,648 more, and has" in _refuse(folder)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("config.json", None, "has no config.json"),
        ("config.json", "{", "config.json is not JSON"),
        ("config.json", '{"eos_token": 3}', "is not that of a CTranslate2 model at eos_token"),
        ("config.json", "[]", "is not that of a CTranslate2 model at its whole"),
        ("shared_vocabulary.json", None, "has no shared_vocabulary.json, and not both of source_vocabulary.json"),
        ("shared_vocabulary.json", "[1]", "is not a list of tokens"),
        ("shared_vocabulary.json", '["a", "a"]', "has a token twice"),
        ("shared_vocabulary.json", '["<pad>", "</s>", "<unk>"]', "has 3 tokens, but the model has embeddings for 90"),
        ("tokenizer.json", "{}", "tokenizer.json cannot be read"),
        ("spiece.model", "no model", "is no SentencePiece model"),
    ],
)
def test_a_file_beside_the_weights_is_checked(folder: Path, name: str, content: str | None, words: str) -> None:
    path = folder / name
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    assert words in _refuse(folder)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"eos_token": "</end>"}, "has no '</end>', which its config.json names"),
        ({"decoder_start_token": None}, "has no decoder_start_token, and no tags of languages"),
        ({"add_source_bos": True}, "has add_source_bos=true and no tokenizer beside the model"),
        ({"layer_norm_epsilon": -1.0}, "at layer_norm_epsilon"),
    ],
)
def test_settings_that_do_not_fit_are_refused(folder: Path, changes: dict[str, Any], words: str) -> None:
    _change_settings(folder, **changes)
    assert words in _refuse(folder)


def test_a_tokenizer_of_another_vocabulary_is_refused(folder: Path, tmp_path: Path) -> None:
    other = save_folder("nllb", tmp_path / "other")
    (folder / "tokenizer.json").write_bytes((other / "tokenizer.json").read_bytes())
    assert "it is not the model's tokenizer" in _refuse(folder)


def _fill(spec: Any) -> Any:
    """Set every variable of a specification to ones of four rows."""
    spec._visit(  # the converters' own way of setting variables
        lambda part, name, value: setattr(
            part, name.split("/")[-1], np.ones((12, 4), np.float32) if value is None else value
        )
    )
    return spec


def test_what_is_no_encoder_decoder_is_refused(folder: Path) -> None:
    specs = library.specs
    decoder = _fill(specs.TransformerDecoderModelSpec.from_config(1, 1))
    decoder.register_vocabulary([str(index) for index in range(12)])
    decoder.validate()
    decoder.save(str(folder))
    assert "a decoder without an encoder, so there is no source to attend to" in _refuse(folder)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"with_relative_position": True}, "relative positions on keys and values"),
        ({"multi_query_attention": True}, "multi_query_attention"),
        ({"num_source_embeddings": 2}, "several embeddings of a source token"),
        ({"activation": library.specs.Activation.Tanh}, "has the activation 5; 0 to 4 can be exported"),
    ],
)
def test_a_part_that_has_no_place_is_named(folder: Path, options: dict[str, Any], words: str) -> None:
    spec = _fill(library.specs.TransformerSpec.from_config(1, 1, **options))
    tokens = ["<unk>", "<s>", "</s>", *(str(index) for index in range(9))]
    for _ in range(options.get("num_source_embeddings", 1)):
        spec.register_source_vocabulary(tokens)
    spec.register_target_vocabulary(tokens)
    spec.validate()
    spec.save(str(folder))
    assert words in _refuse(folder)


def test_other_folders_are_not_taken_for_one(folder: Path, intact: Path) -> None:
    adapter = CTranslate2Adapter()
    assert adapter.recognizes(intact)
    assert not adapter.recognizes(folder / "missing")
    (folder / "model.bin").write_bytes(b"\x01" + bytes(60))
    assert not adapter.recognizes(folder)
    assert not load_adapter("huggingface").recognizes(intact)
