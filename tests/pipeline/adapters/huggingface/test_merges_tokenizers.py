"""Byte pair encoding of FSMT and Blenderbot small: the ids and the texts of the library's own tokenizers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from exported_models.contract.errors import ArtefactError
from exported_models.contract.manifest import MergesSpec
from exported_models.tokenizers.merges import MergesTokenizer, load_merges_tokenizer
from pipeline.adapters import load_adapter
from pipeline.models.checkpoint import LoadedCheckpoint
from tests.pipeline.adapters.huggingface.tiny_checkpoints import save_tiny_checkpoint

LINES = (
    "The quick zebras, jumping!",
    "Pack the fox's box (five-dozen) – “judge” ’em…",
    "a.b  ...c 'd' ñ\u200bé & <5%>。 ３",
    "two\nlines \n and\n",
)


@pytest.fixture(scope="module", params=["blenderbot-small", "fsmt"])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, LoadedCheckpoint]:
    folder = save_tiny_checkpoint(request.param, tmp_path_factory.mktemp(request.param))
    return folder, load_adapter("huggingface").load(folder)


def _open(source: LoadedCheckpoint, folder: Path, spec: object) -> MergesTokenizer:
    for name, content in source.tokenizer_files.items():
        (folder / name).write_bytes(content)
    assert isinstance(spec, MergesSpec)
    return load_merges_tokenizer(folder, spec, source.special_ids)


def test_ids_are_the_librarys(case: tuple[Path, LoadedCheckpoint], tmp_path: Path) -> None:
    folder, source = case
    library: Any = AutoTokenizer.from_pretrained(str(folder))
    own = _open(source, tmp_path, source.source_tokenizer)
    for line in LINES:
        assert list(own.encode(line, end=False).ids) == library(line, add_special_tokens=False)["input_ids"], line


def test_a_text_comes_back_as_the_librarys(case: tuple[Path, LoadedCheckpoint], tmp_path: Path) -> None:
    folder, source = case
    library: Any = AutoTokenizer.from_pretrained(str(folder))
    own = _open(source, tmp_path, source.target_tokenizer)
    ids = own.encode("the quick fox, jumping", end=True).ids
    assert own.decode(ids) == library.decode(list(ids), skip_special_tokens=True)
    assert ids[-1] == source.end_id


def test_pieces_stand_for_their_text(case: tuple[Path, LoadedCheckpoint], tmp_path: Path) -> None:
    own = _open(case[1], tmp_path, case[1].source_tokenizer)
    line = "The quick fox, jumping"
    encoding = own.encode(line, end=True)
    words = [""] * (encoding.words[-1] + 1)
    for (start, end), word in zip(encoding.spans, encoding.words, strict=True):
        words[word] += line[start:end]
    assert words[:3] == ["The", "quick", "fox"]
    assert words[-1] == ""


def test_damaged_merges_are_refused(case: tuple[Path, LoadedCheckpoint], tmp_path: Path) -> None:
    _open(case[1], tmp_path, case[1].source_tokenizer)
    (tmp_path / "merges.json").write_text('[["a"]]')
    with pytest.raises(ArtefactError, match=r"merges\.json cannot be read; export the model again"):
        load_merges_tokenizer(tmp_path, case[1].source_tokenizer, case[1].special_ids)  # type: ignore[arg-type]
