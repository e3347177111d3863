"""Encoding: the corpus goes through the exported graphs, block by block, and becomes the rows of a store.

An encoded block is a shard: raw states, under a name made from everything that decides them. A build encodes the
blocks that have no shard yet. The shards of a published store stay in the build folder for the next build.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from exported_models.contract.manifest import SpaceSpec
from exported_models.contract.publishing import digest_value
from pipeline.corpus.pair_tokens import PairTokenizer, PairTokens
from pipeline.graphs.states import StateEncoder
from pipeline.progress import Advance
from pipeline.store.batches import plan_batches
from pipeline.store.blocks import Block, list_digests
from pipeline.work.executors import Worker
from state_store import layout
from state_store.pairs import PairTable
from state_store.shards import SentenceStates, Shard, fit_centers, merge_shards, write_shard
from state_store.spaces import sample_rows

SHARD_REVISION = 1
"""Raised when the same block would be encoded differently than before."""
_CENTER_SENTENCES = 2_000


@dataclass(frozen=True, slots=True)
class StateSettings:
    """Everything but the corpus that decides states.

    Attributes:
        model: folder of the finished model; ``model_hash`` is its content hash.
        spaces: those that are encoded.
        batch_tokens: most tokens a batch.
    """

    model: Path
    model_hash: str
    spaces: tuple[SpaceSpec, ...]
    batch_tokens: int

    @property
    def fingerprint(self) -> str:
        spaces = [space.model_dump(mode="json") for space in self.spaces]
        return digest_value(["states", SHARD_REVISION, self.model_hash, spaces, self.batch_tokens])

    def rows_fingerprint(self, blocks: Sequence[Block]) -> str:
        """Of the rows of a store: the token ids of its pairs, and the settings of their states."""
        return digest_value(["encode", self.fingerprint, list_digests(blocks)])

    def shard_name(self, block: Block) -> str:
        """The name of a block's shard: equal when its states would be."""
        return digest_value(["shard", self.fingerprint, block.digest])[:32]


@dataclass(frozen=True, slots=True)
class EncodeItem:
    """A block to encode, and the folder of its shard.

    Attributes:
        table: folder of the pair table that the block is a part of; ``table_pairs`` is the length of the table.
    """

    table: Path
    table_pairs: int
    first: int
    pairs: int
    shard: Path

    @property
    def size(self) -> int:
        return self.pairs


@dataclass(frozen=True, slots=True)
class EncodeWork:
    """Encoding blocks into shards; see `pipeline.work.executors.Work`."""

    settings: StateSettings

    def open(self) -> Worker[EncodeItem]:
        """Open the model.

        Raises:
            ArtefactError, ModelError: it is damaged or does not load.
        """
        encoder = StateEncoder.open(self.settings.model, [space.name for space in self.settings.spaces])

        def encode(item: EncodeItem, advance: Advance) -> None:
            encode_block(encoder, self.settings, item, advance)

        return encode


@dataclass(frozen=True, slots=True)
class EncodedCorpus:
    """The encoded corpus in a store's folder: rows of each space."""

    rows: dict[str, int]


def list_items(shards: Path, settings: StateSettings, table: Path, blocks: Sequence[Block]) -> list[EncodeItem]:
    """The blocks of a pair table that have no shard yet."""
    pairs = sum(block.pairs for block in blocks)
    items = (
        EncodeItem(table, pairs, block.first, block.pairs, shards / settings.shard_name(block)) for block in blocks
    )
    return [item for item in items if not item.shard.is_dir()]


def encode_block(encoder: StateEncoder, settings: StateSettings, item: EncodeItem, advance: Advance) -> None:
    """Write the shard of a block.

    Raises:
        StateError: the model made states that are not finite. PublishingError: the disk is full or not writable.
    """
    encoded: list[SentenceStates] = []
    for batch in plan_block(PairTokenizer.of(encoder.model), settings, item):
        encoded += _encode_batch(encoder, batch)
        advance(len(batch))
    write_shard(item.shard, settings.spaces, sorted(encoded, key=lambda sentence: sentence.sentence))


def plan_block(tokenizer: PairTokenizer, settings: StateSettings, item: EncodeItem) -> Iterator[dict[int, PairTokens]]:
    """The batches of a block: tokens by number of the pair in the block.

    Raises:
        StoreError: the pair table is missing or damaged.
    """
    pairs = PairTable(item.table, item.table_pairs)
    texts = [tokenizer.read(pairs[item.first + number]) for number in range(item.pairs)]
    lengths = np.array([(len(text.source_ids), len(text.target_ids)) for text in texts], np.int64).reshape(-1, 2)
    for batch in plan_batches(lengths, settings.batch_tokens):
        yield {number: texts[number] for number in batch}


def merge_blocks(
    shards: Path, settings: StateSettings, blocks: Sequence[Block], store: Path
) -> tuple[EncodedCorpus, list[Path]]:
    """Write vectors, tokens and centers of every space into a store's folder, from the shards of all blocks.

    Returns:
        The rows of each space, and the files.

    Raises:
        StoreError: a shard is missing or damaged. PublishingError: the disk is full or not writable.
    """
    parts = [Shard(shards / settings.shard_name(block), block.first) for block in blocks]
    sentences = sum(block.pairs for block in blocks)
    centers = fit_centers(parts, settings.spaces, sample_rows(sentences, _CENTER_SENTENCES))
    rows = merge_shards(parts, store, settings.spaces, centers, sentences)
    folders = [layout.space_folder(store, space.name) for space in settings.spaces]
    return EncodedCorpus(rows), [folder / name for folder in folders for name in layout.ENCODED_FILES]


def _encode_batch(encoder: StateEncoder, batch: Mapping[int, PairTokens]) -> Iterator[SentenceStates]:
    sources, targets = [text.source_ids for text in batch.values()], [text.target_ids for text in batch.values()]
    found = encoder.encode(sources, targets)
    for number, source, target, states in zip(batch, sources, targets, found, strict=True):
        yield SentenceStates(number, source, target, states)
