"""Greedy search of a batch: every sentence gets what a search of it alone finds."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exported_models.contract.publishing import publish, read_manifest
from exported_models.contract.request import Request
from exported_models.contract.workspace import Workspace
from exported_models.engine import Engine
from exported_models.runtime.model import ExportedModel
from exported_models.search.greedy import translate_batch

sources = st.text(alphabet="abcdefgh ", min_size=1, max_size=12).filter(str.strip)


def tokenize(model: ExportedModel, texts: list[str]) -> list[tuple[int, ...]]:
    return [model.source_tokenizer.encode(text, end=True).ids for text in texts]


@settings(max_examples=25)
@given(st.lists(sources, min_size=1, max_size=9), st.sampled_from([1, 3, None]))
def test_batched_equals_single(model: ExportedModel, engine: Engine, texts: list[str], longest: int | None) -> None:
    together = translate_batch(model, tokenize(model, texts), max_length=longest)
    for text, translation in zip(texts, together, strict=True):
        request = Request("random", text, beam_size=1, max_length=longest, early_stopping="first")
        alone = engine.translate(request).best
        assert translation.token_ids == alone.token_ids
        assert translation.finished == alone.finished


def test_some_end_and_some_are_cut_off(model: ExportedModel) -> None:
    found = translate_batch(model, tokenize(model, [a + b for a in "abcdefgh" for b in "abcdefgh"]))
    assert {translation.finished for translation in found} == {True, False}
    assert len({len(translation.token_ids) for translation in found}) > 2


@pytest.fixture
def forcing_engine(random_workspace: Workspace, tmp_path: Path) -> Engine:
    """The same model, whose generation settings force the first token and, after four, the end."""
    workspace = Workspace(tmp_path)
    staged = Path(shutil.copytree(random_workspace.model_folder("random"), tmp_path / "staged"))
    manifest = read_manifest(staged)
    manifest["generation"] |= {"forced_first_id": 7, "forces_end": True, "max_length": 4}
    publish(staged, workspace.models_folder / "random", manifest, {})
    return Engine(workspace, threads=1)


def test_what_the_generation_settings_force_is_forced(forcing_engine: Engine) -> None:
    texts = ["abc", "h g f", "dead beef", "a"]
    model = forcing_engine.model("random")
    for text, translation in zip(texts, translate_batch(model, tokenize(model, texts)), strict=True):
        alone = forcing_engine.translate(Request("random", text, beam_size=1, early_stopping="first")).best
        assert translation.token_ids == alone.token_ids
        assert translation.token_ids[0] == 7
        assert translation.finished


def test_an_empty_batch_has_no_translations(model: ExportedModel) -> None:
    assert translate_batch(model, []) == []
