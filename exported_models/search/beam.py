"""Beam search as decisions: what becomes of every continuation of every step.

The rules are those of Hugging Face ``generate``. A step scores every continuation of every live row and looks at the
best ``max(2 x beam, k)``, its *candidates*. In order: those that end the sentence finish if they rank within the beam
size, the others fill the next beam. A hypothesis is compared by its summed log-probability over length to the power of
the length penalty (Wu et al. 2016 without the constant); length counts every generated token, the forced prefix and the
end of sentence included. While a prefix is forced there is one row, whose only permitted continuation is the prefix's
next token, at its natural log-probability. A token that the model's generation settings force (a first token, the end
at the maximum length) scores 0 instead, and so does a prefix's token that they rule out. What else they rule out is
listed where it would have been a candidate. Under a repetition penalty (`exported_models.search.repetition`) scores
sum what it leaves of log-probabilities; those that are recorded, and the top k, stay the model's own.

A search that goes step by step waits for this between two of them, so it keeps columns of numbers;
`exported_models.search.tracing` makes a trace of them when the search is over.
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
from exported_models.contract.graphs import STEP_NORMALIZER
from exported_models.contract.manifest import ModelManifest
from exported_models.contract.request import EarlyStopping
from exported_models.contract.trace import ROOT, Fate, PrunedBy, Stop
from exported_models.runtime.sessions import StepOutput
from exported_models.search.repetition import RepetitionPenalty
from exported_models.search.rules import Said, TokenRules

Verdict: TypeAlias = Fate | PrunedBy
"""What becomes of a candidate: kept, finished, or what it is pruned by."""
_HOPELESS = 1e-290
"""A divisor that leaves no row better than any finished hypothesis."""


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """A request's numbers with every default filled in; ``prefix`` as token ids."""

    beam_size: int
    length_penalty: float
    max_length: int
    early_stopping: EarlyStopping
    top_k: int
    prefix: tuple[int, ...]

    @property
    def candidate_count(self) -> int:
        """How many continuations a step looks at, those left out that are ruled out."""
        return max(2 * self.beam_size, self.top_k)

    def normalize(self, score: float, length: int) -> float:
        """A summed log-probability as hypotheses are compared by it."""
        return score / self.divisor(length)

    def divisor(self, length: int) -> float:
        """What scores of hypotheses with so many tokens are divided by."""
        return math.pow(length, self.length_penalty)

    @property
    def hopes_for_length(self) -> bool:
        """Whether a live row is compared with finished hypotheses as if it were of the greatest length."""
        return self.early_stopping == "never" and self.length_penalty > 0

    def list_divisors(self, position: int, steps: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """`divisor` of hypotheses that end at each of these steps, and of the best row that goes on from it."""
        own = np.power(np.arange(position + 1, position + 1 + steps, dtype=np.float64), self.length_penalty)
        if self.early_stopping == "first":
            return own, np.full(steps, _HOPELESS)
        return own, np.full(steps, self.divisor(self.max_length)) if self.hopes_for_length else own


class Proposals(NamedTuple):
    """The continuations that a step looks at, best first, column by column.

    ``rows`` are those of the step; ``ruled_out`` says by which of the model's rules, or None.
    """

    rows: list[int]
    token_ids: list[int]
    log_probs: list[float]
    scores: list[float]
    ruled_out: Sequence[PrunedBy | None]


class Decision(NamedTuple):
    """One step: its rows' nodes, what the model answered, what was proposed, and what became of each proposal.

    ``nodes`` has the node of each proposal that is kept or finished, and None for the others.
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
    """One search under way: the tree so far as columns by node, the live rows and the finished hypotheses."""

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
    """The prefix of each live row; empty where neither rules nor a repetition penalty ask for it."""

    def __post_init__(self) -> None:
        self.token_ids = [self.manifest.start_id]
        self.said = [self.rules.begin()] if self.rules.active or self.penalty.active else []

    @property
    def position(self) -> int:
        """The step that comes next."""
        return len(self.decisions)

    @property
    def forced_id(self) -> int | None:
        """The token that the prefix demands next, or None."""
        prefix = self.settings.prefix
        return prefix[self.position] if self.position < len(prefix) else None

    @property
    def free_steps(self) -> int:
        """How many steps from here on go where scores lead; none under a prefix, rules or a repetition penalty."""
        generation = self.manifest.generation
        if self.forced_id is not None or not generation.goes_by_probability:
            return 0
        forces_first = not self.decisions and generation.forced_first_id is not None
        return 1 if forces_first else self.settings.max_length - self.position

    @property
    def top_count(self) -> int:
        """How many tokens of a row the next step looks at: the candidates, and all that may fall behind them."""
        return self._count_top(self.said)

    def list_prefix_top_counts(self) -> list[int]:
        """`top_count` of the only row at each step of the forced prefix, and of the step after it."""
        if not self.said:
            return [self._count_top(())] * (len(self.settings.prefix) + 1)
        said = list(itertools.accumulate(self.settings.prefix, self.rules.extend, initial=self.rules.begin()))
        return [self._count_top([one]) for one in said]

    def list_paths(self) -> list[tuple[int, ...]]:
        """The tokens of every node's prefix, the start left out."""
        found: list[tuple[int, ...]] = [()]
        for parent, token_id in zip(self.parents[1:], self.token_ids[1:], strict=True):
            found.append((*found[parent], token_id))
        return found

    def settle(self, output: StepOutput, *, overridden: bool) -> list[int]:
        """Decide every candidate's fate; return, for each row that goes on, the row it continues."""
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
        """Why the search is over, or None."""
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
        """The best candidates over all rows, best first; a forced token is among them however improbable it is."""
        only = self._only_token(forced_id)
        if only is not None:
            rows, before = len(self.live), [self.scores[node] for node in self.live]
            return Proposals(list(range(rows)), [only] * rows, [0.0] * rows, before, [None] * rows)
        if forced_id is not None:
            return self._propose_forced(output, forced_id)
        ruled_out = [self.rules.find(said) for said in self.said] if self.rules.active else []
        return self._propose_best(output, ruled_out)

    def _propose_best(self, output: StepOutput, ruled_out: Sequence[Mapping[int, PrunedBy]]) -> Proposals:
        """The best of what the rules leave; what they leave out stands where it would have been.

        Args:
            ruled_out: the tokens that may not follow each row, and why; empty where there are no rules.
        """
        log_probs, ids = output.floats("top_log_probs"), output.ids("top_ids")
        width, count = ids.shape[1], self.settings.candidate_count
        counted = self._weigh(output, log_probs, ids).tolist()
        scores = [self.scores[node] + value for node, row in zip(self.live, counted, strict=True) for value in row]
        tokens, own = ids.ravel().tolist(), log_probs.ravel().tolist()
        # Lists, as they are short and made of sorted rows: where a model runs in between, NumPy's kernels took longer.
        order = sorted(range(len(scores)), key=scores.__getitem__, reverse=True)
        reasons: list[PrunedBy | None] = [None] * len(order)
        if any(ruled_out):
            found = [ruled_out[place // width].get(tokens[place]) for place in order]
            if not all(found):  # a tiny vocabulary may have nothing else
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
        """The best candidates of the only row, none ruled out, and the forced token among them."""
        never = forced_id in self.manifest.generation.suppressed_ids
        free = never or any(forced_id in self.rules.find(said) for said in self.said)
        log_prob = np.zeros((1, 1), np.float32) if free else output.floats("forced_log_probs")[:, None]
        counted = log_prob if free else self._weigh(output, log_prob, np.array([[forced_id]], np.int64))
        wanted = (0, forced_id, float(log_prob[0, 0]), self.scores[self.live[0]] + float(counted[0, 0]), None)
        found = [entry for entry in zip(*self._propose_best(output, []), strict=True) if entry[1] != forced_id]
        ranked = sorted([*found, wanted], key=lambda entry: -entry[3])
        return Proposals(*(list(column) for column in zip(*ranked, strict=True)))

    def _weigh(self, output: StepOutput, log_probs: Floats, ids: Ids) -> Floats:
        """What tokens of the live rows count for under the repetition penalty: all [rows, tokens]."""
        if not self.penalty.active:
            return log_probs
        return self.penalty.weigh(
            log_probs, ids, [said.path for said in self.said], output.floats(STEP_NORMALIZER.name)
        )

    def _count_top(self, said: Sequence[Said]) -> int:
        """The tokens of rows with these prefixes that a step looks at."""
        ruled_out = max((len(self.rules.find(one)) for one in said), default=0)
        moved = max((self.penalty.count_moved(one.path, self.vocabulary) for one in said), default=0)
        return min(self.settings.candidate_count + ruled_out + moved, self.vocabulary)

    def _only_token(self, forced_id: int | None) -> int | None:
        """The token that the generation settings leave here, or None; a request's prefix goes before the end."""
        generation = self.manifest.generation
        if not self.decisions and generation.forced_first_id is not None:
            return generation.forced_first_id
        last = self.position + 1 == self.settings.max_length
        return self.manifest.end_id if last and generation.forces_end and forced_id is None else None

    def _judge(self, token_id: int, score: float, place: int, forced_id: int | None, last: bool) -> Verdict:
        """What becomes of a proposal that no rule rules out, ``place`` better ones being before it."""
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
        """Whether the best live row can still beat the worst finished hypothesis (Hugging Face's estimate)."""
        length = self.settings.max_length if self.settings.hopes_for_length else self.position
        return self.settings.normalize(self.scores[self.live[0]], length) > self.finished[-1][0]


def _count_with(reasons: Sequence[PrunedBy | None], count: int) -> int:
    """How many of the first there are up to and with the ``count``-th that has no reason against it, or all."""
    places = [place for place, reason in enumerate(reasons) if reason is None]
    return places[count - 1] + 1 if len(places) >= count else len(reasons)
