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
    Shard,
    fit_centers,
    merge_shards,
    normalize_states,
    read_shard,
    write_shard,
)
from state_store.spaces import Space
from tests.state_store.letters import SPACES, make_sentence, number_from_zero

SENTENCES = [make_sentence(number).encoded for number in range(24)]


EVERYTHING = np.arange(len(SENTENCES))


def write_shards(folder: Path, parts: Sequence[tuple[int, int]]) -> list[Shard]:
    """Write the sentences from ``start`` to ``end`` of each part as a shard."""
    shards = [Shard(folder / f"shard-{number}", start) for number, (start, _) in enumerate(parts)]
    for shard, (start, end) in zip(shards, parts, strict=True):
        write_shard(shard.folder, SPACES, number_from_zero(SENTENCES[start:end]))
    return shards


def build(folder: Path, cuts: Sequence[int]) -> Path:
    """Encode `SENTENCES` cut into shards before the given sentences, and merge them."""
    shards = write_shards(folder, list(pairwise([0, *sorted(cuts), len(SENTENCES)])))
    merge_shards(shards, folder / "store", SPACES, fit_centers(shards, SPACES, EVERYTHING), len(SENTENCES))
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
    center = fit_centers(write_shards(tmp_path, [(0, 24)]), SPACES, EVERYTHING)[spec.name]
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


def test_the_center_is_the_mean_of_the_sample(tmp_path: Path) -> None:
    sample = np.array([0, 3, 4, 17])
    expected = np.concatenate([SENTENCES[number].states["encoder"] for number in sample]).mean(axis=0)
    shards = write_shards(tmp_path, [(0, 4), (4, 4), (4, 24)])
    np.testing.assert_allclose(fit_centers(shards, SPACES, sample)["encoder"], expected, rtol=1e-5)


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
    with pytest.raises(StateError, match=r"Sentence 0, space 'encoder'.*row 1.*finite"):
        write_shard(tmp_path / "shard", SPACES, [broken])
    assert list(tmp_path.iterdir()) == []


def test_states_of_another_size_are_refused() -> None:
    with pytest.raises(StateError, match=r"shape \[2, 4\] .* \[rows, 3\]"):
        normalize_states(np.zeros((2, 4), np.float32), np.zeros(3, np.float32))


def test_a_sentence_has_one_state_a_token(tmp_path: Path) -> None:
    short = replace(SENTENCES[0], source_ids=SENTENCES[0].source_ids[:-1])
    with pytest.raises(StateError, match="Sentence 0 has"):
        write_shard(tmp_path / "shard", SPACES, [short])


def test_a_shard_keeps_states_and_tokens_as_they_are(tmp_path: Path) -> None:
    (shard,) = write_shards(tmp_path, [(3, 5)])
    rows = read_shard(shard.folder, SPACES[0])
    np.testing.assert_array_equal(rows.states, np.concatenate([SENTENCES[n].states[SPACES[0].name] for n in (3, 4)]))
    assert rows.tokens[:, 2].tolist() == [token for n in (3, 4) for token in SENTENCES[n].ids(SPACES[0])]


def test_a_shard_written_again_replaces_the_first(tmp_path: Path) -> None:
    write_shard(tmp_path / "shard", SPACES, number_from_zero(SENTENCES[:3]))
    write_shard(tmp_path / "shard", SPACES, number_from_zero(SENTENCES[3:5]))
    assert [path.name for path in tmp_path.iterdir()] == ["shard"]
    assert set(read_shard(tmp_path / "shard", SPACES[0]).tokens[:, 0].tolist()) == {0, 1}


@pytest.mark.parametrize("firsts", [[3, 0], [0, 2], [0, 0]])
def test_sentences_out_of_order_are_refused(tmp_path: Path, firsts: list[int]) -> None:
    shards = write_shards(tmp_path, [(0, 3), (3, 6)])
    moved = [replace(shard, first_sentence=first) for shard, first in zip(shards, firsts, strict=True)]
    with pytest.raises(StoreError, match="ascending order"):
        merge_shards(moved, tmp_path / "store", SPACES, fit_centers(shards, SPACES, EVERYTHING), 6)


def test_a_sentence_beyond_the_corpus_is_refused(tmp_path: Path) -> None:
    shards = write_shards(tmp_path, [(0, len(SENTENCES))])
    centers = fit_centers(shards, SPACES, EVERYTHING)
    with pytest.raises(StoreError, match="within the corpus"):
        merge_shards(shards, tmp_path / "store", SPACES, centers, len(SENTENCES) - 1)


def test_a_missing_shard_is_one_clear_error(tmp_path: Path) -> None:
    centers = fit_centers(write_shards(tmp_path, [(0, 6)]), SPACES, EVERYTHING)
    missing = Shard(tmp_path / "missing", 0)
    with pytest.raises(StoreError, match="missing"):
        fit_centers([missing], SPACES, EVERYTHING)
    with pytest.raises(StoreError, match="missing"):
        merge_shards([missing], tmp_path / "store", SPACES, centers, 6)


def test_an_empty_corpus_is_refused(tmp_path: Path) -> None:
    nothing: list[SentenceStates] = []
    write_shard(tmp_path / "shard", SPACES, nothing)
    shards = [Shard(tmp_path / "shard", 0)]
    with pytest.raises(StoreError, match="no sentence was encoded"):
        fit_centers(shards, SPACES, np.empty(0, np.int64))
    centers = {space.name: np.zeros(space.size, np.float32) for space in SPACES}
    with pytest.raises(StoreError, match="would be empty"):
        merge_shards(shards, tmp_path / "store", SPACES, centers, 0)
