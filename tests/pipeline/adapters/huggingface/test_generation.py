"""A checkpoint's generation settings: what the engine honors, and what it says about the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from exported_models.contract.manifest import GenerationDefaults
from pipeline.adapters import load_adapter
from pipeline.errors import CheckpointError
from pipeline.models.checkpoint import LoadedCheckpoint
from tests.pipeline.adapters.huggingface.tiny_checkpoints import save_tiny_checkpoint


def _load(folder: Path, **settings: Any) -> LoadedCheckpoint:
    return load_adapter("huggingface").load(save_tiny_checkpoint("marian", folder, **settings))


def test_settings_are_honored(tmp_path: Path) -> None:
    source = _load(
        tmp_path,
        num_beams=7,
        length_penalty=0.6,
        early_stopping=True,
        max_length=20,
        forced_bos_token_id=9,
        bad_words_ids=[[5], [4], [6, 7, 8]],
        begin_suppress_tokens=[11],
        min_length=3,
        no_repeat_ngram_size=4,
        encoder_no_repeat_ngram_size=5,
        repetition_penalty=1.2,
    )
    assert source.generation == GenerationDefaults(
        beam_size=7,
        length_penalty=0.6,
        max_length=19,
        early_stopping="first",
        forced_first_id=9,
        forces_end=True,
        suppressed_ids=(4, 5),
        begin_suppressed_ids=(11,),
        bad_sequences=((6, 7, 8),),
        min_length=3,
        ngram_size=4,
        source_ngram_size=5,
        repetition_penalty=1.2,
    )
    assert source.start_id == 2
    assert source.notices == ()


def test_the_longest_target_is_what_the_positions_allow(tmp_path: Path) -> None:
    source = _load(tmp_path, max_length=500)
    assert source.max_target_tokens == source.generation.max_length == 64


def test_the_settings_of_blenderbots_checkpoints_are_honored(tmp_path: Path) -> None:
    settings = {"no_repeat_ngram_size": 3, "encoder_no_repeat_ngram_size": 3, "forced_eos_token_id": 2, "min_length": 5}
    source = _load(tmp_path, **settings)
    rules = source.generation
    assert (rules.ngram_size, rules.source_ngram_size, rules.forces_end, rules.min_length) == (3, 3, True, 5)
    assert source.notices == ()


@pytest.mark.parametrize(
    ("settings", "notice"),
    [
        ({"encoder_repetition_penalty": 1.2}, "encoder_repetition_penalty=1.2 is not supported"),
        ({"exponential_decay_length_penalty": [3, 1.1]}, "exponential_decay_length_penalty=[3, 1.1] is not supported"),
        ({"diversity_penalty": 0.5}, "diversity_penalty=0.5 is not supported"),
        ({"num_beam_groups": 2}, "num_beam_groups=2 is not supported"),
        ({"max_time": 2.5}, "max_time=2.5 is not supported"),
        ({"eos_token_id": [2, 3]}, "Only the first of the end-of-sentence tokens"),
    ],
)
def test_what_is_not_supported_is_said(tmp_path: Path, settings: dict[str, Any], notice: str) -> None:
    notices = _load(tmp_path, **settings).notices
    assert len(notices) == 1
    assert notice in notices[0]


def test_the_fewest_new_tokens_do_not_count_the_end(tmp_path: Path) -> None:
    assert _load(tmp_path, min_length=9, min_new_tokens=4).generation.min_length == 5


@pytest.mark.parametrize("settings", [{"bad_words_ids": [[5, 90]]}, {"suppress_tokens": [90]}])
def test_a_token_that_there_is_not_is_refused(tmp_path: Path, settings: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError, match="suppress the token 90, but the model has only 90"):
        _load(tmp_path, **settings)


@pytest.mark.parametrize("penalty", [0.0, -1.5])
def test_a_penalty_that_is_none_is_refused(tmp_path: Path, penalty: float) -> None:
    with pytest.raises(CheckpointError, match=f"repetition_penalty={penalty}; it must be a number above 0"):
        _load(tmp_path, repetition_penalty=penalty)
