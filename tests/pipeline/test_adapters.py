"""Finding the adapter for a checkpoint, through entry points."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest

from pipeline.adapters import ENTRY_POINT_GROUP, adapter_names, digest_checkpoint, find_adapter, load_adapter
from pipeline.errors import AdapterError, CheckpointError
from tests.artefacts import DATES


def test_the_built_in_adapter_is_found_like_any_other() -> None:
    declared = {entry.name for entry in importlib.metadata.entry_points(group=ENTRY_POINT_GROUP)}
    assert set(adapter_names()) == declared
    assert load_adapter("luong").name == "luong"


def test_a_checkpoint_is_recognized() -> None:
    assert find_adapter(DATES / "checkpoint") == "luong"
    assert find_adapter(DATES / "checkpoint", "luong") == "luong"


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(AdapterError, match=r"no adapter 'loung' \(known: .*luong.*did you mean 'luong'"):
        find_adapter(DATES / "checkpoint", "loung")


def test_what_nobody_recognizes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(AdapterError, match=r"damaged\. These can be read: .*huggingface \(a folder with config"):
        find_adapter(tmp_path)
    with pytest.raises(CheckpointError, match="There is no checkpoint"):
        find_adapter(tmp_path / "none")


def test_an_adapter_from_another_package_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "strange_models.py").write_text(
        "class Strange:\n"
        "    name = 'strange'\n"
        "    reads = 'a .strange file'\n"
        "    def recognizes(self, checkpoint): return checkpoint.suffix == '.strange'\n"
        "    def load(self, checkpoint): raise NotImplementedError\n",
        encoding="utf-8",
    )
    metadata = tmp_path / "strange_models-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: strange-models\nVersion: 1\n", encoding="utf-8")
    entry = f"[{ENTRY_POINT_GROUP}]\nstrange = strange_models:Strange\nbroken = no_such_module:Adapter\n"
    (metadata / "entry_points.txt").write_text(entry, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    checkpoint = tmp_path / "weights.strange"
    checkpoint.write_bytes(b"weights")
    assert find_adapter(checkpoint, "strange") == "strange"
    assert load_adapter("strange").recognizes(checkpoint)
    with pytest.raises(AdapterError, match="'broken' cannot be imported"):
        load_adapter("broken")


def test_equal_checkpoints_have_equal_digests(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "weights").write_bytes(b"1234")
    assert digest_checkpoint(tmp_path / "one") == digest_checkpoint(tmp_path / "two")
    (tmp_path / "two" / "weights").write_bytes(b"1235")
    assert digest_checkpoint(tmp_path / "one") != digest_checkpoint(tmp_path / "two")
