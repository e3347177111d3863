"""Small corpora published as real stores: one of made-up states, one encoded by a small untrained model."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from exported_models.contract.arrays import Floats
from exported_models.contract.manifest import CheckpointOrigin, SpaceSpec
from exported_models.contract.publishing import MANIFEST_NAME, publish
from exported_models.contract.workspace import Workspace
from exported_models.runtime.model import ExportedModel
from exported_models.search.scoring import force_batch
from state_store import layout
from state_store.calibration import calibrate, write_calibration
from state_store.global_maps import landmark_mds, write_map
from state_store.manifest import CorpusEntry, SpaceEntry, StoreManifest
from state_store.neighbors import NeighborSearch
from state_store.pairs import PairTable, StoredPair, write_pairs
from state_store.scann_index import build_index, load_index
from state_store.shards import SentenceStates, Shard, fit_centers, merge_shards, write_shard
from state_store.spaces import Space

LETTERS = ("<pad>", "<s>", "</s>", "<unk>", *"abcdefgh")
END = 2
SPACES = (
    SpaceSpec(name="encoder", owner="source", output="encoder_state", size=6, meaning="source token in context"),
    SpaceSpec(name="decoder", owner="target", output="decoder_state", size=5, meaning="what comes next"),
)
MODEL_ID = "speller"


@dataclass(frozen=True)
class Sentence:
    """An encoded sentence pair with its texts."""

    pair: StoredPair
    encoded: SentenceStates


@dataclass(frozen=True)
class Corpus:
    """The corpus and states that a store is made from."""

    model_id: str
    model_hash: str
    spaces: tuple[SpaceSpec, ...]
    sentences: tuple[Sentence, ...]
    held_out: tuple[Sentence, ...]


@dataclass(frozen=True)
class MadeStore:
    """A published store and what went into it."""

    folder: Path
    manifest: StoreManifest
    corpus: Corpus


def make_sentence(number: int, sentence: int | None = None) -> Sentence:
    """A pair of 2 to 6 tokens, its target the source reversed, its states hanging on its tokens.

    The same for the same ``number``; ``sentence`` is its id where that is another.
    """
    random = np.random.default_rng(number)
    source = (*random.integers(4, len(LETTERS), random.integers(1, 6)).tolist(), END)
    target = (*reversed(source[:-1]), END)
    states = {"encoder": _make_states(source, 6, random), "decoder": _make_states(target, 5, random)}
    identity = number if sentence is None else sentence
    pair = StoredPair(identity, spell(source), spell(target), line=identity + 1)
    return Sentence(pair, SentenceStates(identity, source, target, states))


def spell(ids: Sequence[int]) -> str:
    return "".join(LETTERS[token] for token in ids[:-1])


def _make_states(ids: Sequence[int], size: int, random: np.random.Generator) -> Floats:
    directions = np.random.default_rng(99).normal(size=(len(LETTERS), size))
    return (3 + directions[list(ids)] + 0.3 * random.normal(size=(len(ids), size))).astype(np.float32)


def number_from_zero(sentences: Sequence[SentenceStates]) -> list[SentenceStates]:
    """The sentences as those of one shard, which are counted from 0."""
    return [replace(sentence, sentence=number) for number, sentence in enumerate(sentences)]


def make_store(root: Path, corpus: Corpus, *, store_id: str = "letters", shards: int = 3) -> MadeStore:
    """Take a corpus through every step of a build and publish it as ``root / store_id``."""
    staged, scratch = root / f".staged-{store_id}", root / f".shards-{store_id}"
    staged.mkdir(parents=True)
    encoded = [sentence.encoded for sentence in corpus.sentences]
    parts = np.array_split(np.arange(len(encoded)), shards)
    cut = [Shard(scratch / f"{number}", int(part[0])) for number, part in enumerate(parts) if len(part)]
    for shard, part in zip(cut, (part for part in parts if len(part)), strict=True):
        write_shard(shard.folder, corpus.spaces, number_from_zero([encoded[index] for index in part]))
    centers = fit_centers(cut, corpus.spaces, np.arange(len(encoded)))
    rows = merge_shards(cut, staged, corpus.spaces, centers, len(encoded))
    write_pairs(staged, (sentence.pair for sentence in corpus.sentences))
    pairs = PairTable(staged, len(encoded))
    manifest = StoreManifest(
        store_id=store_id,
        model_id=corpus.model_id,
        model_hash=corpus.model_hash,
        corpus=CorpusEntry(name="letters", fingerprint="f" * 64, pairs=len(encoded)),
        spaces=tuple(_finish_space(staged, spec, rows[spec.name], pairs, corpus) for spec in corpus.spaces),
    )
    return MadeStore(publish(staged, root / store_id, manifest.for_publishing(), {}), manifest, corpus)


def _finish_space(staged: Path, spec: SpaceSpec, rows: int, pairs: PairTable, corpus: Corpus) -> SpaceEntry:
    place = layout.space_folder(staged, spec.name)
    space = Space(place, spec.name, size=spec.size, rows=rows, sentences=len(pairs))
    held_out = [(sentence.pair.source, sentence.encoded.states[spec.name]) for sentence in corpus.held_out]
    queries = space.normalize(np.concatenate([np.empty((0, spec.size), np.float32), *(part for _, part in held_out)]))
    sources = [source for source, states in held_out for _ in states]
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


def open_space(made: MadeStore, name: str) -> Space:
    entry = made.manifest.space(name)
    folder = layout.space_folder(made.folder, name)
    return Space(folder, name, size=entry.size, rows=entry.rows, sentences=made.manifest.corpus.pairs)


def publish_model(workspace: Workspace, model_id: str) -> None:
    """Export a small untrained model into a workspace."""
    import torch

    from pipeline.adapters.luong import LuongAdapter
    from pipeline.graphs.export import describe_model, write_graphs
    from pipeline.models.luong import SPECIAL_TOKENS, LuongConfig, LuongModel, save_checkpoint

    tokens = (*SPECIAL_TOKENS, *"abcdefgh")
    torch.manual_seed(1)
    config = LuongConfig(len(tokens), len(tokens), embedding=8, encoder_units=6, decoder_units=10)
    checkpoint, staged = workspace.root / "checkpoint", workspace.root / "staged"
    save_checkpoint(checkpoint, LuongModel(config).eval(), tokens, tokens)
    source_model = LuongAdapter().load(checkpoint)
    write_graphs(source_model, staged)
    manifest = describe_model(source_model, model_id, CheckpointOrigin(adapter="luong", name="random", digest="0"))
    workspace.models_folder.mkdir(exist_ok=True)
    publish(staged, workspace.models_folder / model_id, manifest.model_dump(mode="json"), {})


def publish_variant(workspace: Workspace, model_id: str) -> None:
    """Publish the model `MODEL_ID` with one more file, so that it is another build, under a name."""
    staged = workspace.root / "staged-variant"
    shutil.copytree(workspace.model_folder(MODEL_ID), staged)
    (staged / "variant.txt").write_text(model_id)
    manifest = {**json.loads((staged / MANIFEST_NAME).read_text()), "model_id": model_id}
    publish(staged, workspace.models_folder / model_id, manifest, {})


def encode_corpus(model: ExportedModel, sentences: Sequence[Sentence]) -> tuple[Sentence, ...]:
    """The same texts with the states of a model."""
    ids = [
        (
            model.source_tokenizer.encode(sentence.pair.source, end=True).ids,
            model.target_tokenizer.encode(sentence.pair.target, end=True).ids,
        )
        for sentence in sentences
    ]
    forced = force_batch(model, [source for source, _ in ids], [target for _, target in ids])
    return tuple(
        Sentence(sentence.pair, SentenceStates(sentence.pair.sentence, source, target, found.states))
        for sentence, (source, target), found in zip(sentences, ids, forced, strict=True)
    )


def publish_store(workspace: Workspace, model: ExportedModel, corpus: Corpus, store_id: str) -> MadeStore:
    """Encode a corpus with a model and publish it in a workspace."""
    encoded = Corpus(
        model.manifest.model_id,
        model.content_hash,
        tuple(space for space in model.manifest.spaces if space.kind == "recorded"),
        encode_corpus(model, corpus.sentences),
        encode_corpus(model, corpus.held_out),
    )
    return make_store(workspace.stores_folder, encoded, store_id=store_id)
