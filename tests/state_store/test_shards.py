"""From encoded sentences to the rows of a store: nothing lost, nothing mixed up, the same bytes every time."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from exported_models.contract.arrays import Floats
from exported_models.contract.manifest import SpaceSpec
from state_store import layout
from state_store.contexts import NO_TOKEN
from state_store.errors import StateError, StoreError
from state_store.shards import (
    SentenceStates,
    fit_centers,
    merge_shards,
    normalize_states,
    read_shard,
    shard_numbers,
    write_shard,
)
from state_store.spaces import Space
from tests.state_store.letters import SPACES, make_sentence

SENTENCES = [make_sentence(number).encoded for number in range(24)]


def build(folder: Path, cuts: Sequence[int]) -> Path:
    """Encode `SENTENCES` cut into shards before the given sentences, and merge them."""
    centers = fit_centers(SPACES, SENTENCES)
    edges = [0, *sorted(cuts), len(SENTENCES)]
    for number, (start, end) in enumerate(pairwise(edges)):
        write_shard(folder / "shards", number, SPACES, centers, SENTENCES[start:end])
    numbers = shard_numbers(folder / "shards")
    merge_shards(folder / "shards", numbers, folder / "store", SPACES, centers, len(SENTENCES))
    return folder / "store"


def digest(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@settings(max_examples=10)
@given(st.lists(st.integers(0, len(SENTENCES)), max_size=6))
def test_any_cut_into_shards_gives_the_same_bytes(cuts: list[int]) -> None:
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        assert digest(build(Path(one), cuts)) == digest(build(Path(other), []))


@pytest.mark.parametrize("spec", SPACES, ids=lambda spec: spec.name)
def test_each_row_is_one_state_in_every_file(tmp_path: Path, spec: SpaceSpec) -> None:
    store = build(tmp_path, [5, 11])
    center = fit_centers(SPACES, SENTENCES)[spec.name]
    rows = sum(len(sentence.ids(spec)) for sentence in SENTENCES)
    space = Space(layout.space_folder(store, spec.name), spec.name, size=spec.size, rows=rows, sentences=24)
    row = 0
    for sentence in SENTENCES:
        ids = sentence.ids(spec)
        assert space.rows_of(sentence.sentence) == range(row, row + len(ids))
        for position, token in enumerate(ids):
            following = ids[position + 1] if position + 1 < len(ids) else NO_TOKEN
            assert space.tokens[row].tolist() == [sentence.sentence, position, token, following]
            state = sentence.states[spec.name][position].astype(np.float64) - center
            np.testing.assert_allclose(space.vectors[row], state / np.linalg.norm(state), atol=1e-3)
            row += 1
    assert row == rows == len(space)


def test_the_center_is_the_mean_of_the_sample() -> None:
    expected = np.concatenate([sentence.states["encoder"] for sentence in SENTENCES]).mean(axis=0)
    np.testing.assert_allclose(fit_centers(SPACES, SENTENCES)["encoder"], expected, rtol=1e-5)


finite = st.floats(-(2.0**126), 2.0**126, width=32, allow_nan=False, allow_subnormal=False)


@given(hnp.arrays(np.float32, (4, 3), elements=finite))
def test_normalized_states_have_unit_length_however_large_they_were(states: Floats) -> None:
    lengths = np.linalg.norm(normalize_states(states, np.zeros(3, np.float32)), axis=1)
    assert np.all((np.abs(lengths - 1) < 1e-5) | (np.abs(states).max(axis=1) == 0))


def test_a_state_on_the_center_becomes_zero() -> None:
    center = np.array([1, 2, 3], np.float32)
    assert normalize_states(center[None], center).tolist() == [[0, 0, 0]]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_state_that_is_not_finite_is_refused_and_nothing_is_written(tmp_path: Path, value: float) -> None:
    broken = make_sentence(0).encoded
    broken.states["encoder"][1, 2] = value
    centers = fit_centers(SPACES, SENTENCES)
    with pytest.raises(StateError, match=r"Sentence 0, space 'encoder'.*row 1.*finite"):
        write_shard(tmp_path, 0, SPACES, centers, [broken])
    assert list(tmp_path.iterdir()) == []


def test_a_center_that_is_not_finite_is_refused() -> None:
    broken = make_sentence(0).encoded
    broken.states["decoder"][0, 0] = np.nan
    with pytest.raises(StateError, match="space 'decoder'"):
        fit_centers(SPACES, [broken])


def test_states_of_another_size_are_refused() -> None:
    with pytest.raises(StateError, match=r"shape \[2, 4\] .* \[rows, 3\]"):
        normalize_states(np.zeros((2, 4), np.float32), np.zeros(3, np.float32))


def test_a_sentence_has_one_state_a_token(tmp_path: Path) -> None:
    short = replace(SENTENCES[0], source_ids=SENTENCES[0].source_ids[:-1])
    with pytest.raises(StateError, match="Sentence 0 has"):
        write_shard(tmp_path, 0, SPACES, fit_centers(SPACES, SENTENCES), [short])


def test_a_shard_written_again_replaces_the_first(tmp_path: Path) -> None:
    centers = fit_centers(SPACES, SENTENCES)
    write_shard(tmp_path, 4, SPACES, centers, SENTENCES[:3])
    write_shard(tmp_path, 4, SPACES, centers, SENTENCES[3:5])
    assert shard_numbers(tmp_path) == (4,)
    assert set(read_shard(tmp_path, 4, SPACES[0]).tokens[:, 0].tolist()) == {3, 4}


def test_an_unfinished_shard_does_not_count(tmp_path: Path) -> None:
    (tmp_path / ".shard-00000.tmp").mkdir()
    assert shard_numbers(tmp_path) == ()


@pytest.mark.parametrize("order", [[1, 0], [0, 1, 1], [2, 2]])
def test_sentences_out_of_order_are_refused(tmp_path: Path, order: list[int]) -> None:
    centers = fit_centers(SPACES, SENTENCES)
    write_shard(tmp_path, 0, SPACES, centers, SENTENCES[:3])
    write_shard(tmp_path, 1, SPACES, centers, SENTENCES[3:6])
    write_shard(tmp_path, 2, SPACES, centers, SENTENCES[3:4])
    with pytest.raises(StoreError, match="ascending order"):
        merge_shards(tmp_path, order, tmp_path / "store", SPACES, centers, 6)


def test_a_sentence_beyond_the_corpus_is_refused(tmp_path: Path) -> None:
    centers = fit_centers(SPACES, SENTENCES)
    write_shard(tmp_path, 0, SPACES, centers, SENTENCES)
    with pytest.raises(StoreError, match="within the corpus"):
        merge_shards(tmp_path, [0], tmp_path / "store", SPACES, centers, len(SENTENCES) - 1)


def test_a_missing_shard_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="missing"):
        merge_shards(tmp_path, [0], tmp_path / "store", SPACES, fit_centers(SPACES, SENTENCES), 6)


def test_an_empty_corpus_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no sentence was encoded"):
        fit_centers(SPACES, [])
    centers = fit_centers(SPACES, SENTENCES)
    nothing: list[SentenceStates] = []
    write_shard(tmp_path, 0, SPACES, centers, nothing)
    with pytest.raises(StoreError, match="would be empty"):
        merge_shards(tmp_path, [0], tmp_path / "store", SPACES, centers, 0)
