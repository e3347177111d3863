"""Beam searches of many requests in lockstep: a step of the model runs once for the live rows of all of them.

Each search decides for itself, with a `Beam` of its own, and finds what it would find alone. A row is known by its
source, its prefix and the interventions so far: rows that searches have in common, such as those of a forced prefix,
are computed once. No trace is made, so attention and states of the steps are not kept.

Searches of one source are rows of one sentence. Searches of different sources are sentences of one batch with equally
many rows each. In models that were exported before revision 11 one mask of the decoder's heads serves all rows, so
searches that ablate different ones do not share steps there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from exported_models.contract.arrays import Floats, Ids, Mask
from exported_models.contract.errors import RequestError
from exported_models.contract.graphs import STEP_NORMALIZER
from exported_models.contract.manifest import ModelManifest
from exported_models.contract.request import AttentionOverride, CompletedRequest, HeadAblation
from exported_models.contract.source import Source
from exported_models.runtime.graph_session import Tensors
from exported_models.runtime.model import ExportedModel
from exported_models.runtime.sessions import EncodedSource, HeadMasks, StepInput, StepOutput
from exported_models.search.ablation import mask_heads
from exported_models.search.beam import Beam, Scored, Wanted
from exported_models.search.footprint import estimate_row_memory
from exported_models.search.overrides import override_row
from exported_models.search.scoring import encode_batch
from exported_models.search.settings import SearchSettings

MOST_ROWS = 160
"""Rows of one step. More take as long a row, and their memory no longer fits into the processor's caches."""
MOST_MEMORY = 256 << 20
"""Bytes of decoder memory that the rows of one batch may be expected to take."""

_ARRAYS = ("top_ids", "top_log_probs")
_RowKey = tuple[tuple[int, ...], tuple[AttentionOverride, ...], tuple[HeadAblation, ...]]
"""Tokens before a step, overrides up to the step, and ablated heads of the decoder."""
_Override = tuple[Floats, Mask]


@dataclass(frozen=True, slots=True)
class SearchTask:
    """One search to run; see `exported_models.search.search.search`."""

    request: CompletedRequest
    settings: SearchSettings
    source: Source

    @property
    def encoder_heads(self) -> tuple[HeadAblation, ...]:
        """Ablated heads of the encoder."""
        return self._list_heads("encoder")

    @property
    def decoder_heads(self) -> tuple[HeadAblation, ...]:
        """Ablated heads of the decoder, of its self-attention and cross-attention."""
        return self._list_heads("decoder", "cross")

    def _list_heads(self, *kinds: str) -> tuple[HeadAblation, ...]:
        return tuple(entry for entry in self.request.ablations if entry.kind in kinds)


@dataclass(frozen=True, slots=True)
class Ending:
    """A hypothesis that a search found, without the steps that led to it.

    Attributes:
        token_ids: end of sentence included where the hypothesis is finished.
        score, normalized, beside: as of `exported_models.contract.trace.Hypothesis`.
    """

    token_ids: tuple[int, ...]
    score: float
    normalized: float
    beside: bool


Found = tuple[Ending, ...] | RequestError
"""The hypotheses of a search in the order of `exported_models.contract.trace.Trace`, or the reason why it has none."""


def search_together(
    model: ExportedModel, tasks: Sequence[SearchTask], report: Callable[[int], object] = lambda _: None
) -> list[Found]:
    """Run searches of one model together.

    Args:
        report: called with the number of searches that were finished since its last call.

    Raises:
        UnwantedError: the call was cancelled.
    """
    found: dict[int, Found] = {}
    for batch in _divide(model, tasks):
        lanes = _run(model, [tasks[place] for place in batch])
        found.update(zip(batch, map(_conclude, lanes), strict=True))
        report(len(batch))
    return [found[place] for place in range(len(tasks))]


