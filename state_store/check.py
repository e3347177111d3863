"""Consistency of a published store: whether its files fit each other."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np

from exported_models.contract.errors import BeamscopeError
from state_store import layout
from state_store.calibration import load_calibration
from state_store.contexts import POSITION, SENTENCE, number_contexts
from state_store.global_maps import GlobalMap
from state_store.manifest import SpaceEntry, load_store_manifest
from state_store.pairs import PairTable
from state_store.scann_index import load_index
from state_store.spaces import Space

_CHECKED_ROWS = 1 << 16
_LENGTH_TOLERANCE = 0.01


def check_contents(folder: Path, damaged: Collection[str] = ()) -> list[str]:
    """List the misfits among pairs and spaces, one sentence each; `publishing.check_files` compares bytes.

    Args:
        damaged: names of files that are not as published. The space of such a file, or the pairs, are not read: ScaNN
            ends the process over a wrong byte in an index.

    Raises:
        ArtefactError, StoreError: there is no readable manifest.
    """
    manifest = load_store_manifest(folder)
    pairs = manifest.corpus.pairs
    unread = {layout.space_of(name) for name in damaged}
    found = {} if None in unread else {layout.PAIRS: _check_pairs(folder, pairs)}
    for entry in manifest.spaces:
        if entry.name not in unread:
            place = layout.space_folder(folder, entry.name)
            found[place.relative_to(folder).as_posix()] = _check_space(place, entry, pairs)
    return [f"{name} {problem}." for name, problem in found.items() if problem]


def _check_pairs(folder: Path, count: int) -> str:
    try:
        for _ in PairTable(folder, count):
            pass
    except BeamscopeError as error:
        return f"does not fit: {str(error).rstrip('.')}"
    return ""


def _check_space(place: Path, entry: SpaceEntry, sentences: int) -> str:
    try:
        space = Space(place, entry.name, size=entry.size, rows=entry.rows, sentences=sentences)
        load_index(place / layout.INDEX_FOLDER, space.vectors, entry.index)
        load_calibration(place)
        for kind in entry.maps:
            GlobalMap(place, kind, entry.rows)
    except BeamscopeError as error:
        return f"does not fit: {str(error).rstrip('.')}"
    for start in range(0, len(space), _CHECKED_ROWS):
        if problem := _check_rows(space, slice(start, start + _CHECKED_ROWS)):
            return problem
    same = np.array_equal(space.contexts, number_contexts(space.tokens))
    return "" if same else "has contexts that disagree with its token table"


def _check_rows(space: Space, part: slice) -> str:
    table = space.tokens[part]
    rows = np.arange(part.start, part.start + len(table))
    if not (space.first_rows(table[:, SENTENCE]) + table[:, POSITION] == rows).all():
        return "has a token table that disagrees with where its sentences start"
    lengths = np.linalg.norm(np.asarray(space.vectors[part], np.float32), axis=1)
    # A state on the center itself is stored as zero; NaN compares false with everything.
    if not ((np.abs(lengths - 1) < _LENGTH_TOLERANCE) | (lengths == 0)).all():
        return "has vectors that are not of unit length"
    return ""
