"""Encoding a corpus through the exported graphs against torch eager, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks import eager
from benchmarks.dates import Dates
from benchmarks.measure import compare, one_thread
from benchmarks.report import Figure, Report
from exported_models.runtime.model import ExportedModel
from exported_models.search.scoring import force_batch
from pipeline.corpus.readers import SentencePair
from pipeline.store.batches import choose_batch_tokens, plan_batches

PAIRS = 8_000


@dataclass(frozen=True, slots=True)
class Batch:
    """Token ids of the sentences that go through the graphs together."""

    sources: Sequence[Sequence[int]]
    targets: Sequence[Sequence[int]]

    @property
    def tokens(self) -> int:
        """Without padding."""
        return sum(map(len, self.sources)) + sum(map(len, self.targets))


def run(dates: Dates) -> Report:
    """Time `force_batch`, with which builds encode recurrent models, against the same loop over torch modules."""
    model, source = dates.model, dates.checkpoint
    batch_tokens = choose_batch_tokens()
    batches = list(make_batches(model, dates.pairs("train")[:PAIRS], batch_tokens))
    with one_thread():
        found = compare(
            batches,
            lambda batch: force_batch(model, batch.sources, batch.targets),
            lambda batch: eager.force(source, batch.sources, batch.targets),
        )
    tokens = sum(batch.tokens for batch in batches)
    row: dict[str, Figure] = {
        "": f"a batch of at most {batch_tokens:,} tokens",
        **found.figures("torch"),
        "tokens/s": round(tokens / sum(timing.clock for timing in found.ours)),
        "torch tokens/s": round(tokens / sum(timing.clock for timing in found.theirs)),
    }
    return Report(
        "Encode a corpus, against torch eager in the same batches",
        [row],
        f"{tokens:,} tokens of source and target without padding, in {len(batches)} batches; "
        "attention, log-probabilities and the states of all spaces are taken.",
    )


def make_batches(model: ExportedModel, pairs: Sequence[SentencePair], batch_tokens: int) -> Iterator[Batch]:
    """Batches as a build plans them."""
    sources = [model.source_tokenizer.encode(pair.source, end=True).ids for pair in pairs]
    targets = [model.target_tokenizer.encode(pair.target or "", end=True).ids for pair in pairs]
    lengths = np.array([(len(source), len(target)) for source, target in zip(sources, targets, strict=True)], np.int64)
    for batch in plan_batches(lengths, batch_tokens):
        yield Batch([sources[number] for number in batch], [targets[number] for number in batch])