@dataclass(slots=True)
class _Lane:
    """One search in a batch.

    Attributes:
        sentence: place of its source in the batch.
        heads: masks of the heads of the decoder that are ablated.
        paths: token ids before each live row.
        origins: for each live row, the row of the step before that it continues.
        error: the reason for which the search cannot go on.
    """

    task: SearchTask
    beam: Beam
    sentence: int
    heads: HeadMasks
    paths: list[tuple[int, ...]] = field(default_factory=lambda: [()])
    origins: list[int] = field(default_factory=list)
    error: RequestError | None = None

    @property
    def goes_on(self) -> bool:
        return self.error is None and self.beam.stop() is None

    def list_keys(self) -> list[_RowKey]:
        """The key of each live row."""
        position, overrides = self.beam.position, self.task.request.overrides
        active = tuple(override for override in overrides if override.step <= position)
        return [(path, active, self.task.decoder_heads) for path in self.paths]

    def settle(self, output: StepOutput, rows: Sequence[int], scored: Scored) -> None:
        """Decide a step; ``rows`` are the rows of the batch that ``output`` belongs to."""
        try:
            continued = self.beam.settle(output, overridden=False, scored=scored)
        except RequestError as error:
            self.error = error
            return
        token_ids = self.beam.token_ids
        self.origins = [rows[row] for row in continued]
        self.paths = [(*self.paths[row], token_ids[node]) for row, node in zip(continued, self.beam.live, strict=True)]


@dataclass(frozen=True, slots=True)
class _Layout:
    """The rows of one step.

    Attributes:
        rows: the rows of each search.
        previous_ids, origins: last token of each row, and the row of the step before that it continues.
        owners: a search that each row belongs to.
    """

    rows: list[list[int]]
    previous_ids: list[int]
    origins: list[int]
    owners: list[_Lane]


def _divide(model: ExportedModel, tasks: Sequence[SearchTask]) -> Iterator[list[int]]:
    """Places of the tasks, in batches whose searches can share steps."""
    places, manifest = range(len(tasks)), model.manifest
    apart = any(map(_mask_own, tasks)) and not model.decoder.masks_by_row
    for _, of_mask in _group(places, lambda place: apart and _mask_own(tasks[place])):
        alone: list[int] = []
        for _, of_source in _group(of_mask, lambda place: _source_key(tasks[place])):
            if len(of_source) == 1:
                alone += of_source
            else:
                yield from _divide_evenly(manifest, tasks, of_source)
        # Sources are padded to one length before they are encoded; those with ablated heads are encoded one by one.
        for _, alike in _group(alone, lambda place: tasks[place].encoder_heads and tasks[place].source.key):
            yield from _divide_evenly(manifest, tasks, alike)


def _mask_own(task: SearchTask) -> tuple[HeadAblation, ...]:
    """Ablated heads of the decoder's self-attention."""
    return tuple(entry for entry in task.decoder_heads if entry.kind == "decoder")


def _source_key(task: SearchTask) -> tuple[str, tuple[HeadAblation, ...]]:
    return task.source.key, task.encoder_heads


def _group(places: Iterable[int], key: Callable[[int], object]) -> Iterator[tuple[object, list[int]]]:
    """Places with equal keys, in the order of the first of each."""
    groups: dict[object, list[int]] = {}
    for place in places:
        groups.setdefault(key(place), []).append(place)
    yield from groups.items()


