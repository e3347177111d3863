"""A small corpus with made-up states, published as a real store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from exported_models.manifest import SpaceSpec
from exported_models.publishing import publish
from state_store import layout
from state_store.calibration import calibrate, write_calibration
from state_store.global_maps import landmark_mds, write_map
from state_store.manifest import CorpusEntry, SpaceEntry, StoreManifest
from state_store.neighbors import NeighborSearch
from state_store.pairs import PairTable, StoredPair, write_pairs
from state_store.scann_index import build_index, load_index
from state_store.shards import SentenceStates, fit_centers, merge_shards, write_shard
from state_store.spaces import Space

VOCABULARY = ("<pad>", "<s>", "</s>", *"abcdefgh")
END = 2
SPACES = (
    SpaceSpec(name="encoder", owner="source", output="encoder_state", size=6, meaning="source token in context"),
    SpaceSpec(name="decoder", owner="target", output="decoder_state", size=5, meaning="what comes next"),
)


def make_sentence(sentence: int) -> SentenceStates:
    """A sentence of 2 to 6 tokens with states that hang on its tokens; the same for the same number."""
    random = np.random.default_rng(sentence)
    source = (*random.integers(3, len(VOCABULARY), random.integers(1, 6)).tolist(), END)
    target = (*reversed(source[:-1]), END)
    states = {
        "encoder": _make_states(source, 6, random),
        "decoder": _make_states(target, 5, random),
    }
    return SentenceStates(sentence, source, target, states)


def _make_states(ids: Sequence[int], size: int, random: np.random.Generator) -> np.ndarray:
    directions = np.random.default_rng(99).normal(size=(len(VOCABULARY), size))
    return (3 + directions[list(ids)] + 0.3 * random.normal(size=(len(ids), size))).astype(np.float32)


def spell(ids: Sequence[int]) -> str:
    return "".join(VOCABULARY[token] for token in ids[:-1])


def make_pair(sentence: SentenceStates) -> StoredPair:
    return StoredPair(
        sentence.sentence, spell(sentence.source_ids), spell(sentence.target_ids), line=sentence.sentence + 1
    )


@dataclass(frozen=True)
class MadeStore:
    """A published store and what went into it."""

    folder: Path
    manifest: StoreManifest
    sentences: tuple[SentenceStates, ...]
    held_out: tuple[SentenceStates, ...]


def make_store(
    root: Path, *, sentences: Sequence[SentenceStates], shards: int = 3, store_id: str = "letters"
) -> MadeStore:
    """Take a corpus through every step of a build."""
    held_out = tuple(make_sentence(100_000 + number) for number in range(20))
    staged = root / f"staged-{store_id}"
    staged.mkdir(parents=True)
    centers = fit_centers(SPACES, sentences)
    for number, part in enumerate(np.array_split(np.arange(len(sentences)), shards)):
        write_shard(root / "shards", number, SPACES, centers, [sentences[i] for i in part])
    rows = merge_shards(root / "shards", range(shards), staged, SPACES, centers, len(sentences))
    write_pairs(staged, map(make_pair, sentences))
    pairs = PairTable(staged, len(sentences))
    entries = tuple(_finish_space(staged, spec, rows[spec.name], pairs, held_out) for spec in SPACES)
    manifest = StoreManifest(
        store_id=store_id,
        model_id="speller",
        model_hash="a" * 64,
        corpus=CorpusEntry(name="letters", fingerprint="f" * 64, pairs=len(sentences)),
        spaces=entries,
    )
    folder = publish(staged, root / store_id, manifest.for_publishing(), {})
    return MadeStore(folder, manifest, tuple(sentences), held_out)


def _finish_space(
    staged: Path, spec: SpaceSpec, rows: int, pairs: PairTable, held_out: Sequence[SentenceStates]
) -> SpaceEntry:
    place = layout.space_folder(staged, spec.name)
    space = Space(place, spec.name, size=spec.size, rows=rows, sentences=len(pairs))
    queries = np.concatenate([space.normalize(sentence.states[spec.name]) for sentence in held_out])
    sources = [spell(s.source_ids) for s in held_out for _ in s.states[spec.name]]
    index = build_index(place / layout.INDEX_FOLDER, space.vectors, queries)
    search = NeighborSearch(space, load_index(place / layout.INDEX_FOLDER, space.vectors, index))
    write_calibration(place, calibrate(search, pairs, queries, sources))
    write_map(place, "landmark_mds", landmark_mds(space.vectors))
    return SpaceEntry(
        name=spec.name,
        owner=spec.owner,
        size=spec.size,
        rows=rows,
        index=index,
        maps=("landmark_mds",),
        calibration_states=len(queries),
    )


@pytest.fixture
def store_maker(tmp_path: Path) -> Callable[..., MadeStore]:
    """Builds and publishes a store below the test's folder."""
    return lambda **wishes: make_store(tmp_path, **wishes)


@pytest.fixture(scope="session")
def sentences() -> tuple[SentenceStates, ...]:
    """Sixty sentences."""
    return tuple(make_sentence(number) for number in range(60))


@pytest.fixture(scope="session")
def made_store(tmp_path_factory: pytest.TempPathFactory, sentences: tuple[SentenceStates, ...]) -> MadeStore:
    """The sentences as a store; tests must not change it."""
    return make_store(tmp_path_factory.mktemp("store"), sentences=sentences)
