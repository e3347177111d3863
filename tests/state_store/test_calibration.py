"""Distances judged by those of held-out states."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from state_store.calibration import Calibration, calibrate, load_calibration, write_calibration
from state_store.errors import StoreError
from state_store.neighbors import NeighborSearch
from state_store.pairs import PairTable
from state_store.spaces import Space
from tests.state_store.letters import Corpus, MadeStore

UNIFORM = Calibration(np.linspace(0, 1, 101).astype(np.float32))


@pytest.mark.parametrize(("distance", "share"), [(0, 1), (0.25, 0.75), (0.305, 0.695), (1, 0), (7, 0)])
def test_typicality_is_the_share_of_held_out_states_that_are_farther(distance: float, share: float) -> None:
    assert UNIFORM.typicality(distance) == pytest.approx(share, abs=1e-6)


def test_a_state_closer_than_all_is_as_typical_as_can_be() -> None:
    assert Calibration(np.linspace(1, 2, 101).astype(np.float32)).typicality(0.5) == 1


def test_states_that_are_equally_far_do_not_count_as_farther() -> None:
    percentiles = np.full(101, 0.5, np.float32)
    percentiles[60:] = 0.9
    assert Calibration(percentiles).typicality(0.5) == pytest.approx(0.41, abs=0.01)


@given(st.lists(st.floats(0, 2, width=32), min_size=101, max_size=101), st.floats(0, 2), st.floats(0, 2))
def test_farther_is_never_more_typical(percentiles: list[float], one: float, other: float) -> None:
    calibration = Calibration(np.sort(np.array(percentiles, np.float32)))
    near, far = sorted((one, other))
    assert 1 >= calibration.typicality(near) >= calibration.typicality(far) >= 0


def test_percentiles_are_of_the_nearest_row_of_another_sentence(
    encoder_search: NeighborSearch, encoder_space: Space, corpus: Corpus, made_store: MadeStore
) -> None:
    pairs = PairTable(made_store.folder, 60)
    sentences = corpus.sentences[:6]
    queries = [encoder_space.normalize(sentence.encoded.states["encoder"]) for sentence in sentences]
    sources = [sentence.pair.source for sentence in sentences for _ in sentence.encoded.source_ids]
    expected = [
        encoder_search.find(query[None], 1, [pairs.with_source(source)])[0][0].distance
        for query, source in zip(np.concatenate(queries), sources, strict=True)
    ]
    found = calibrate(encoder_search, pairs, np.concatenate(queries), sources)
    np.testing.assert_allclose(found, np.percentile(expected, np.arange(101)), rtol=1e-5)
    assert found[0] > 0.01


def test_without_held_out_states_nothing_is_far(
    encoder_search: NeighborSearch, encoder_space: Space, made_store: MadeStore
) -> None:
    nothing = np.empty((0, encoder_space.size), np.float32)
    percentiles = calibrate(encoder_search, PairTable(made_store.folder, 60), nothing, [])
    assert Calibration(percentiles).typicality(1.9) == 1


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_calibration(tmp_path, np.linspace(0, 1, 101).astype(np.float32))
    assert load_calibration(tmp_path).typicality(0.25) == pytest.approx(0.75)
    (tmp_path / "calibration.npy").unlink()
    with pytest.raises(StoreError, match="missing"):
        load_calibration(tmp_path)