def _divide_evenly(manifest: ModelManifest, tasks: Sequence[SearchTask], places: list[int]) -> Iterator[list[int]]:
    """Batches of few enough rows.

    Searches that begin alike share most of their rows and stay together. Every batch gets prefixes of all lengths, so
    that no step has few rows.
    """
    families = [family for _, family in _group(places, lambda place: _family_key(tasks[place]))]
    families.sort(key=lambda family: len(tasks[family[0]].settings.prefix))
    weights = [max(tasks[place].settings.most_rows for place in family) for family in families]
    row_bytes = max(_expect_row_bytes(manifest, tasks[place]) for place in places)
    count = -(-sum(weights) // max(1, min(MOST_ROWS, MOST_MEMORY // row_bytes)))
    for first in range(min(count, len(families))):
        yield [place for family in families[first::count] for place in family]


def _family_key(task: SearchTask) -> tuple[object, ...]:
    request = task.request
    return _source_key(task), request.prefix, request.overrides, request.forbidden, task.decoder_heads


def _expect_row_bytes(manifest: ModelManifest, task: SearchTask) -> int:
    """Decoder memory of a row at the length that a target of this source may be expected to have."""
    expected = min(task.settings.max_length, len(task.settings.prefix) + 2 * len(task.source) + 20)
    return max(1, expected * estimate_row_memory(manifest))


def _run(model: ExportedModel, tasks: Sequence[SearchTask]) -> list[_Lane]:
    """Run the searches of one batch to their ends."""
    encoded, sentences = _encode(model, tasks)
    lanes = [_begin(model, task, sentence) for task, sentence in zip(tasks, sentences, strict=True)]
    memory: Tensors = encoded.memory
    going = list(lanes)
    while going:
        memory = _advance(model, encoded, memory, going)
        going = [lane for lane in going if lane.goes_on]
        kept = sorted({lane.sentence for lane in going})
        if going and len(kept) < len(encoded.mask):
            encoded = encoded.select(np.array(kept, np.int64))
            for lane in going:
                lane.sentence = kept.index(lane.sentence)
    return lanes


def _begin(model: ExportedModel, task: SearchTask, sentence: int) -> _Lane:
    beam = Beam.begin(model, task.settings, task.source.ids)
    return _Lane(task, beam, sentence, mask_heads(task.decoder_heads, model.manifest), origins=[sentence])


def _encode(model: ExportedModel, tasks: Sequence[SearchTask]) -> tuple[EncodedSource, list[int]]:
    """The encoded sources of a batch, each once, and the place of each task's own."""
    firsts = {_source_key(task): task for task in reversed(tasks)}
    keys = list(dict.fromkeys(map(_source_key, tasks)))
    parts = []
    for heads, group in groupby((firsts[key] for key in keys), key=lambda task: task.encoder_heads):
        sources = [task.source.rows for task in group]
        parts.append(encode_batch(model, sources, mask_heads(heads, model.manifest)))
    return EncodedSource.join(parts), [keys.index(_source_key(task)) for task in tasks]


def _advance(model: ExportedModel, encoded: EncodedSource, memory: Tensors, lanes: Sequence[_Lane]) -> Tensors:
    """Run and decide one step of searches that go on; return the memory after it."""
    layout = _lay_out(lanes, len(encoded.mask))
    asked = StepInput(
        previous_ids=np.array(layout.previous_ids, np.int64),
        beam_index=np.array(layout.origins, np.int64),
        position=lanes[0].beam.position,
        scored_ids=None,
        top_count=max(lane.beam.top_count for lane in lanes),
        override=_stack_overrides(model.manifest, layout.owners, encoded.mask.shape[1]),
        kept_heads=_stack_masks(layout.owners),
        normalizers=any(lane.beam.penalty.needs_normalizers for lane in lanes),
    )
    output = model.decoder.run(encoded, memory, asked)
    scored = _score_wanted(model, encoded, memory, asked, output, list(zip(lanes, layout.rows, strict=True)))
    for lane, rows, own in zip(lanes, layout.rows, scored, strict=True):
        lane.settle(_pick(output, rows, lane.beam.top_count), rows, own)
    return output.memory


def _lay_out(lanes: Sequence[_Lane], sentences: int) -> _Layout:
    """The rows of all searches, each key once; those of a sentence are consecutive, and padded to equally many."""
    places: list[dict[_RowKey, int]] = [{} for _ in range(sentences)]
    ends: list[list[tuple[int, int, _Lane]]] = [[] for _ in range(sentences)]
    own: list[list[int]] = []
    for lane in lanes:
        known, made = places[lane.sentence], ends[lane.sentence]
        last = [lane.beam.token_ids[node] for node in lane.beam.live]
        own.append([])
        for key, token_id, origin in zip(lane.list_keys(), last, lane.origins, strict=True):
            if key not in known:
                known[key] = len(made)
                made.append((token_id, origin, lane))
            own[-1].append(known[key])
    width = max(map(len, ends))
    rows = [[lane.sentence * width + place for place in mine] for lane, mine in zip(lanes, own, strict=True)]
    padded = [entry for made in ends for entry in (*made, *[made[0]] * (width - len(made)))]
    previous_ids, origins, owners = (list(column) for column in zip(*padded, strict=True))
    return _Layout(rows, previous_ids, origins, owners)


def _stack_masks(owners: Sequence[_Lane]) -> Floats | None:
    """Masks of the decoder's self-attention of all rows; None where no head is ablated."""
    masks = [lane.heads.decoder for lane in owners]
    every = next((np.ones_like(mask) for mask in masks if mask is not None), None)
    return None if every is None else np.stack([every if mask is None else mask for mask in masks])


def _stack_overrides(manifest: ModelManifest, owners: Sequence[_Lane], source_tokens: int) -> _Override | None:
    """Overrides and ablated heads of cross-attention of all rows; None where there are none."""
    if not any(lane.task.request.overrides or lane.heads.cross is not None for lane in owners):
        return None
    different = {id(lane): lane for lane in owners}
    found = {key: _find_override(manifest, lane, source_tokens) for key, lane in different.items()}
    if all(each is None for each in found.values()):
        return None
    shape = (manifest.cross_attention_layers, manifest.cross_attention_heads)
    none = np.zeros((*shape, source_tokens), np.float32), np.zeros(shape, np.bool_)
    rows = [found[id(lane)] or none for lane in owners]
    return np.stack([weights for weights, _ in rows]), np.stack([on for _, on in rows])


def _find_override(manifest: ModelManifest, lane: _Lane, source_tokens: int) -> _Override | None:
    """The override of a search's next step: [layers, heads, source] weights, [layers, heads] places; or None."""
    override = override_row(lane.task.request.overrides, lane.beam.position, manifest, source_tokens)
    ablated = lane.heads.cross
    if ablated is None:
        return override
    shape = (*ablated.shape, source_tokens)
    weights, on = override or (np.zeros(shape, np.float32), np.zeros(ablated.shape, np.bool_))
    return np.where(ablated[..., None], np.float32(0), weights), on | ablated


def _score_wanted(
    model: ExportedModel,
    encoded: EncodedSource,
    memory: Tensors,
    asked: StepInput,
    output: StepOutput,
    lanes: Sequence[tuple[_Lane, Sequence[int]]],
) -> list[dict[Wanted, float]]:
    """Log-probabilities of the tokens that the prefix or kept paths of each search demand.

    They are among the most probable ones as a rule. Where one is not, its row runs again with a token to score.
    """
    found: list[dict[Wanted, float]] = [{} for _ in lanes]
    missing: list[tuple[int, Wanted]] = []
    ids, log_probs = output.ids("top_ids"), output.floats("top_log_probs")
    for place, (lane, rows) in enumerate(lanes):
        for wanted in lane.beam.wanted:
            row, token_id = rows[wanted[0]], wanted[1]
            matches = np.flatnonzero(ids[row] == token_id)
            if len(matches):
                found[place][wanted] = float(log_probs[row, matches[0]])
            else:
                missing.append((place, wanted))
    if missing:
        only_rows = np.array([lanes[place][1][row] for place, (row, _) in missing], np.int64)
        sentences = np.array([lanes[place][0].sentence for place, _ in missing], np.int64)
        token_ids = np.array([token_id for _, (_, token_id) in missing], np.int64)
        scored = model.decoder.run(encoded.select(sentences), memory, _ask_scores(asked, only_rows, token_ids))
        for (place, wanted), value in zip(missing, scored.floats("scored_log_probs").tolist(), strict=True):
            found[place][wanted] = value
    return found


def _ask_scores(asked: StepInput, rows: Ids, wanted: Ids) -> StepInput:
    """The input of some rows of a step again, with a token to score for each."""
    override = None if asked.override is None else (asked.override[0][rows], asked.override[1][rows])
    return replace(
        asked,
        previous_ids=asked.previous_ids[rows],
        beam_index=asked.beam_index[rows],
        scored_ids=wanted,
        override=override,
        kept_heads=None if asked.kept_heads is None else asked.kept_heads[rows],
    )


def _pick(output: StepOutput, rows: Sequence[int], top_count: int) -> StepOutput:
    """The output of a step for one search."""
    arrays: dict[str, NDArray[np.generic]] = {name: output.arrays[name][rows, :top_count] for name in _ARRAYS}
    arrays |= {name: output.arrays[name][rows] for name in (STEP_NORMALIZER.name,) if name in output.arrays}
    return StepOutput(arrays, {})


def _conclude(lane: _Lane) -> Found:
    """The n-best list of a search that is over, and the other ends of its kept paths."""
    if lane.error is not None:
        return lane.error
    beam, paths = lane.beam, lane.beam.list_paths()
    return tuple(Ending(paths[one.node], beam.scores[one.node], one.normalized, one.beside) for one in beam.endings)
