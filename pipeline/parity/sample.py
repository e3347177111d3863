"""The sentence pairs that an exported model is compared with its checkpoint on."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from exported_models.contract.manifest import GenerationDefaults
from exported_models.runtime.model import ExportedModel
from pipeline.models.checkpoint import LoadedCheckpoint
from state_store.pairs import StoredPair
from state_store.spaces import sample_rows

_LONGEST_SEARCH = 64
"""Most target tokens of a search: one that never ends its sentence would take minutes and show nothing more."""
_LONGEST_MADE_UP = 40


@dataclass(frozen=True, slots=True)
class SamplePair:
    """One sentence pair as token ids, end of sentence included; ``name`` is for messages."""

    name: str
    source_ids: tuple[int, ...]
    target_ids: tuple[int, ...]


def make_up_sample(checkpoint: LoadedCheckpoint, size: int | None = None) -> tuple[SamplePair, ...]:
    """Ragged pairs without a corpus: random source tokens from a fixed seed, and the checkpoint's translations.

    Args:
        size: number of pairs; None for what the adapter asks for.
    """
    generator = random.Random(0)
    ordinary = sorted(set(range(checkpoint.source_vocabulary)) - set(checkpoint.special_ids))
    longest = min(_LONGEST_MADE_UP, checkpoint.max_source_tokens) - 1
    pairs = []
    for number in range(checkpoint.parity_sentences if size is None else size):
        ids = (*generator.choices(ordinary, k=1 + number % longest), checkpoint.end_id)
        pairs.append(SamplePair(f"made-up sentence {number + 1}", ids, _translate(checkpoint, ids)))
    return tuple(pairs)


def tokenize_sample(
    checkpoint: LoadedCheckpoint, exported: ExportedModel, pairs: Sequence[StoredPair]
) -> tuple[SamplePair, ...]:
    """Sentence pairs of a corpus, as the exported model's tokenizers give them.

    Sources without targets get the checkpoint's translations. Translating takes long, so no more sources are taken than
    the adapter asks for made-up sentences, spread over those given.
    """
    sample = []
    without = [pair for pair in pairs if not pair.target]
    chosen = [without[row] for row in sample_rows(len(without), checkpoint.parity_sentences)] if without else pairs
    for pair in chosen:
        source_ids = exported.source_tokenizer.encode(pair.source, end=True).ids
        given = exported.target_tokenizer.encode(pair.target, end=True).ids if pair.target else None
        sample.append(SamplePair(f"line {pair.line}", source_ids, given or _translate(checkpoint, source_ids)))
    return tuple(sample)


def bound_length(generation: GenerationDefaults) -> GenerationDefaults:
    """The settings with targets short enough to compare many searches."""
    return generation.model_copy(update={"max_length": min(generation.max_length, _LONGEST_SEARCH)})


def _translate(checkpoint: LoadedCheckpoint, source_ids: Sequence[int]) -> tuple[int, ...]:
    """The greedy translation, with an end of sentence where it was cut off."""
    greedy = bound_length(checkpoint.generation).model_copy(update={"beam_size": 1})
    target = checkpoint.reference.search(source_ids, greedy)[0].token_ids
    return target if target[-1] == checkpoint.end_id else (*target, checkpoint.end_id)
