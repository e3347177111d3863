"""The contents of a published store fit each other, and what does not is named."""

from __future__ import annotations

import numpy as np

from state_store import layout
from state_store.check import check_contents
from tests.state_store.letters import MadeStore


def test_a_store_as_published_has_no_problem(made_store: MadeStore) -> None:
    assert check_contents(made_store.folder) == []


def test_tables_that_disagree_are_found(store_copy: MadeStore) -> None:
    folder = layout.space_folder(store_copy.folder, "decoder")
    tokens = np.load(folder / layout.TOKENS)
    np.save(folder / layout.TOKENS, tokens[::-1])
    [problem] = check_contents(store_copy.folder)
    assert problem == "spaces/decoder has a token table that disagrees with where its sentences start."


def test_vectors_that_are_not_normalized_are_found(store_copy: MadeStore) -> None:
    folder = layout.space_folder(store_copy.folder, "encoder")
    vectors = np.load(folder / layout.VECTORS)
    vectors[3] *= 2
    np.save(folder / layout.VECTORS, vectors)
    assert check_contents(store_copy.folder) == ["spaces/encoder has vectors that are not of unit length."]


def test_a_missing_file_is_found_with_its_space(store_copy: MadeStore) -> None:
    (layout.space_folder(store_copy.folder, "encoder") / layout.CALIBRATION).unlink()
    [problem] = check_contents(store_copy.folder)
    assert problem.startswith("spaces/encoder does not fit: ")
    assert "build the store again" in problem


def test_damaged_pairs_are_found(store_copy: MadeStore) -> None:
    path = store_copy.folder / layout.PAIRS
    path.write_bytes(path.read_bytes().replace(b'{"source"', b'{"sourze"'))
    [problem] = check_contents(store_copy.folder)
    assert "Sentence 0" in problem
