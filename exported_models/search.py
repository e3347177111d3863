"""Recorded beam search: the search of Hugging Face ``generate``, with everything it considered kept.

A step scores every continuation of every live row and looks at the best ``max(2 x beam, k)``, its *candidates*. In
order: those that end the sentence finish if they rank within the beam size, the others fill the next beam. A hypothesis
is compared by its summed log-probability over length to the power of the length penalty (Wu et al. 2016 without the
constant); length counts every generated token, the forced prefix and the end of sentence included. While a prefix is
forced there is one row, whose only permitted continuation is the prefix's next token, at its natural log-probability.
A token that the model's generation settings force (a first token, the end at the maximum length) scores 0 instead, and
so does a prefix's token that they rule out. What else they rule out is listed where it would have been a candidate.
Under a repetition penalty (`exported_models.repetition`) scores sum what it leaves of log-probabilities; those that are
recorded, and the top k, stay the model's own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from exported_models.ablation import mask_heads
from exported_models.graph_session import Tensors
from exported_models.graphs import STEP_NORMALIZER
from exported_models.interventions import override_rows
from exported_models.model import ExportedModel
from exported_models.recording import Recording, SearchRecorder
from exported_models.repetition import RepetitionPenalty
from exported_models.request import EarlyStopping, HeadAblation, Request
from exported_models.rules import TokenRules
from exported_models.sessions import EncodedSource, Mask, StepInput, StepOutput
from exported_models.tokenizer import Encoding
from exported_models.trace import (
    ROOT,
    Candidate,
    Fate,
    Floats,
    Hypothesis,
    Ids,
    Node,
    PrunedBy,
    Step,
    Stop,
    Trace,
)


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """A request's numbers with every default filled in; ``prefix`` as token ids."""

    beam_size: int
    length_penalty: float
    max_length: int
    early_stopping: EarlyStopping
    top_k: int
    prefix: tuple[int, ...]

    def normalize(self, score: float, length: int) -> float:
        """A summed log-probability as hypotheses are compared by it."""
        return score / math.pow(length, self.length_penalty)


class _Proposal(NamedTuple):
    """One continuation of a step's row; ``ruled_out`` says by which of the model's rules, or None."""

    row: int
    token_id: int
    log_prob: float
    score: float
    ruled_out: PrunedBy | None = None


