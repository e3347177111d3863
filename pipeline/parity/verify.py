"""Parity: an exported model computes what its checkpoint computes, but for rounding, or it is not published."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

import numpy as np

from exported_models.contract.manifest import OutputParity, ParityReport
from exported_models.runtime.model import ExportedModel
from exported_models.search.states import force_with_states
from pipeline.errors import ParityError
from pipeline.models.checkpoint import LoadedCheckpoint
from pipeline.parity.origin import Origin
from pipeline.parity.outputs import ATTENTION, LOG_PROBS, SCORES, Outputs, Values, list_outputs
from pipeline.parity.plain_steps import run_plain_steps
from pipeline.parity.rounding import find_bounds
from pipeline.parity.sample import SamplePair
from pipeline.parity.searches import Lacking, compare_search, ties
from pipeline.progress import Advance, Progress

TOLERANCE = 1e-4
"""Usual bound of differences to the checkpoint; see `pipeline.parity.rounding.find_bounds`."""
BATCH_TOLERANCE = 1e-5
"""Usual bound of differences between a sentence alone and the same sentence in a ragged batch."""
_BATCH = 16
_BATCH_TOKENS = 2048
"""Most source tokens of a batch of more than two sentences, padding included: long sources take memory and time."""


@dataclass(slots=True)
class _Largest:
    """The largest difference of one output so far, and where it is."""

    difference: float = 0.0
    place: str = ""
    pair: SamplePair | None = None

    def add(self, found: Values, wanted: Values, pair: SamplePair) -> None:
        if found.shape != wanted.shape:
            self.difference, self.place = float("inf"), f"{pair.name}: {found.shape} where {wanted.shape} is right"
            return
        # Minus infinity for both is equal, though the difference of the two is no number.
        equal = found == wanted
        gaps = np.abs(np.where(equal, 0.0, found.astype(np.float64)) - np.where(equal, 0.0, wanted))
        # A NaN compares with nothing: it counts as the largest difference there is.
        gaps = np.where(np.isnan(gaps), np.inf, gaps).reshape(len(gaps), -1).max(axis=1, initial=0.0)
        if len(gaps) and gaps.max() > self.difference:
            self.difference, self.pair = float(gaps.max()), pair
            self.place = f"{pair.name}, token {int(gaps.argmax())}"


@dataclass(slots=True)
class _Comparison:
    """The largest differences by the name of the output."""

    largest: dict[str, _Largest] = field(default_factory=dict)

    def add(self, found: Outputs, wanted: Outputs, pair: SamplePair) -> None:
        """Compare the outputs that both have."""
        for name in found.keys() & wanted.keys():
            self.largest.setdefault(name, _Largest()).add(found[name], wanted[name], pair)

    def suspects(self, bounds: Mapping[str, float]) -> list[SamplePair]:
        """The pairs of the differences that are over their bounds."""
        over = (entry for name, entry in self.largest.items() if entry.difference > bounds[name])
        return [entry.pair for entry in over if entry.pair is not None]

    def complaints(self, bounds: Mapping[str, float]) -> list[str]:
        """A phrase for each output that differs by more than its bound."""
        return [
            f"{name} differ by {entry.difference:.2g} at {entry.place} (allowed: {bounds[name]:.2g})"
            for name, entry in sorted(self.largest.items())
            if not entry.difference <= bounds[name]
        ]

    def omissions(self, bounds: Mapping[str, float]) -> list[str]:
        """A phrase for each output that has a bound and was not compared."""
        return [f"{name} cannot be compared" for name in bounds if name not in self.largest and name != SCORES]


@dataclass(frozen=True, slots=True)
class _Forced:
    """Differences of teacher-forced sentences, and the roundings that they are judged by.

    Attributes:
        to_checkpoint: between the exported model in ragged batches and the checkpoint.
        to_single: between the exported model in ragged batches and on each sentence alone.
        in_steps: between the exported model step by step and over the whole target in one pass.
        roundings: the checkpoint's own rounding, by the name of the output.
    """

    to_checkpoint: _Comparison
    to_single: _Comparison
    in_steps: _Comparison
    roundings: Mapping[str, float]

    @property
    def bounds(self) -> dict[str, float]:
        return find_bounds(self.roundings, TOLERANCE)

    @property
    def batch_bounds(self) -> dict[str, float]:
        return find_bounds(self.roundings, BATCH_TOLERANCE)

    def suspects(self) -> list[SamplePair]:
        """The pairs of all differences that are over their bounds."""
        compared = (
            (self.to_checkpoint, self.bounds),
            (self.in_steps, self.bounds),
            (self.to_single, self.batch_bounds),
        )
        return [pair for comparison, bounds in compared for pair in comparison.suspects(bounds)]

    def complaints(self) -> list[str]:
        return [
            *self.to_checkpoint.complaints(self.bounds),
            *self.to_checkpoint.omissions(self.bounds),
            *(f"step by step {line}" for line in self.in_steps.complaints(self.bounds)),
            *(f"in a batch {line}" for line in self.to_single.complaints(self.batch_bounds)),
        ]


def verify_model(
    checkpoint: LoadedCheckpoint, exported: ExportedModel, sample: Sequence[SamplePair], *, progress: Progress
) -> ParityReport:
    """Compare an exported model with its checkpoint, both of which stay in memory; see `verify_export`."""
    name = exported.manifest.model_id
    return verify_export(name, Origin(lambda: checkpoint), lambda: exported, sample, progress=progress)


def verify_export(
    model_id: str,
    origin: Origin,
    open_model: Callable[[], ExportedModel],
    sample: Sequence[SamplePair],
    *,
    progress: Progress,
) -> ParityReport:
    """Compare an exported model with its checkpoint.

    The teacher-forced outputs of ragged batches are compared with the checkpoint's of each sentence alone, then with
    the exported model's of each sentence alone. The sentences of the largest batch are compared in one pass and step
    by step, as what-ifs and searches with rules are decoded. If all of that is right, the n-best lists of beam searches
    are compared. Every output has a bound that follows from its own rounding (`pipeline.parity.rounding`).

    Args:
        open_model: opens the exported model once the checkpoint, if it is large, is free of memory.

    Raises:
        ParityError: an output or the score of a hypothesis differs by more than its bound, or an n-best list by more
            than hypotheses that tie. The message says which, where and by how much.
    """
    prepared = origin.prepare(sample, progress)
    with progress.track("verify", 2 * len(prepared), "sentences") as advance:
        forced = _compare_forced(origin, open_model(), prepared, advance)
        _refuse(model_id, forced.complaints())
        allowed = forced.bounds[SCORES]
        searches = _compare_searches(origin, open_model(), prepared, allowed, advance)
        _refuse(model_id, searches.complaints[:1] or _judge(origin, searches.lacking, allowed))
    outputs = _describe(forced)
    return ParityReport(
        log_prob=outputs[LOG_PROBS].difference,
        attention=outputs[ATTENTION].difference if ATTENTION in outputs else None,
        state=max((entry.difference for name, entry in outputs.items() if name.endswith(" states")), default=0.0),
        outputs=outputs,
        sentences=len(prepared),
        beam_sentences_equal=searches.equal,
        beam_sentences=len(prepared),
    )


@dataclass(frozen=True, slots=True)
class _Searches:
    """The comparisons of all n-best lists: complaints, hypotheses that must tie with others, and equal lists."""

    complaints: Sequence[str]
    lacking: Sequence[Lacking]
    equal: int


def _compare_searches(
    origin: Origin, exported: ExportedModel, sample: Sequence[SamplePair], allowed: float, advance: Advance
) -> _Searches:
    compared = []
    for pair in sample:
        compared.append(compare_search(exported, pair, origin.search(pair), allowed, origin.effort.longest))
        advance(1)
    return _Searches(
        complaints=[entry.complaint for entry in compared if entry.complaint],
        lacking=[lacking for entry in compared for lacking in entry.lacking],
        equal=sum(entry.equal for entry in compared),
    )


def _judge(origin: Origin, differences: Sequence[Lacking], allowed: float) -> list[str]:
    """The complaint about the first hypothesis that is lacking and ties with none that is there."""
    wrong = (lacking.complaint for lacking in differences if not ties(origin.checkpoint, lacking, allowed))
    return list(islice(wrong, 1))


def _compare_forced(origin: Origin, exported: ExportedModel, sample: Sequence[SamplePair], advance: Advance) -> _Forced:
    """Compare all teacher-forced sentences.

    Rounding is measured on a few of them, and then on those whose differences it does not explain: how coarse it is
    depends on the sentence too.
    """
    to_checkpoint, to_single = _Comparison(), _Comparison()
    for batch in _batches(sample):
        found = force_with_states(exported, [pair.source_ids for pair in batch], [pair.target_ids for pair in batch])
        for pair, sentence in zip(batch, found, strict=True):
            ours = list_outputs(sentence)
            to_checkpoint.add(ours, origin.force(pair), pair)
            (alone,) = force_with_states(exported, [pair.source_ids], [pair.target_ids])
            to_single.add(ours, list_outputs(alone), pair)
        advance(len(batch))
    in_steps = _compare_steps(exported, max(_batches(sample), key=len))
    del exported  # a large checkpoint that has to be loaded again needs the memory
    roundings = origin.measure_usual_rounding(sample)
    forced = _Forced(to_checkpoint, to_single, in_steps, roundings)
    of_suspects = origin.measure_rounding(forced.suspects())
    origin.free()
    widened = {name: max(rounding, of_suspects.get(name, 0.0)) for name, rounding in roundings.items()}
    return replace(forced, roundings=widened)


def _compare_steps(exported: ExportedModel, sample: Sequence[SamplePair]) -> _Comparison:
    """Compare steps, with interventions that change nothing and without any, with the whole target in one pass.

    A model without a graph of whole targets has steps with interventions in place of it.
    """
    compared = _Comparison()
    sources, targets = [pair.source_ids for pair in sample], [pair.target_ids for pair in sample]
    wanted = [list_outputs(sentence) for sentence in force_with_states(exported, sources, targets)]
    if exported.forced is not None:
        in_steps = force_with_states(exported, sources, targets, override=lambda _: None)
        for pair, stepped, right in zip(sample, in_steps, wanted, strict=True):
            compared.add(list_outputs(stepped), right, pair)
    for pair, plain, right in zip(sample, run_plain_steps(exported, sources, targets), wanted, strict=True):
        compared.add(plain, right, pair)
    return compared


def _batches(sample: Sequence[SamplePair]) -> Iterator[Sequence[SamplePair]]:
    """Pairs in their order: at most `_BATCH`, and at least two unless none is left, of `_BATCH_TOKENS` if more."""
    batch: list[SamplePair] = []
    longest = 0
    for pair in sample:
        longest = max(longest, len(pair.source_ids))
        if len(batch) == _BATCH or (len(batch) > 1 and longest * (len(batch) + 1) > _BATCH_TOKENS):
            yield batch
            batch, longest = [], len(pair.source_ids)
        batch.append(pair)
    if batch:
        yield batch


def _describe(forced: _Forced) -> dict[str, OutputParity]:
    """The figures of every output, in the order in which the checkpoint gives them."""
    bounds, largest = forced.bounds, forced.to_checkpoint.largest
    return {
        name: OutputParity(rounding=rounding, allowed=bounds[name], difference=largest[name].difference)
        for name, rounding in forced.roundings.items()
        if name in largest
    }


def _refuse(model_id: str, complaints: Sequence[str]) -> None:
    if complaints:
        raise ParityError(
            f"The exported graphs of {model_id} do not compute what the checkpoint computes: "
            f"{'; '.join(complaints)}. Nothing was published."
        )
