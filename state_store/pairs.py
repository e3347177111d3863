"""The sentence pairs of a store, by id and by source."""

from __future__ import annotations

import hashlib
import json
import mmap
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from exported_models.contract.json_text import parse_json
from exported_models.contract.publishing import explain_disk_errors
from state_store import layout
from state_store.arrays import map_array, write_array
from state_store.errors import StoreError


@dataclass(frozen=True, slots=True)
class StoredPair:
    """One training example.

    Attributes:
        sentence: id in the store, from 0.
        source, target: the texts as the corpus has them.
        line: line of the corpus file, from 1.
        target_is_model_output: whether the model wrote the target; otherwise it is a reference.
    """

    sentence: int
    source: str
    target: str
    line: int
    target_is_model_output: bool = False


def normalize_source(text: str) -> str:
    """Normalize a source, so that equal results are the same sentence: Unicode NFKC, one blank for white space.

    Case is kept: models read upper and lower case as different words, in different states.
    """
    return " ".join(unicodedata.normalize("NFKC", text).split())


def write_pairs(folder: Path, pairs: Iterable[StoredPair]) -> int:
    """Write pairs, whose ids count from 0, with their look-up tables; return the number of pairs.

    Raises:
        StoreError: the ids do not count from 0.
        PublishingError: the disk is full or not writable.
    """
    path = folder / layout.PAIRS
    offsets, keys = [0], []
    with explain_disk_errors(path), path.open("wb") as stream:
        for expected, pair in enumerate(pairs):
            if pair.sentence != expected:
                raise StoreError(f"Sentence {pair.sentence} was given where {expected} follows.")
            keys.append(_hash_source(pair.source))
            offsets.append(offsets[-1] + stream.write(_to_line(pair)))
    hashes = np.array(keys, np.uint64)
    order = np.argsort(hashes, kind="stable")
    write_array(folder / layout.PAIR_OFFSETS, np.array(offsets, np.int64))
    write_array(folder / layout.PAIR_KEYS, hashes[order])
    write_array(folder / layout.PAIR_KEYED, order.astype(np.int64))
    return len(keys)


class PairTable:
    """The pairs of a store, read from a memory map: opening takes equally long for any corpus."""

    def __init__(self, folder: Path, count: int) -> None:
        self._path = folder / layout.PAIRS
        self._offsets = map_array(folder / layout.PAIR_OFFSETS, np.int64, (count + 1,))
        self._keys = map_array(folder / layout.PAIR_KEYS, np.uint64, (count,))
        self._keyed = map_array(folder / layout.PAIR_KEYED, np.int64, (count,))
        self._lines = _map_bytes(self._path)
        if len(self._lines) != int(self._offsets[-1]):
            raise StoreError(
                f"{self._path} has {len(self._lines)} bytes where {int(self._offsets[-1])} were published; "
                "build the store again."
            )

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[StoredPair]:
        return (self[sentence] for sentence in range(len(self)))

    def __getitem__(self, sentence: int) -> StoredPair:
        if not 0 <= sentence < len(self):
            raise StoreError(f"There is no sentence {sentence} in the store (it holds 0 to {len(self) - 1}).")
        line = self._lines[int(self._offsets[sentence]) : int(self._offsets[sentence + 1])]
        try:
            return StoredPair(sentence=sentence, **parse_json(line))
        except (ValueError, TypeError) as error:
            raise StoreError(f"Sentence {sentence} in {self._path} is damaged; build the store again.") from error

    def with_source(self, text: str) -> frozenset[int]:
        """Find the ids of the sentences whose normalized source is that of ``text``."""
        key = np.uint64(_hash_source(text))
        found = self._keyed[np.searchsorted(self._keys, key, "left") : np.searchsorted(self._keys, key, "right")]
        wanted = normalize_source(text)
        return frozenset(int(s) for s in found if normalize_source(self[int(s)].source) == wanted)


def _to_line(pair: StoredPair) -> bytes:
    value = asdict(pair)
    del value["sentence"]
    return (json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n").encode("utf-8")


def _hash_source(text: str) -> int:
    digest = hashlib.blake2b(normalize_source(text).encode("utf-8"), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def _map_bytes(path: Path) -> mmap.mmap | bytes:
    try:
        with path.open("rb") as stream:
            empty = path.stat().st_size == 0
            return b"" if empty else mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise StoreError(f"{path} cannot be read ({error.strerror}); build the store again.") from error