@dataclass(slots=True)
class _Search:
    """One search under way: the tree so far, the live rows and the finished hypotheses (best first)."""

    model: ExportedModel
    settings: SearchSettings
    rules: TokenRules
    penalty: RepetitionPenalty
    nodes: list[Node] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    live: list[int] = field(default_factory=lambda: [ROOT])
    finished: list[tuple[float, int]] = field(default_factory=list)
    """(normalized score, node), best first."""
    paths: list[tuple[int, ...]] = field(default_factory=lambda: [()])
    """The tokens of each node, the start left out."""

    def __post_init__(self) -> None:
        start = self.model.manifest.start_id
        self.nodes.append(Node(ROOT, -1, 0, start, self.model.target_tokenizer.tokens[start], 0.0, 0.0, finished=False))

    @property
    def position(self) -> int:
        """The step that comes next."""
        return len(self.steps)

    @property
    def forced_id(self) -> int | None:
        """The token that the prefix demands next, or None."""
        prefix = self.settings.prefix
        return prefix[self.position] if self.position < len(prefix) else None

    @property
    def top_count(self) -> int:
        """How many tokens of a row the next step looks at: the candidates, and all that may fall behind them."""
        return self.count_top([self.paths[node] for node in self.live])

    def count_top(self, paths: Sequence[tuple[int, ...]]) -> int:
        """How many tokens of rows with these prefixes a step looks at."""
        vocabulary = len(self.model.target_tokenizer.tokens)
        ruled_out = max(len(self.rules.find(path)) for path in paths) if self.rules.active else 0
        moved = max(self.penalty.count_moved(path, vocabulary) for path in paths)
        return min(_candidate_count(self.settings) + ruled_out + moved, vocabulary)

    def settle(self, output: StepOutput, *, overridden: bool) -> list[int]:
        """Record a step, decide every candidate's fate and return, for each row that goes on, the row it continues."""
        rows, forced_id = tuple(self.live), self.forced_id
        proposals = self._propose(output, forced_id)
        last = self.position + 1 == self.settings.max_length
        self.live = []
        # How many better ones the rules leave.
        places = accumulate((proposal.ruled_out is None for proposal in proposals), initial=0)
        candidates = tuple(
            self._decide(rows[proposal.row], proposal, rank, place, forced_id, last)
            for rank, (proposal, place) in enumerate(zip(proposals, places, strict=False))
        )
        top_k = self.settings.top_k
        self.steps.append(
            Step(
                nodes=rows,
                top_ids=output.ids("top_ids")[:, :top_k],
                top_log_probs=output.floats("top_log_probs")[:, :top_k],
                candidates=candidates,
                forced_id=forced_id,
                attention=output.floats("cross_attention") if "cross_attention" in output.arrays else None,
                states=_target_states(self.model, output),
                overridden=overridden,
            )
        )
        row_of = {node: row for row, node in enumerate(rows)}
        return [row_of[self.nodes[node].parent] for node in self.live]

    def _propose(self, output: StepOutput, forced_id: int | None) -> list[_Proposal]:
        """The best candidates over all rows, best first; a forced token is among them however improbable it is."""
        before = np.array([self.nodes[node].score for node in self.live], np.float32)
        only = self._only_token(forced_id)
        if only is not None:
            return [_Proposal(row, only, 0.0, score) for row, score in enumerate(before.tolist())]
        if forced_id is not None:
            return self._propose_forced(output, forced_id, before)
        ruled_out = [self.rules.find(self.paths[node]) for node in self.live] if self.rules.active else []
        return self._propose_best(output, before, ruled_out)

    def _propose_best(
        self, output: StepOutput, before: Floats, ruled_out: Sequence[Mapping[int, PrunedBy]]
    ) -> list[_Proposal]:
        """The best of what the rules leave; what they leave out stands where it would have been.

        Args:
            ruled_out: the tokens that may not follow each row, and why; empty where there are no rules.
        """
        log_probs, ids = output.floats("top_log_probs"), output.ids("top_ids")
        width, count = ids.shape[1], _candidate_count(self.settings)
        scores = (self._weigh(output, log_probs, ids) + before[:, None]).ravel()
        order = np.argsort(-scores, kind="stable")
        reasons: list[PrunedBy | None] = [None] * len(order)
        if any(ruled_out):
            found = [ruled_out[place // width].get(int(ids.flat[place])) for place in order]
            if not all(found):  # a tiny vocabulary may have nothing else
                reasons = found
                count = int(np.searchsorted(np.cumsum([reason is None for reason in found]), count)) + 1
        order = order[:count]
        columns = (order // width, ids.ravel()[order], log_probs.ravel()[order], scores[order])
        return [_Proposal(*values) for values in zip(*(column.tolist() for column in columns), reasons, strict=False)]

    def _propose_forced(self, output: StepOutput, forced_id: int, before: Floats) -> list[_Proposal]:
        """The best candidates of the only row, none ruled out, and the forced token among them."""
        never = forced_id in self.model.manifest.generation.suppressed_ids
        free = never or forced_id in self.rules.find(self.paths[self.live[0]])
        log_prob = np.zeros((1, 1), np.float32) if free else output.floats("forced_log_probs")[:, None]
        counted = log_prob if free else self._weigh(output, log_prob, np.array([[forced_id]], np.int64))
        wanted = _Proposal(0, forced_id, float(log_prob[0, 0]), float(counted[0, 0] + before[0]))
        others = [found for found in self._propose_best(output, before, []) if found.token_id != forced_id]
        return sorted([*others, wanted], key=lambda proposal: -proposal.score)

    def _weigh(self, output: StepOutput, log_probs: Floats, ids: Ids) -> Floats:
        """What tokens of the live rows count for under the repetition penalty: all [rows, tokens]."""
        if not self.penalty.active:
            return log_probs
        paths = [self.paths[node] for node in self.live]
        return self.penalty.weigh(log_probs, ids, paths, output.floats(STEP_NORMALIZER.name))

    def _only_token(self, forced_id: int | None) -> int | None:
        """The token that the generation settings leave here, or None; a request's prefix goes before the end."""
        generation = self.model.manifest.generation
        if not self.steps and generation.forced_first_id is not None:
            return generation.forced_first_id
        last = self.position + 1 == self.settings.max_length
        return self.model.manifest.end_id if last and generation.forces_end and forced_id is None else None

    def _decide(
        self, parent: int, proposal: _Proposal, rank: int, place: int, forced_id: int | None, last: bool
    ) -> Candidate:
        _, token_id, log_prob, score, ruled_out = proposal
        normalized = self.settings.normalize(score, len(self.steps) + 1)
        verdict = ruled_out or self._judge(token_id, place, normalized, forced_id, last)
        token = self.model.target_tokenizer.tokens[token_id]
        if isinstance(verdict, PrunedBy):
            return Candidate(parent, token_id, token, log_prob, score, normalized, rank, Fate.PRUNED, verdict)
        ends = token_id == self.model.manifest.end_id
        node = self._add_node(parent, token_id, log_prob, score, finished=ends)
        if verdict is Fate.FINISHED:
            self._finish(normalized, node)
        else:
            self.live.append(node)
        return Candidate(parent, token_id, token, log_prob, score, normalized, rank, verdict, None, node)

    def _judge(
        self, token_id: int, place: int, normalized: float, forced_id: int | None, last: bool
    ) -> Fate | PrunedBy:
        if forced_id is not None and token_id != forced_id:
            return PrunedBy.PREFIX
        ends = token_id == self.model.manifest.end_id
        if ends or last:
            if place >= self.settings.beam_size and forced_id is None:
                return PrunedBy.END_RANK if ends else PrunedBy.BEAM
            return Fate.FINISHED if self._enters_n_best(normalized) else PrunedBy.FINISHED
        return Fate.KEPT if len(self.live) < self.settings.beam_size else PrunedBy.BEAM

    def _add_node(self, parent: int, token_id: int, log_prob: float, score: float, *, finished: bool) -> int:
        index = len(self.nodes)
        token = self.model.target_tokenizer.tokens[token_id]
        length = self.nodes[parent].length + 1
        self.nodes.append(Node(index, parent, length, token_id, token, log_prob, score, finished))
        self.paths.append((*self.paths[parent], token_id))
        return index

    def _enters_n_best(self, normalized: float) -> bool:
        return len(self.finished) < self.settings.beam_size or normalized > self.finished[-1][0]

    def _finish(self, normalized: float, node: int) -> None:
        self.finished.append((normalized, node))
        self.finished.sort(key=lambda entry: -entry[0])
        del self.finished[self.settings.beam_size :]

    def stop(self) -> Stop | None:
        """Why the search is over, or None."""
        if len(self.steps) >= self.settings.max_length:
            return Stop.MAX_LENGTH
        if not self.live:
            return Stop.FINISHED
        if len(self.finished) < self.settings.beam_size:
            return None
        if self.settings.early_stopping == "first" or not self._may_improve():
            return Stop.FINISHED
        return None

    def _may_improve(self) -> bool:
        """Whether the best live row can still beat the worst finished hypothesis (Hugging Face's estimate)."""
        patient = self.settings.early_stopping == "never" and self.settings.length_penalty > 0
        length = self.settings.max_length if patient else len(self.steps)
        best = self.settings.normalize(self.nodes[self.live[0]].score, length)
        return best > self.finished[-1][0]


def search(
    model: ExportedModel, request: Request, settings: SearchSettings, source: Encoding, recording: Recording
) -> Trace:
    """Decode one source text and record all of it.

    Args:
        request: kept in the trace as the question that was answered; its overrides are applied, and its numbers are
            read from ``settings``.
        recording: of `record_source` for this source; what it knows already is not computed again.
    """
    rules = TokenRules.of(model.manifest, source.ids)
    penalty = RepetitionPenalty.of(model.manifest.generation, model.manifest.start_id, settings.beam_size)
    found, recorder = _Search(model, settings, rules, penalty), recording.begin()
    memory, continued = _replay(found, recorder, request)
    while found.stop() is None:
        override = override_rows(request.overrides, found.position, len(found.live), model.manifest, len(source))
        output = model.decoder.run(recording.encoded, memory, _step_input(found, continued, override))
        recorder.keep([found.paths[node] for node in found.live], request.overrides, output)
        memory, continued = output.memory, found.settle(output, overridden=override is not None)
    recorder.finish()
    return _make_trace(found, request, source, recording.encoded)


def _replay(found: _Search, recorder: SearchRecorder, request: Request) -> tuple[Tensors, list[int]]:
    """Settle the steps that are known; return the memory they leave, and its row for each live one."""
    memory, continued = recorder.encoded.memory, [0]
    prefix = found.settings.prefix
    top_counts = [found.count_top([prefix[:position]]) for position in range(len(prefix) + 1)]
    for step in recorder.replay(prefix, request.overrides, top_counts):
        if found.stop() is not None:
            break
        overridden = any(override.step == found.position for override in request.overrides)
        memory, continued = step.output.memory, [step.row] * len(found.settle(step.output, overridden=overridden))
    return memory, continued


def record_source(model: ExportedModel, source: Encoding, ablations: Sequence[HeadAblation] = ()) -> Recording:
    """Encode a source text, for searches of it with these heads ablated to share."""
    ids = np.array([source.ids], np.int64)
    heads = mask_heads(ablations, model.manifest)
    return Recording(model.encoder.run(ids, np.ones(ids.shape, np.bool_), heads))


def _step_input(found: _Search, continued: Sequence[int], override: tuple[Floats, Mask] | None) -> StepInput:
    return StepInput(
        previous_ids=np.array([found.nodes[node].token_id for node in found.live], np.int64),
        beam_index=np.array(continued, np.int64),
        position=found.position,
        forced_ids=None if found.forced_id is None else np.full(len(found.live), found.forced_id, np.int64),
        top_count=found.top_count,
        override=override,
    )


def _candidate_count(settings: SearchSettings) -> int:
    return max(2 * settings.beam_size, settings.top_k)


def _target_states(model: ExportedModel, output: StepOutput) -> dict[str, Floats]:
    return {space.name: output.floats(space.output) for space in model.manifest.spaces if space.owner == "target"}


def _make_trace(found: _Search, request: Request, source: Encoding, encoded: EncodedSource) -> Trace:
    model, stop = found.model, found.stop()
    assert stop is not None
    hypotheses = tuple(_hypothesis(found, node, normalized) for normalized, node in found.finished)
    tokens = model.target_tokenizer.tokens
    mentioned = {token_id for step in found.steps for token_id in step.top_ids.ravel().tolist()}
    mentioned |= {candidate.token_id for step in found.steps for candidate in step.candidates}
    return Trace(
        request=request,
        model_hash=model.content_hash,
        source=source,
        source_states={space.name: encoded.states[0] for space in model.manifest.spaces if space.owner == "source"},
        nodes=tuple(found.nodes),
        steps=tuple(found.steps),
        hypotheses=hypotheses,
        stop=stop,
        vocabulary={token_id: tokens[token_id] for token_id in sorted(mentioned)},
    )


def _hypothesis(found: _Search, node: int, normalized: float) -> Hypothesis:
    path: list[Node] = []
    entry = found.nodes[node]
    while entry.index != ROOT:
        path.append(entry)
        entry = found.nodes[entry.parent]
    path.reverse()
    ids = tuple(step.token_id for step in path)
    return Hypothesis(
        nodes=tuple(step.index for step in path),
        token_ids=ids,
        tokens=tuple(step.token for step in path),
        log_probs=tuple(step.log_prob for step in path),
        text=found.model.target_tokenizer.decode(ids),
        score=path[-1].score,
        normalized=normalized,
        finished=path[-1].finished,
    )
