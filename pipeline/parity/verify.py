"""Parity: an exported model computes what its source model computes, or it is not published."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from exported_models.contract.manifest import GenerationDefaults, ParityReport
from exported_models.contract.request import Request
from exported_models.contract.source import Source
from exported_models.contract.trace import Trace
from exported_models.engine import complete_request, search_settings
from exported_models.runtime.model import ExportedModel
from exported_models.search.repetition import RepetitionPenalty
from exported_models.search.scoring import ForcedSentence
from exported_models.search.search import record_source, search
from exported_models.search.states import force_with_states
from pipeline.errors import ParityError
from pipeline.models.checkpoint import LoadedCheckpoint, ReferenceSentence
from pipeline.progress import Progress
from state_store.pairs import StoredPair
from state_store.spaces import sample_rows

TOLERANCE = 1e-4
"""Largest difference to the source model, of log-probabilities, attention and states."""
BATCH_TOLERANCE = 1e-5
"""Largest difference between a sentence alone and the same sentence in a ragged batch."""
_BATCH = 16
_LONGEST_SEARCH = 64  # one that never ends its sentence would take minutes and show nothing more
_MADE_UP_LENGTH = 40


@dataclass(frozen=True, slots=True)
class SamplePair:
    """One sentence pair to compare on, as token ids, end of sentence included. ``name`` is for messages."""

    name: str
    source_ids: tuple[int, ...]
    target_ids: tuple[int, ...]


@dataclass(slots=True)
class _Worst:
    """The largest difference of one output so far, and where it is."""

    difference: float = 0.0
    place: str = ""

    def add(self, found: NDArray[np.float32], wanted: NDArray[np.float32], sentence: str) -> None:
        if found.shape != wanted.shape:
            self.difference, self.place = float("inf"), f"{sentence}: {found.shape} where {wanted.shape} is right"
            return
        # What is impossible for both is equal, though its logarithms have no difference.
        equal = found == wanted
        gaps = np.abs(np.where(equal, 0.0, found.astype(np.float64)) - np.where(equal, 0.0, wanted))
        # A NaN compares with nothing: it counts as the largest difference there is.
        gaps = np.where(np.isnan(gaps), np.inf, gaps).reshape(len(gaps), -1).max(axis=1, initial=0.0)
        if len(gaps) and gaps.max() > self.difference:
            self.difference = float(gaps.max())
            self.place = f"{sentence}, token {int(gaps.argmax())}"


@dataclass(slots=True)
class _Comparison:
    """Differences by output name."""

    worst: dict[str, _Worst] = field(default_factory=dict)

    def add(self, found: ForcedSentence, wanted: ReferenceSentence | ForcedSentence, sentence: str) -> None:
        self._of("log-probabilities").add(found.log_probs, wanted.log_probs, sentence)
        for space, states in found.states.items():
            self._of(f"{space} states").add(states, wanted.states[space], sentence)
        if found.attention is not None and wanted.attention is not None:
            self._of("attention").add(found.attention, wanted.attention, sentence)
        if found.log_normalizers is not None and wanted.log_normalizers is not None:
            self._of("normalizers of logits").add(found.log_normalizers, wanted.log_normalizers, sentence)

    def largest(self, suffix: str) -> float:
        return max((entry.difference for name, entry in self.worst.items() if name.endswith(suffix)), default=0.0)

    def complaints(self, tolerance: float) -> list[str]:
        return [
            f"{name} differ by {entry.difference:.2g} at {entry.place} (allowed: {tolerance:g})"
            for name, entry in self.worst.items()
            if entry.difference > tolerance
        ]

    def _of(self, name: str) -> _Worst:
        return self.worst.setdefault(name, _Worst())


def verify_model(
    source: LoadedCheckpoint, exported: ExportedModel, sample: Sequence[SamplePair], *, progress: Progress
) -> ParityReport:
    """Compare an exported model with its source model.

    Teacher-forced outputs are compared in ragged batches, every sentence with the source model's run of it alone; then
    the same sentences alone and in the batch, and those of the first batch in one pass and step by step, as what-ifs
    are decoded; then the n-best lists of beam searches that share no code.

    Raises:
        ParityError: an output differs by more than `TOLERANCE`, a batch by more than `BATCH_TOLERANCE` (each times the
            source's ``rounding``), or an n-best list by more than hypotheses that tie. The message says which, where
            and by how much.
    """
    to_source, to_single = _Comparison(), _Comparison()
    in_steps = _compare_steps(exported, sample[:_BATCH])
    equal, wrong_lists = 0, []
    with progress.track("verify", 2 * len(sample), "sentences") as advance:
        for batch in _batches(sample):
            found = force_with_states(
                exported, [pair.source_ids for pair in batch], [pair.target_ids for pair in batch]
            )
            for pair, sentence in zip(batch, found, strict=True):
                to_source.add(sentence, source.reference.force(pair.source_ids, pair.target_ids), pair.name)
                to_single.add(sentence, force_with_states(exported, [pair.source_ids], [pair.target_ids])[0], pair.name)
            advance(len(batch))
        for pair in sample:
            complaint, same = _compare_search(source, exported, pair)
            wrong_lists += [complaint] if complaint else []
            equal += same
            advance(1)
    batch_complaints = [f"in a batch {line}" for line in to_single.complaints(BATCH_TOLERANCE * source.rounding)]
    allowed = TOLERANCE * source.rounding
    step_complaints = [f"step by step {line}" for line in in_steps.complaints(allowed)]
    _refuse(exported, [*to_source.complaints(allowed), *step_complaints, *batch_complaints, *wrong_lists[:1]])
    return ParityReport(
        log_prob=to_source.largest("log-probabilities"),
        attention=to_source.largest("attention") if source.cross_attention_layers else None,
        state=to_source.largest(" states"),
        sentences=len(sample),
        beam_sentences_equal=equal,
        beam_sentences=len(sample),
    )


def make_up_sample(source: LoadedCheckpoint, size: int | None = None) -> tuple[SamplePair, ...]:
    """Ragged pairs without a corpus: random source tokens from a fixed seed and what the source model makes of them."""
    generator = random.Random(0)
    ordinary = sorted(set(range(source.source_vocabulary)) - set(source.special_ids))
    longest = min(_MADE_UP_LENGTH, source.max_source_tokens) - 1
    pairs = []
    for number in range(source.parity_sentences if size is None else size):
        ids = (*generator.choices(ordinary, k=1 + number % longest), source.end_id)
        pairs.append(SamplePair(f"made-up sentence {number + 1}", ids, _make_up_target(source, ids)))
    return tuple(pairs)


def tokenize_sample(
    source: LoadedCheckpoint, exported: ExportedModel, pairs: Sequence[StoredPair]
) -> tuple[SamplePair, ...]:
    """Sentence pairs of a corpus as the exported model's tokenizers give them.

    Sources without targets get what the source model makes of them. That takes long, so it is done for as many as the
    adapter wants made up, spread over those given.
    """
    sample = []
    without = [pair for pair in pairs if not pair.target]
    chosen = [without[row] for row in sample_rows(len(without), source.parity_sentences)] if without else pairs
    for pair in chosen:
        source_ids = exported.source_tokenizer.encode(pair.source, end=True).ids
        given = exported.target_tokenizer.encode(pair.target, end=True).ids if pair.target else None
        sample.append(SamplePair(f"line {pair.line}", source_ids, given or _make_up_target(source, source_ids)))
    return tuple(sample)


def _make_up_target(source: LoadedCheckpoint, source_ids: Sequence[int]) -> tuple[int, ...]:
    """The source model's greedy translation, with an end of sentence where it was cut off."""
    target = source.reference.search(source_ids, _greedy(source.generation))[0].token_ids
    return target if target[-1] == source.end_id else (*target, source.end_id)


def decode_ids(exported: ExportedModel, source_ids: Sequence[int], longest: int) -> Trace:
    """Search for a source given as ids, at the model's defaults, with at most ``longest`` target tokens."""
    request = complete_request(Request(exported.manifest.model_id, "", top_k=1, max_length=longest), exported)
    tokens = tuple(exported.source_tokenizer.tokens[token_id] for token_id in source_ids)
    nowhere = ((0, 0),) * len(tokens)
    source = Source("", "", tokens, nowhere, (0,) * len(tokens), tuple(source_ids))
    recording = record_source(exported, source)
    return search(exported, request, search_settings(request, exported), source, recording)


def _compare_steps(exported: ExportedModel, sample: Sequence[SamplePair]) -> _Comparison:
    """The step graph with everything it has, against the whole target in one pass; nothing where that is the same."""
    compared = _Comparison()
    if exported.forced is not None:
        sources, targets = [pair.source_ids for pair in sample], [pair.target_ids for pair in sample]
        in_one_pass = force_with_states(exported, sources, targets)
        in_steps = force_with_states(exported, sources, targets, override=lambda _: None)
        for pair, stepped, wanted in zip(sample, in_steps, in_one_pass, strict=True):
            compared.add(stepped, wanted, pair.name)
    return compared


def _greedy(generation: GenerationDefaults) -> GenerationDefaults:
    return _bounded(generation).model_copy(update={"beam_size": 1})


def _bounded(generation: GenerationDefaults) -> GenerationDefaults:
    return generation.model_copy(update={"max_length": min(generation.max_length, _LONGEST_SEARCH)})


def _batches(sample: Sequence[SamplePair]) -> Iterator[Sequence[SamplePair]]:
    return (sample[start : start + _BATCH] for start in range(0, len(sample), _BATCH))


def _compare_search(source: LoadedCheckpoint, exported: ExportedModel, pair: SamplePair) -> tuple[str, bool]:
    """What is wrong with the exported model's n-best list, or nothing; and whether it is the source model's."""
    wanted = {entry.token_ids: entry for entry in source.reference.search(pair.source_ids, _bounded(source.generation))}
    longest = _bounded(exported.manifest.generation).max_length
    found = {entry.token_ids: entry for entry in decode_ids(exported, pair.source_ids, longest).hypotheses}
    if len(found) != len(wanted):
        return f"beam search finds {len(found)} hypotheses for {pair.name} where {len(wanted)} are right", False
    for token_ids in wanted.keys() & found.keys():
        gap = abs(found[token_ids].normalized - wanted[token_ids].score)
        if not gap <= TOLERANCE * source.rounding:
            return f"beam search scores {found[token_ids].text!r} otherwise for {pair.name} (by {gap:.2g})", False
    others = [token_ids for token_ids in found if token_ids not in wanted]
    for token_ids in wanted:
        if token_ids not in found and not any(_tie(source, pair, token_ids, other) for other in others):
            return _describe_difference(exported, pair, token_ids, found[others[0]].text), False
    return "", not others


def _tie(source: LoadedCheckpoint, pair: SamplePair, one: Sequence[int], other: Sequence[int]) -> bool:
    """Whether the source model's own scores let either stand for the other.

    They do where the scores of the hypotheses are equal but for `TOLERANCE`, or those of their prefixes at one step
    behind the fork: of two prefixes that tie, a search may keep either.
    """
    totals = [_running_totals(source, pair, token_ids) for token_ids in (one, other)]
    normalized = [total[-1] / len(total) ** source.generation.length_penalty for total in totals]
    shorter, allowed = min(len(one), len(other)), TOLERANCE * source.rounding
    fork = next((step for step in range(shorter) if one[step] != other[step]), shorter)
    gaps = np.abs(totals[0][fork:shorter] - totals[1][fork:shorter])
    return bool(abs(normalized[0] - normalized[1]) <= allowed or gaps.min(initial=np.inf) <= allowed)


def _running_totals(source: LoadedCheckpoint, pair: SamplePair, token_ids: Sequence[int]) -> NDArray[np.float64]:
    """The source model's score of each prefix of a hypothesis."""
    ended = token_ids if token_ids[-1] == source.end_id else (*token_ids, source.end_id)
    forced = source.reference.force(pair.source_ids, ended)
    penalty = RepetitionPenalty.of(source.generation, source.start_id, source.generation.beam_size)
    counted = penalty.weigh_target(forced.log_probs, ended, forced.log_normalizers)
    return counted[: len(token_ids)].astype(np.float64).cumsum()


def _describe_difference(exported: ExportedModel, pair: SamplePair, wanted: Sequence[int], found: str) -> str:
    text = exported.target_tokenizer.decode(wanted)
    return f"beam search gives {found!r} for {pair.name} where {text!r} is right, and their scores do not tie"


def _refuse(exported: ExportedModel, complaints: Sequence[str]) -> None:
    if complaints:
        raise ParityError(
            f"The exported graphs of {exported.manifest.model_id} do not compute what the source model computes: "
            f"{'; '.join(complaints)}. Nothing was published."
        )
