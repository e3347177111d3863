"""Recorded beam search of one source.

`exported_models.search.beam` decides the fate of candidates, and `exported_models.search.trace_writer` makes the trace.
This module runs the model, from the first step that no other search of the source has computed. Steps without
interventions run in one call, which follows the scores. Where the decisions differ from it, the search goes on from
there. Steps with kept paths run one by one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from exported_models.contract.arrays import Floats, Mask
from exported_models.contract.graphs import STEP_NORMALIZER
from exported_models.contract.request import CompletedRequest, HeadAblation
from exported_models.contract.source import Source
from exported_models.contract.trace import Trace
from exported_models.runtime.beam_search_session import BeamSearchSession, SearchInput
from exported_models.runtime.graph_session import Tensors
from exported_models.runtime.model import ExportedModel
from exported_models.runtime.sessions import EncodedSource, StepInput, StepOutput
from exported_models.search.ablation import mask_heads
from exported_models.search.beam import Beam, Scored, Wanted
from exported_models.search.decoder_memory import RestoredMemory, SearchMemory
from exported_models.search.overrides import override_rows
from exported_models.search.recording import Recording, SearchRecorder
from exported_models.search.scoring import encode_batch
from exported_models.search.settings import SearchSettings
from exported_models.search.trace_writer import make_trace


def search(
    model: ExportedModel, request: CompletedRequest, settings: SearchSettings, source: Source, recording: Recording
) -> Trace:
    """Decode one source.

    Args:
        request: stands in the trace, and gives the overrides; the numbers are read from ``settings``.
        recording: result of `record_source` for this source; its known steps are not computed again.
    """
    beam = Beam.begin(model, settings, source.ids)
    recorder = recording.begin()
    memory, continued = _replay(beam, recorder, request)
    known = beam.position
    while beam.stop() is None:
        steps = _count_free_steps(beam, request)
        if steps and model.beam_search is not None:
            memory, continued = _run_steps(model.beam_search, beam, recording.encoded, memory, continued, steps)
        else:
            memory, continued = _run_step(model, beam, recording.encoded, memory, continued, request)
    paths = beam.list_paths()
    for decision in beam.decisions[known:]:
        recorder.keep([paths[node] for node in decision.live], request.overrides, decision.output)
    recorder.finish()
    return make_trace(model, beam, request, source, recording.encoded)


def _replay(beam: Beam, recorder: SearchRecorder, request: CompletedRequest) -> tuple[Tensors, Sequence[int]]:
    """Settle the known steps; return the memory after them, and the row of it that each live row continues."""
    memory, continued = recorder.encoded.memory, [0]
    top_counts = beam.list_prefix_top_counts()
    needed = [STEP_NORMALIZER.name] if beam.penalty.needs_normalizers else []
    for step in recorder.replay(beam.settings.prefix, request.overrides, top_counts, needed):
        if beam.stop() is not None or (beam.kept and beam.forced_id is None):
            break
        overridden = any(override.step == beam.position for override in request.overrides)
        settled = beam.settle(step.output, overridden=overridden, scored=_read_scores(step.output, beam.wanted))
        memory, continued = step.output.memory, [step.row] * len(settled)
    return memory, continued


def _count_free_steps(beam: Beam, request: CompletedRequest) -> int:
    """Number of steps ahead without interventions that scores alone decide."""
    if any(ablation.kind != "encoder" for ablation in request.ablations):
        return 0
    overridden = [override.step - beam.position for override in request.overrides if override.step >= beam.position]
    return min([beam.free_steps, *overridden])


def _run_step(
    model: ExportedModel,
    beam: Beam,
    encoded: EncodedSource,
    memory: Tensors,
    continued: Sequence[int],
    request: CompletedRequest,
) -> tuple[Tensors, Sequence[int]]:
    """Run and settle one step; return the same as `_replay`.

    A step scores one demanded token a row. A row of which kept paths demand several runs once for each.
    """
    live, wanted = len(beam.live), beam.wanted
    first = dict(reversed(wanted))
    further = [pair for pair in wanted if first[pair[0]] != pair[1]]
    rows = [*range(live), *(row for row, _ in further)]
    override = override_rows(request.overrides, beam.position, len(rows), model.manifest, encoded.mask.shape[1])
    scored = [*((row, first.get(row, beam.manifest.end_id)) for row in range(live)), *further] if wanted else []
    output = model.decoder.run(encoded, memory, _step_input(beam, continued, rows, scored, override))
    own = StepOutput({name: array[:live] for name, array in output.arrays.items()}, output.memory)
    return output.memory, beam.settle(own, overridden=override is not None, scored=_read_scores(output, scored))


def _read_scores(output: StepOutput, scored: Sequence[Wanted]) -> Scored:
    """Log-probability of the token that each row of a step scored; empty where no row did."""
    return dict(zip(scored, output.floats("scored_log_probs").tolist(), strict=True)) if scored else {}


def _run_steps(
    session: BeamSearchSession,
    beam: Beam,
    encoded: EncodedSource,
    memory: Tensors,
    continued: Sequence[int],
    steps: int,
) -> tuple[Tensors, Sequence[int]]:
    """Run ``steps`` steps in one call and settle those that the decisions follow; return the same as `_replay`."""
    found = session.run(encoded, memory, _search_input(beam, continued, steps))
    ways = [continued, *found.rows]
    # A dict, since a restored memory would keep its whole search.
    handed_on = SearchMemory(dict(memory), found.memory, ways[:-1])
    for step, (rows, token_ids) in enumerate(zip(found.rows, found.token_ids, strict=True)):
        live = len(beam.live)
        arrays = {name: array[step, :live] for name, array in found.arrays.items()}
        memory = RestoredMemory(handed_on, step)
        continued = beam.settle(StepOutput(arrays, memory), overridden=False)
        chosen = [beam.token_ids[node] for node in beam.live]
        count = len(continued)
        if beam.stop() is not None or rows[:count] != continued or token_ids[:count] != chosen:
            break
    return memory, continued


def _search_input(beam: Beam, continued: Sequence[int], steps: int) -> SearchInput:
    divisors, hope_divisors = beam.settings.list_divisors(beam.position, steps)
    return SearchInput(
        previous_ids=[beam.token_ids[node] for node in beam.live],
        continued=continued,
        scores=[beam.scores[node] for node in beam.live],
        finished=[score for score, _ in beam.finished],
        beam_size=beam.settings.beam_size,
        position=beam.position,
        top_count=beam.top_count,
        end_id=beam.manifest.end_id,
        steps=steps,
        divisors=divisors,
        hope_divisors=hope_divisors,
    )


def record_source(model: ExportedModel, source: Source, ablations: Sequence[HeadAblation] = ()) -> Recording:
    """Encode a source; searches of it with these heads ablated share the result."""
    return Recording(encode_batch(model, [source.rows], mask_heads(ablations, model.manifest)))


def _step_input(
    beam: Beam,
    continued: Sequence[int],
    rows: Sequence[int],
    scored: Sequence[Wanted],
    override: tuple[Floats, Mask] | None,
) -> StepInput:
    """The input of a step for some live rows, and the token that each is to score, if any."""
    return StepInput(
        previous_ids=np.array([beam.token_ids[beam.live[row]] for row in rows], np.int64),
        beam_index=np.array([continued[row] for row in rows], np.int64),
        position=beam.position,
        scored_ids=np.array([token_id for _, token_id in scored], np.int64) if scored else None,
        top_count=beam.top_count,
        override=override,
        normalizers=beam.penalty.needs_normalizers,
    )
