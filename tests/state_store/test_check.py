"""A published store is checked file by file, and its files against each other."""

from __future__ import annotations

import numpy as np

from exported_models.publishing import FileCheck
from state_store import layout
from state_store.check import check_store
from tests.state_store.letters import MadeStore


def problems(made: MadeStore) -> list[FileCheck]:
    return [check for check in check_store(made.folder) if check.problem]


def test_a_store_as_published_has_no_problem(made_store: MadeStore) -> None:
    checked = list(check_store(made_store.folder))
    assert [check for check in checked if check.problem] == []
    names = {check.path.relative_to(made_store.folder).as_posix() for check in checked}
    assert {"pairs.jsonl", "spaces/encoder/vectors.npy", "spaces/decoder"} <= names


def test_changed_bytes_are_found(store_copy: MadeStore) -> None:
    path = store_copy.folder / layout.PAIRS
    data = bytearray(path.read_bytes())
    data[20] ^= 1
    path.write_bytes(data)
    assert problems(store_copy)[0].path == path


def test_tables_that_disagree_are_found(store_copy: MadeStore) -> None:
    folder = layout.space_folder(store_copy.folder, "decoder")
    tokens = np.load(folder / layout.TOKENS)
    np.save(folder / layout.TOKENS, tokens[::-1])
    found = {check.path: check.problem for check in problems(store_copy)}
    assert "disagrees" in found[folder]


def test_vectors_that_are_not_normalized_are_found(store_copy: MadeStore) -> None:
    folder = layout.space_folder(store_copy.folder, "encoder")
    vectors = np.load(folder / layout.VECTORS)
    vectors[3] *= 2
    np.save(folder / layout.VECTORS, vectors)
    found = {check.path: check.problem for check in problems(store_copy)}
    assert "unit length" in found[folder]


def test_a_missing_file_is_found_with_its_space(store_copy: MadeStore) -> None:
    folder = layout.space_folder(store_copy.folder, "encoder")
    (folder / layout.CALIBRATION).unlink()
    found = {check.path: check.problem for check in problems(store_copy)}
    assert found[folder / layout.CALIBRATION] == "is missing"
    assert "build the store again" in found[folder]


def test_damaged_pairs_are_found(store_copy: MadeStore) -> None:
    path = store_copy.folder / layout.PAIRS
    path.write_bytes(path.read_bytes().replace(b'{"source"', b'{"sourze"'))
    assert any("Sentence 0" in check.problem for check in problems(store_copy))
