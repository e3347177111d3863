"""Translating: sources that have no targets get the model's own, by greedy search through the exported graphs.

The translations of a block are a file under a name made from everything that decides them. A build translates the
blocks that have no file yet. The texts are encoded later, tokenized like any target.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from exported_models.contract.publishing import digest_value, explain_disk_errors, write_json_atomically
from exported_models.runtime.model import ExportedModel
from exported_models.search.greedy import translate_batch
from pipeline.corpus.pair_tokens import PairTokenizer
from pipeline.corpus.readers import SentencePair
from pipeline.progress import Advance
from pipeline.store.batches import plan_batches
from pipeline.store.blocks import Block, PairSelection
from pipeline.work.executors import Worker
from state_store.pairs import PairTable

TRANSLATION_REVISION = 1
"""Raised when the same block would be translated differently than before."""


@dataclass(frozen=True, slots=True)
class TranslationSettings:
    """Everything but the corpus that decides translations.

    Attributes:
        model: folder of the finished model; ``model_hash`` is its content hash.
        batch_tokens: most tokens a batch.
    """

    model: Path
    model_hash: str
    batch_tokens: int

    @property
    def fingerprint(self) -> str:
        return digest_value(["translations", TRANSLATION_REVISION, self.model_hash, self.batch_tokens])

    def file_name(self, block: Block) -> str:
        """The name of a block's translations: equal when they would be."""
        return f"{digest_value(['translation', self.fingerprint, block.digest])[:32]}.json"


@dataclass(frozen=True, slots=True)
class TranslateItem:
    """A block of sources to translate, and the file of its translations.

    Attributes:
        table: folder of the pair table that the block is a part of; ``table_pairs`` is the length of the table.
        tokens: of all sources of the block.
    """

    table: Path
    table_pairs: int
    first: int
    pairs: int
    tokens: int
    file: Path

    @property
    def size(self) -> int:
        # In tokens, since batches of long sentences come last.
        return self.tokens


@dataclass(frozen=True, slots=True)
class TranslateWork:
    """Translating blocks; see `pipeline.work.executors.Work`."""

    settings: TranslationSettings

    def open(self) -> Worker[TranslateItem]:
        """Open the model.

        Raises:
            ArtefactError, ModelError: it is damaged or does not load.
        """
        model = ExportedModel.open(self.settings.model)

        def translate(item: TranslateItem, advance: Advance) -> None:
            translate_block(model, self.settings, item, advance)

        return translate


def list_items(
    folder: Path, settings: TranslationSettings, table: Path, blocks: Sequence[Block]
) -> list[TranslateItem]:
    """The blocks of a table of sources that have no translations yet."""
    pairs = sum(block.pairs for block in blocks)
    items = (
        TranslateItem(table, pairs, block.first, block.pairs, block.source_tokens, folder / settings.file_name(block))
        for block in blocks
    )
    return [item for item in items if not item.file.is_file()]


def translate_block(model: ExportedModel, settings: TranslationSettings, item: TranslateItem, advance: Advance) -> None:
    """Write the translations of a block; null where the model did not end one within its maximum length.

    Raises:
        PublishingError: the disk is full or not writable.
    """
    sources, tokenizer = PairTable(item.table, item.table_pairs), PairTokenizer.of(model)
    ids = [tokenizer.read_source(sources[item.first + place].source) for place in range(item.pairs)]
    texts: list[str | None] = [None] * len(ids)
    # Targets are taken to be as long as their sources.
    lengths = np.array([[len(source)] * 2 for source in ids], np.int64).reshape(-1, 2)
    for batch in plan_batches(lengths, settings.batch_tokens):
        for place, translation in zip(batch, translate_batch(model, [ids[place] for place in batch]), strict=True):
            if translation.finished:
                texts[place] = model.target_tokenizer.decode(translation.token_ids)
        advance(sum(len(ids[place]) for place in batch))
    with explain_disk_errors(item.file):
        item.file.parent.mkdir(parents=True, exist_ok=True)
    write_json_atomically(item.file, {"texts": texts})


def read_translated(
    folder: Path, settings: TranslationSettings, table: Path, blocks: Sequence[Block], selection: PairSelection
) -> Iterator[SentencePair]:
    """The sources with their translations, in order; a source without a usable one is left out of the selection."""
    longest = selection.tokenizer.manifest.generation.max_length
    sources = iter(PairTable(table, sum(block.pairs for block in blocks)))
    for block in blocks:
        texts = json.loads((folder / settings.file_name(block)).read_text(encoding="utf-8"))["texts"]
        for text in texts:
            pair = next(sources)
            if text is None:
                selection.leave_out(pair.line, f"The model's translation does not end within {longest} tokens.")
            elif not text.strip():
                selection.leave_out(pair.line, "The model's translation is empty.")
            else:
                yield SentencePair(pair.source, text, pair.line)
