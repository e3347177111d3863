"""The decisions of beam search: the fate of every continuation of every step.

The rules are those of Hugging Face ``generate``:

- A step scores every continuation of every live row and considers the best ``max(2 x beam, k)``, its *candidates*.
- In the order of their scores, candidates that end the sentence finish if they rank within the beam size, and the
  others fill the next beam.
- A hypothesis is compared by its summed log-probability over length to the power of the length penalty (Wu et al. 2016
  without the constant). Length counts every target token, the forced prefix and the end of sentence included.
- Under a forced prefix there is one row. Its only permitted continuation is the next token of the prefix, at its
  natural log-probability.
- A token that the generation settings force (the first one, or the end at the maximum length) scores 0, and so does a
  token of the prefix that they rule out.
- Candidates that the settings rule out are listed at the places that they would have had.
- Under a repetition penalty (`exported_models.search.repetition`) scores sum penalized log-probabilities. The recorded
  log-probabilities and the top k stay those of the model.

A search that runs step by step waits for these decisions between two steps, so they are kept as columns of numbers.
`exported_models.search.trace_writer` makes a trace of them when the search is over.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from exported_models.contract.arrays import Floats, Ids
from exported_models.contract.errors import RequestError
from exported_models.contract.graphs import STEP_NORMALIZER
from exported_models.contract.manifest import ModelManifest
from exported_models.contract.request import EarlyStopping
from exported_models.contract.trace import ROOT, Fate, PrunedBy, Stop
from exported_models.runtime.sessions import StepOutput
from exported_models.search.repetition import RepetitionPenalty
from exported_models.search.rules import ForbiddenIds, Said, TokenRules

Verdict: TypeAlias = Fate | PrunedBy
"""Fate of a candidate: kept, finished, or the reason for which it is pruned."""
_HOPELESS = 1e-290
"""Divisor that makes every live row worse than any finished hypothesis."""


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """The numbers of a completed request; prefix and forbidden phrases as token ids."""

    beam_size: int
    length_penalty: float
    max_length: int
    early_stopping: EarlyStopping
    top_k: int
    prefix: tuple[int, ...]
    forbidden: tuple[ForbiddenIds, ...] = ()

    @property
    def candidate_count(self) -> int:
        """Number of candidates of a step, not counting those that rules forbid."""
        return max(2 * self.beam_size, self.top_k)

    def normalize(self, score: float, length: int) -> float:
        """The score by which hypotheses are compared: ``score`` over `divisor`."""
        return score / self.divisor(length)

    def divisor(self, length: int) -> float:
        """Length to the power of the length penalty."""
        return math.pow(length, self.length_penalty)

    @property
    def hopes_for_length(self) -> bool:
        """Whether a live row is compared with finished hypotheses as if it had the maximum length."""
        return self.early_stopping == "never" and self.length_penalty > 0

    def list_divisors(self, position: int, steps: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """`divisor` of hypotheses that end at each step, and of the best row that goes on there; both [steps]."""
        own = np.power(np.arange(position + 1, position + 1 + steps, dtype=np.float64), self.length_penalty)
        if self.early_stopping == "first":
            return own, np.full(steps, _HOPELESS)
        return own, np.full(steps, self.divisor(self.max_length)) if self.hopes_for_length else own


class Proposals(NamedTuple):
    """The candidates of a step, best first, as columns.

    Attributes:
        rows: the row of the step that each continues.
        ruled_out: the rule that forbids each, or None.
    """

    rows: list[int]
    token_ids: list[int]
    log_probs: list[float]
    scores: list[float]
    ruled_out: Sequence[PrunedBy | None]


class Decision(NamedTuple):
    """One step: the output of the model, the candidates, and their fates.

    Attributes:
        live: node of each row.
        nodes: node of each candidate that is kept or finished, None for the others.
    """

    live: list[int]
    output: StepOutput
    proposals: Proposals
    verdicts: list[Verdict]
    nodes: list[int | None]
    forced_id: int | None
    overridden: bool


@dataclass(slots=True)
class Beam:
    """A search under way: the tree so far as columns by node, the live rows and the finished hypotheses."""

    manifest: ModelManifest
    vocabulary: int
    settings: SearchSettings
    rules: TokenRules
    penalty: RepetitionPenalty
    decisions: list[Decision] = field(default_factory=list)
    parents: list[int] = field(default_factory=lambda: [-1])
    token_ids: list[int] = field(init=False)
    scores: list[float] = field(default_factory=lambda: [0.0])
    live: list[int] = field(default_factory=lambda: [ROOT])
    finished: list[tuple[float, int]] = field(default_factory=list)
    """(normalized score, node), best first."""
    said: list[Said] = field(init=False)
    """Prefix of each live row; empty where there are neither rules nor a repetition penalty."""

    def __post_init__(self) -> None:
        self.token_ids = [self.manifest.start_id]
        self.said = [self.rules.begin()] if self.rules.active or self.penalty.active else []

    @property
    def position(self) -> int:
        """Number of the next step."""
        return len(self.decisions)

    @property
    def forced_id(self) -> int | None:
        """The next token of the forced prefix, or None after it."""
        prefix = self.settings.prefix
        return prefix[self.position] if self.position < len(prefix) else None

    @property
    def free_steps(self) -> int:
        """Number of steps ahead that scores alone decide: 0 under a prefix, rules or a repetition penalty."""
        generation = self.manifest.generation
        if self.forced_id is not None or self.rules.active or self.penalty.active:
            return 0
        forces_first = not self.decisions and generation.forced_first_id is not None
        return 1 if forces_first else self.settings.max_length - self.position

    @property
    def top_count(self) -> int:
        """Number of most probable tokens of a row that the next step needs: candidates, and those that may give way."""
        return self._count_top(self.said)

    def list_prefix_top_counts(self) -> list[int]:
        """`top_count` at each step of the forced prefix, and at the step after it."""
        if not self.said:
            return [self._count_top(())] * (len(self.settings.prefix) + 1)
        said = list(itertools.accumulate(self.settings.prefix, self.rules.extend, initial=self.rules.begin()))
        return [self._count_top([one]) for one in said]

    def list_paths(self) -> list[tuple[int, ...]]:
        """Token ids of every node's prefix, the start left out."""
        found: list[tuple[int, ...]] = [()]
        for parent, token_id in zip(self.parents[1:], self.token_ids[1:], strict=True):
            found.append((*found[parent], token_id))
        return found

    def settle(self, output: StepOutput, *, overridden: bool) -> list[int]:
        """Decide the fate of every candidate; return, for each row of the next step, the row that it continues."""
        live, forced_id = self.live, self.forced_id
        proposals = self._propose(output, forced_id)
        last = self.position + 1 == self.settings.max_length
        before, self.live = self.said, []
        verdicts, nodes, continued, place = list[Verdict](), list[int | None](), list[int](), 0
        for row, token_id, _, score, ruled_out in zip(*proposals, strict=True):
            verdict, node = ruled_out or self._judge(token_id, score, place, forced_id, last), None
            if isinstance(verdict, Fate):
                node = self._add_node(live[row], token_id, score)
                if verdict is Fate.KEPT:
                    self.live.append(node)
                    continued.append(row)
                else:
                    self._finish(score, node)
            verdicts.append(verdict)
            nodes.append(node)
            place += ruled_out is None
        if before:
            kept = zip(continued, self.live, strict=True)
            self.said = [self.rules.extend(before[row], self.token_ids[node]) for row, node in kept]
        self.decisions.append(Decision(live, output, proposals, verdicts, nodes, forced_id, overridden))
        return continued

    def stop(self) -> Stop | None:
        """The reason for which the search is over, or None."""
        if len(self.decisions) >= self.settings.max_length:
            return Stop.MAX_LENGTH
        if not self.live:
            return Stop.FINISHED
        if len(self.finished) < self.settings.beam_size:
            return None
        if self.settings.early_stopping == "first" or not self._may_improve():
            return Stop.FINISHED
        return None

    def _propose(self, output: StepOutput, forced_id: int | None) -> Proposals:
        """The candidates over all rows, best first; a forced token is among them however improbable it is."""
        only = self._only_token(forced_id)
        if only is not None:
            rows, before = len(self.live), [self.scores[node] for node in self.live]
            return Proposals(list(range(rows)), [only] * rows, [0.0] * rows, before, [None] * rows)
        if forced_id is not None:
            return self._propose_forced(output, forced_id)
        ruled_out = [self.rules.find(said) for said in self.said] if self.rules.active else []
        return self._propose_best(output, ruled_out)

    def _propose_best(self, output: StepOutput, ruled_out: Sequence[Mapping[int, PrunedBy]]) -> Proposals:
        """The best continuations that no rule forbids, with forbidden ones at the places that they would have had.

        Args:
            ruled_out: forbidden token -> rule, for each row; empty where there are no rules.
        """
        log_probs, ids = output.floats("top_log_probs"), output.ids("top_ids")
        width, count = ids.shape[1], self.settings.candidate_count
        counted = self._weigh(output, log_probs, ids).tolist()
        scores = [self.scores[node] + value for node, row in zip(self.live, counted, strict=True) for value in row]
        tokens, own = ids.ravel().tolist(), log_probs.ravel().tolist()
        # Lists are quicker here than NumPy: they are short, made of sorted rows, and a model runs in between.
        order = sorted(range(len(scores)), key=scores.__getitem__, reverse=True)
        reasons: list[PrunedBy | None] = [None] * len(order)
        if any(ruled_out):
            found = [ruled_out[place // width].get(tokens[place]) for place in order]
            if PrunedBy.FORBIDDEN in found and all(found):
                raise RequestError(
                    f"The forbidden words leave nothing to write at step {self.position + 1}; allow one of them.",
                    field="forbidden",
                )
            if not all(found):  # where the model's settings forbid all, as in a tiny vocabulary, they forbid none
                reasons = found
                count = _count_with(found, count)
        order = order[:count]
        return Proposals(
            rows=[place // width for place in order],
            token_ids=[tokens[place] for place in order],
            log_probs=[own[place] for place in order],
            scores=[scores[place] for place in order],
            ruled_out=reasons[:count],
        )

    def _propose_forced(self, output: StepOutput, forced_id: int) -> Proposals:
        """The candidates of the only row, the forced token among them; rules do not apply."""
        never = forced_id in self.manifest.generation.suppressed_ids
        free = never or any(forced_id in self.rules.find_of_model(said) for said in self.said)
        log_prob = np.zeros((1, 1), np.float32) if free else output.floats("scored_log_probs")[:, None]
        counted = log_prob if free else self._weigh(output, log_prob, np.array([[forced_id]], np.int64))
        wanted = (0, forced_id, float(log_prob[0, 0]), self.scores[self.live[0]] + float(counted[0, 0]), None)
        found = [entry for entry in zip(*self._propose_best(output, []), strict=True) if entry[1] != forced_id]
        ranked = sorted([*found, wanted], key=lambda entry: -entry[3])
        return Proposals(*(list(column) for column in zip(*ranked, strict=True)))

    def _weigh(self, output: StepOutput, log_probs: Floats, ids: Ids) -> Floats:
        """[rows, tokens] log-probabilities of the live rows under the repetition penalty."""
        if not self.penalty.active:
            return log_probs
        return self.penalty.weigh(
            log_probs, ids, [said.path for said in self.said], output.floats(STEP_NORMALIZER.name)
        )

    def _count_top(self, said: Sequence[Said]) -> int:
        """`top_count` of rows with these prefixes."""
        ruled_out = max((len(self.rules.find(one)) for one in said), default=0)
        moved = max((self.penalty.count_moved(one.path, self.vocabulary) for one in said), default=0)
        return min(self.settings.candidate_count + ruled_out + moved, self.vocabulary)

    def _only_token(self, forced_id: int | None) -> int | None:
        """The token that the generation settings force here, or None; a request's prefix precedes a forced end."""
        generation = self.manifest.generation
        if not self.decisions and generation.forced_first_id is not None:
            return generation.forced_first_id
        last = self.position + 1 == self.settings.max_length
        return self.manifest.end_id if last and generation.forces_end and forced_id is None else None

    def _judge(self, token_id: int, score: float, place: int, forced_id: int | None, last: bool) -> Verdict:
        """Fate of a candidate that no rule forbids and that ``place`` better ones precede."""
        if forced_id is not None and token_id != forced_id:
            return PrunedBy.PREFIX
        ends = token_id == self.manifest.end_id
        if ends or last:
            if place >= self.settings.beam_size and forced_id is None:
                return PrunedBy.END_RANK if ends else PrunedBy.BEAM
            return Fate.FINISHED if self._enters_n_best(score) else PrunedBy.FINISHED
        return Fate.KEPT if len(self.live) < self.settings.beam_size else PrunedBy.BEAM

    def _add_node(self, parent: int, token_id: int, score: float) -> int:
        self.parents.append(parent)
        self.token_ids.append(token_id)
        self.scores.append(score)
        return len(self.parents) - 1

    def _enters_n_best(self, score: float) -> bool:
        full = len(self.finished) >= self.settings.beam_size
        return not full or self.settings.normalize(score, self.position + 1) > self.finished[-1][0]

    def _finish(self, score: float, node: int) -> None:
        self.finished.append((self.settings.normalize(score, self.position + 1), node))
        self.finished.sort(key=lambda entry: -entry[0])
        del self.finished[self.settings.beam_size :]

    def _may_improve(self) -> bool:
        """Whether the best live row can still beat the worst finished hypothesis, by Hugging Face's estimate."""
        length = self.settings.max_length if self.settings.hopes_for_length else self.position
        return self.settings.normalize(self.scores[self.live[0]], length) > self.finished[-1][0]


def _count_with(reasons: Sequence[PrunedBy | None], count: int) -> int:
    """Number of entries up to the ``count``-th without a reason, or of all where there are fewer."""
    places = [place for place, reason in enumerate(reasons) if reason is None]
    return places[count - 1] + 1 if len(places) >= count else len(reasons)
