"""The sentence pairs that an exported model is compared with its checkpoint on."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from exported_models.contract.manifest import GenerationDefaults, ModelManifest
from exported_models.runtime.model import load_tokenizer
from pipeline.models.checkpoint import LoadedCheckpoint, ReferenceHypothesis
from pipeline.parity.effort import Effort, choose_effort
from pipeline.progress import Progress, SilentProgress
from state_store.pairs import StoredPair
from state_store.spaces import sample_rows

_SILENT: Final = SilentProgress()
_TRANSLATING: Final = "translate the sample"
_LONGEST_MADE_UP = 40
_WINDOWS_SPANNED = 2.25
"""Windows or blocks in the source that spans several: whole ones with neighbors on both sides, staggered or not."""


@dataclass(frozen=True, slots=True)
class SamplePair:
    """One sentence pair as token ids, end of sentence included.

    Attributes:
        name: for messages.
        hypotheses: the checkpoint's n-best list for the source, where it was asked for it already.
    """

    name: str
    source_ids: tuple[int, ...]
    target_ids: tuple[int, ...]
    hypotheses: tuple[ReferenceHypothesis, ...] | None = None

    def with_hypotheses(self, hypotheses: tuple[ReferenceHypothesis, ...]) -> SamplePair:
        """The pair with the checkpoint's n-best list."""
        return replace(self, hypotheses=hypotheses)


def make_up_sample(
    checkpoint: LoadedCheckpoint,
    size: int | None = None,
    effort: Effort | None = None,
    *,
    progress: Progress = _SILENT,
) -> tuple[SamplePair, ...]:
    """Ragged pairs without a corpus: random source tokens from a fixed seed, and the checkpoint's translations.

    If the encoder has windows or blocks that these lie within, a pair whose source spans several comes first.

    Args:
        size: number of pairs; None for the adapter's number, bounded by ``effort``.
        effort: bounds of the comparison; None for those of the checkpoint's size.
    """
    bounds = choose_effort(checkpoint.parameters) if effort is None else effort
    generator = random.Random(0)
    longest = min(_LONGEST_MADE_UP, checkpoint.max_source_tokens) - 1
    count = bounds.count(checkpoint.parity_sentences) if size is None else size
    pairs = []
    with progress.track(_TRANSLATING, count, "sentences") as advance:
        for number in range(count):
            ids = _make_up_source(checkpoint, generator, bounds.choose_length(number, count, longest))
            pairs.append(_translate(checkpoint, f"made-up sentence {number + 1}", ids, bounds))
            advance(1)
    return _span_windows(checkpoint, pairs, bounds)


def tokenize_sample(
    checkpoint: LoadedCheckpoint,
    folder: Path,
    manifest: ModelManifest,
    pairs: Sequence[StoredPair],
    *,
    progress: Progress = _SILENT,
) -> tuple[SamplePair, ...]:
    """Sentence pairs of a corpus, as the tokenizers of the exported model in ``folder`` give them.

    Sources without targets get the checkpoint's translations. Translating takes long, so no more sources are taken than
    the adapter asks for made-up sentences, spread over those given. A large model is compared on fewer pairs. If all
    sources lie within one window of a model's encoder, a made-up one that spans several comes first.
    """
    effort = choose_effort(checkpoint.parameters)
    source, target = (
        load_tokenizer(folder, spec, manifest) for spec in (manifest.source_tokenizer, manifest.target_tokenizer)
    )
    sample = []
    without = [pair for pair in pairs if not pair.target]
    most = effort.count(checkpoint.parity_sentences if without else len(pairs))
    listed = without or pairs
    chosen = listed if most >= len(listed) else [listed[row] for row in sample_rows(len(listed), most)]
    with (progress if without else _SILENT).track(_TRANSLATING, len(chosen), "sentences") as advance:
        for pair in chosen:
            name, source_ids = f"line {pair.line}", source.encode(pair.source, end=True).ids
            given = target.encode(pair.target, end=True).ids if pair.target else None
            sample.append(
                SamplePair(name, source_ids, given) if given else _translate(checkpoint, name, source_ids, effort)
            )
            advance(1)
    return _span_windows(checkpoint, sample, effort)


def bound_length(generation: GenerationDefaults, effort: Effort) -> GenerationDefaults:
    """The settings with targets short enough to compare many searches."""
    return generation.model_copy(update={"max_length": min(generation.max_length, effort.longest)})


def _span_windows(checkpoint: LoadedCheckpoint, sample: Sequence[SamplePair], effort: Effort) -> tuple[SamplePair, ...]:
    """The sample, with a made-up source before it that spans the encoder's windows if none of the sample does.

    The source stands first, so that it is in a batch with a shorter one. A window as long as the longest source has no
    edge that a source could meet.
    """
    met = [size for size in checkpoint.source_windows if size < checkpoint.max_source_tokens]
    length = min(int(_WINDOWS_SPANNED * max(met, default=0)), checkpoint.max_source_tokens)
    if length <= max((len(pair.source_ids) for pair in sample), default=0):
        return tuple(sample)
    ids = _make_up_source(checkpoint, random.Random(length), length - 1)
    return _translate(checkpoint, f"made-up sentence of {length:,} tokens", ids, effort), *sample


def _make_up_source(checkpoint: LoadedCheckpoint, generator: random.Random, length: int) -> tuple[int, ...]:
    """So many random tokens and an end of sentence."""
    ordinary = sorted(set(range(checkpoint.source_vocabulary)) - set(checkpoint.special_ids))
    return (*generator.choices(ordinary, k=length), checkpoint.end_id)


def _translate(checkpoint: LoadedCheckpoint, name: str, source_ids: tuple[int, ...], effort: Effort) -> SamplePair:
    """The pair of a source and its translation: the greedy one, or the best of a large model's n-best list.

    A translation that was cut off gets an end of sentence.
    """
    settings = bound_length(checkpoint.generation, effort)
    if not effort.is_bounded:
        settings = settings.model_copy(update={"beam_size": 1})
    found = checkpoint.reference.search(source_ids, settings)
    target = found[0].token_ids
    ended = target if target[-1] == checkpoint.end_id else (*target, checkpoint.end_id)
    return SamplePair(name, source_ids, ended, found if effort.is_bounded else None)
