"""Two BERTs as one model: what goes together, and their word pieces."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from exported_models.contract.manifest import TokenizerJsonSpec
from exported_models.tokenizers.tokenizer_json import JsonTokenizer, load_json_tokenizer
from pipeline.adapters import load_adapter
from pipeline.errors import CheckpointError
from pipeline.models.checkpoint import LoadedCheckpoint
from tests.pipeline.adapters.huggingface.tiny_checkpoints import save_tiny_checkpoint, save_two_models

LINE = "The quick zebras, jumping!"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_checkpoint("bert2bert", tmp_path_factory.mktemp("bert2bert"))


@pytest.fixture(scope="module")
def source(checkpoint: Path) -> LoadedCheckpoint:
    return load_adapter("huggingface").load(checkpoint)


@pytest.fixture(scope="module")
def tokenizer(source: LoadedCheckpoint, tmp_path_factory: pytest.TempPathFactory) -> JsonTokenizer:
    folder = tmp_path_factory.mktemp("tokenizer")
    for name, content in source.tokenizer_files.items():
        (folder / name).write_bytes(content)
    assert isinstance(source.source_tokenizer, TokenizerJsonSpec)
    return load_json_tokenizer(folder, source.source_tokenizer, source.special_ids)


def test_a_text_is_framed_as_the_template_says(
    checkpoint: Path, source: LoadedCheckpoint, tokenizer: JsonTokenizer
) -> None:
    encoding = tokenizer.encode(LINE, end=True)
    assert list(encoding.ids) == AutoTokenizer.from_pretrained(str(checkpoint))(LINE)["input_ids"]
    assert (encoding.tokens[0], encoding.tokens[-1]) == ("[CLS]", "[SEP]")
    assert source.source_tokenizer == source.target_tokenizer
    assert tokenizer.decode(encoding.ids) == "the quick zebras, jumping"


def test_pieces_group_into_words(tokenizer: JsonTokenizer) -> None:
    encoding = tokenizer.encode(LINE, end=True)
    words = [""] * (encoding.words[-1] + 1)
    for (start, end), word in zip(encoding.spans, encoding.words, strict=True):
        words[word] += LINE[start:end]
    assert words == ["", "The", "quick", "zebras", ",", "jumping", "!", ""]


def test_older_settings_are_read_from_the_configuration(checkpoint: Path, tmp_path: Path) -> None:
    for path in checkpoint.iterdir():
        if path.name != "generation_config.json":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "num_beams": 3, "length_penalty": 2.0}))
    generation = load_adapter("huggingface").load(tmp_path).generation
    assert (generation.beam_size, generation.length_penalty) == (3, 2.0)


@pytest.mark.parametrize(
    ("decoder", "message"),
    [
        ({"hidden_size": 28}, "has hidden_size=24 and its decoder 28"),
        ({"hidden_act": "relu"}, "has hidden_act='gelu' and its decoder 'relu'"),
        ({"vocab_size": 95}, "has vocab_size=90 and its decoder 95"),
        ({"model_type": "electra"}, "is a 'electra' model; two models as one can be exported where both are of bert"),
    ],
)
def test_what_does_not_go_together_is_refused(tmp_path: Path, decoder: dict[str, Any], message: str) -> None:
    save_two_models(tmp_path, **decoder)
    with pytest.raises(CheckpointError, match="decoder") as caught:
        load_adapter("huggingface").load(tmp_path)
    assert message in str(caught.value)
