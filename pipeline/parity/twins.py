"""Comparing a quantized twin with its full model, on real sentences or made-up ones."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import sacrebleu

from exported_models.completion import tokenize_target
from exported_models.contract.arrays import Floats, Ids
from exported_models.contract.errors import RequestError
from exported_models.contract.manifest import TranslationScores, TwinComparison
from exported_models.contract.trace import Hypothesis
from exported_models.runtime.graph_session import Tensors
from exported_models.runtime.model import ExportedModel
from exported_models.runtime.sessions import StepInput
from exported_models.search.scoring import encode_batch
from pipeline.corpus.readers import SentencePair, open_corpus
from pipeline.errors import CorpusError
from pipeline.parity.effort import Effort, choose_effort
from pipeline.parity.searches import decode_ids
from pipeline.progress import Advance, Progress

_MADE_UP_SENTENCES = 100
_MADE_UP_LENGTH = 40
_FLOAT = 4
"""Bytes of a weight in float32."""


@dataclass(frozen=True, slots=True)
class ComparedSentence:
    """One sentence to compare on: its source ids, and its reference, if there is one, as text and as ids."""

    source_ids: tuple[int, ...]
    reference: str | None = None
    reference_ids: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class ComparedSentences:
    """The sentences that twins are compared on; ``longest`` is the most target tokens of a search."""

    sentences: tuple[ComparedSentence, ...]
    longest: int
    made_up: bool


@dataclass(frozen=True, slots=True)
class _Answers:
    """One model's answers; ``top_ids`` and ``log_probs`` [target tokens] of all sentences are concatenated."""

    best: list[Hypothesis]
    top_ids: Ids
    log_probs: Floats


def find_effort(full: ExportedModel) -> Effort:
    """The bounds of a comparison with a model of that size."""
    return choose_effort(full.manifest.bytes // _FLOAT)


def make_up_sentences(full: ExportedModel) -> ComparedSentences:
    """Random tokens from a fixed seed; fewer for a large model, as an export is verified on fewer."""
    manifest, generator, effort = full.manifest, random.Random(0), find_effort(full)
    ordinary = sorted(set(range(len(full.source_tokenizer.tokens))) - set(manifest.special_ids))
    longest = min(_MADE_UP_LENGTH, manifest.max_source_tokens) - 1
    count = effort.count(_MADE_UP_SENTENCES)
    lengths = (effort.choose_length(number, count, longest) for number in range(count))
    sources = [(*generator.choices(ordinary, k=length), manifest.end_id) for length in lengths]
    bound = min(manifest.generation.max_length, effort.longest)
    return ComparedSentences(tuple(map(ComparedSentence, sources)), bound, made_up=True)


def read_sentences(full: ExportedModel, sources: Path, references: Path | None) -> ComparedSentences:
    """The sentences of a corpus: two texts, one of sources, or anything else that `open_corpus` reads.

    Raises:
        CorpusError: a file is missing, empty or broken, or the model cannot read a line.
    """
    sentences = []
    for pair in open_corpus(sources, references):
        try:
            sentences.append(_tokenize(full, pair))
        except RequestError as error:
            raise CorpusError(f"{sources}, line {pair.line}: {error}") from error
    if not sentences:
        raise CorpusError(f"{sources} holds no sentence to compare on.")
    return ComparedSentences(tuple(sentences), full.manifest.generation.max_length, made_up=False)


def select_sentences(full: ExportedModel, pairs: Sequence[SentencePair], most: int) -> ComparedSentences:
    """The first ``most`` pairs that the model can read; made-up sentences if it can read none."""
    readable: list[ComparedSentence] = []
    for pair in pairs:
        if len(readable) == most:
            break
        with contextlib.suppress(RequestError):
            readable.append(_tokenize(full, pair))
    if not readable:
        return make_up_sentences(full)
    return ComparedSentences(tuple(readable), full.manifest.generation.max_length, made_up=False)


def compare_twin(
    full: ExportedModel, twin: ExportedModel, compared: ComparedSentences, *, progress: Progress
) -> TwinComparison:
    """Compare a twin with its full model on each of the sentences, one at a time as an analyst translates."""
    with progress.track("compare", 2 * len(compared.sentences), "sentences") as advance:
        ours = _answer(full, compared, None, advance)
        theirs = _answer(twin, compared, ours.best, advance)
    gaps = np.abs(ours.log_probs.astype(np.float64) - theirs.log_probs)
    same_best = [one.token_ids == other.token_ids for one, other in zip(ours.best, theirs.best, strict=True)]
    return TwinComparison(
        sentences=len(compared.sentences),
        made_up=compared.made_up,
        tokens=len(gaps),
        agreement=float(np.mean(ours.top_ids == theirs.top_ids)),
        log_prob=float(gaps.mean()),
        largest_log_prob=float(gaps.max()),
        same_best=float(np.mean(same_best)),
        scores=_score(ours.best, theirs.best, [sentence.reference for sentence in compared.sentences]),
    )


def _tokenize(full: ExportedModel, pair: SentencePair) -> ComparedSentence:
    source_ids = full.read_source(pair.source).ids
    if pair.target is None:
        return ComparedSentence(source_ids)
    return ComparedSentence(source_ids, pair.target, tokenize_target(pair.target, full).ids)


def _answer(
    model: ExportedModel, compared: ComparedSentences, forced: Sequence[Hypothesis] | None, advance: Advance
) -> _Answers:
    """Search for every sentence, then force its reference; without one force ``forced``, or its own best if None."""
    best, top_ids, log_probs = [], [], []
    for number, sentence in enumerate(compared.sentences):
        best.append(decode_ids(model, sentence.source_ids, compared.longest).best)
        target = sentence.reference_ids or (forced or best)[number].token_ids
        tokens, values = _force(model, sentence.source_ids, target)
        top_ids.append(tokens)
        log_probs.append(values)
        advance(1)
    return _Answers(best, np.concatenate(top_ids), np.concatenate(log_probs))


def _force(model: ExportedModel, source_ids: Sequence[int], target_ids: Sequence[int]) -> tuple[Ids, Floats]:
    """The most probable token before each target token [target], and the log-probability of that one [target]."""
    encoded = encode_batch(model, [source_ids])
    memory: Tensors = encoded.memory
    previous, outputs = model.manifest.start_id, []
    for position, token_id in enumerate(target_ids):
        wanted = np.array([token_id], np.int64)
        asked = StepInput(np.array([previous], np.int64), np.zeros(1, np.int64), position, wanted, top_count=1)
        output = model.decoder.run(encoded, memory, asked)
        outputs.append(output)
        memory, previous = output.memory, token_id
    return (
        np.concatenate([output.ids("top_ids")[:, 0] for output in outputs]),
        np.concatenate([output.floats("scored_log_probs") for output in outputs]),
    )


def _score(
    ours: Sequence[Hypothesis], theirs: Sequence[Hypothesis], references: Sequence[str | None]
) -> TranslationScores | None:
    """Corpus BLEU (Papineni et al. 2002) and chrF (Popović 2015) of both; None without references."""
    wanted = [reference for reference in references if reference is not None]
    if len(wanted) < len(references):
        return None
    texts = [[hypothesis.text for hypothesis in listed] for listed in (ours, theirs)]
    bleu = [round(sacrebleu.corpus_bleu(found, [wanted]).score, 2) for found in texts]
    chrf = [round(sacrebleu.corpus_chrf(found, [wanted]).score, 2) for found in texts]
    return TranslationScores(bleu=(bleu[0], bleu[1]), chrf=(chrf[0], chrf[1]))
