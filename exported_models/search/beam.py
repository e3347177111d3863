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

A request may keep paths beside the beam. A kept path follows its own tokens, scored as those of a prefix, and then the
best continuation of each step until it ends. It has a row of its own only where the beam does not hold its prefix, and
changes nothing in the beam or its n-best list. The search goes on until the beam has stopped and every kept path ends.

A search that runs step by step waits for these decisions between two steps, so they are kept as columns of numbers.
`exported_models.search.trace_writer` makes a trace of them when the search is over.
"""

from __future__ import annotations

import itertools
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias

import numpy as np

from exported_models.contract.arrays import Floats, Ids
from exported_models.contract.errors import RequestError
from exported_models.contract.graphs import STEP_NORMALIZER
from exported_models.contract.manifest import ModelManifest
from exported_models.contract.trace import ROOT, Fate, PrunedBy, Stop
from exported_models.runtime.model import ExportedModel
from exported_models.runtime.sessions import StepOutput
from exported_models.search.repetition import RepetitionPenalty
from exported_models.search.rules import Said, TokenRules
from exported_models.search.settings import SearchSettings

Verdict: TypeAlias = Fate | PrunedBy
"""Fate of a candidate: kept, finished, beside the beam, or the reason for which the beam pruned it.

A candidate that the beam pruned and that a kept path goes on with has the reason, and a node.
"""
Wanted: TypeAlias = tuple[int, int]
"""A live row, and a token id whose log-probability a step needs, however improbable it is."""
Scored: TypeAlias = Mapping[Wanted, float]
"""Natural log-probability of each wanted token."""
_NOTHING_SCORED: Final[Scored] = MappingProxyType({})


class Proposals(NamedTuple):
    """The candidates of a step, best first, as columns.

    Continuations of kept paths that the beam does not consider stand at the end.

    Attributes:
        rows: the row of the step that each continues.
        decided: the rule that forbids each, `Fate.BESIDE` at the end, or None where its rank decides.
    """

    rows: list[int]
    token_ids: list[int]
    log_probs: list[float]
    scores: list[float]
    decided: Sequence[Verdict | None]


class BeamEnding(NamedTuple):
    """The last node of a hypothesis; fields as of `exported_models.contract.trace.Hypothesis`."""

    normalized: float
    node: int
    beside: bool


class KeptPath(NamedTuple):
    """A path that goes on beside the beam: all tokens that it must begin with, and its last node so far."""

    token_ids: tuple[int, ...]
    node: int


class _Choice(NamedTuple):
    """The continuation of a kept path at one step; fields as the columns of `Proposals`."""

    row: int
    token_id: int
    log_prob: float
    score: float

    @property
    def key(self) -> Wanted:
        return self.row, self.token_id


class Decision(NamedTuple):
    """One step: the output of the model, the candidates, and their fates.

    Attributes:
        live: node of each row.
        nodes: node of each candidate that is not pruned, None for the others.
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
    """Node of each row: those of the beam, and after them those that kept paths have for themselves."""
    width: int = 1
    """Number of rows of the beam; 0 after it has stopped, where kept paths go on."""
    finished: list[tuple[float, int]] = field(default_factory=list)
    """(normalized score, node), best first."""
    kept: list[KeptPath] = field(init=False)
    """Kept paths that go on."""
    kept_ends: list[tuple[float, int]] = field(default_factory=list)
    """(normalized score, node) of the kept paths that ended."""
    beside: set[int] = field(default_factory=set)
    """Nodes that the search has only for kept paths."""
    ended: Stop | None = None
    """The reason for which the beam stopped, or None."""
    said: list[Said] = field(init=False)
    """Prefix of each live row; empty where there are neither rules nor a repetition penalty."""

    @classmethod
    def begin(cls, model: ExportedModel, settings: SearchSettings, source_ids: Sequence[int]) -> Beam:
        """The search of a source before its first step."""
        manifest, generation = model.manifest, settings.generation
        rules = TokenRules.of(manifest, source_ids, generation, settings.forbidden)
        penalty = RepetitionPenalty.of(generation, manifest.start_id, settings.beam_size)
        return cls(manifest, len(model.target_tokenizer.tokens), settings, rules, penalty)

    def __post_init__(self) -> None:
        self.token_ids = [self.manifest.start_id]
        self.kept = [KeptPath(token_ids, ROOT) for token_ids in self.settings.kept]
        self.said = [self.rules.begin()] if self.rules.active or self.penalty.active else []

    @property
    def position(self) -> int:
        """Number of the next step."""
        return len(self.decisions)

    @property
    def at_last(self) -> bool:
        """Whether the next step is the last one that the maximum length allows."""
        return self.position + 1 == self.settings.max_length

    @property
    def forced_id(self) -> int | None:
        """The next token of the forced prefix, or None after it."""
        prefix = self.settings.prefix
        return prefix[self.position] if self.position < len(prefix) else None

    @property
    def free_steps(self) -> int:
        """Number of steps ahead that scores alone decide: 0 under a prefix, kept paths, rules or a penalty."""
        generation = self.settings.generation
        if self.forced_id is not None or self.kept or self.rules.active or self.penalty.active:
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

    @property
    def wanted(self) -> list[Wanted]:
        """Tokens whose log-probabilities the next step needs: the one of the prefix, or those of kept paths."""
        if self.forced_id is not None:
            return [(0, self.forced_id)]
        ahead = (path for path in self.kept if self.position < len(path.token_ids))
        return list(dict.fromkeys((self.live.index(path.node), path.token_ids[self.position]) for path in ahead))

    @property
    def endings(self) -> list[BeamEnding]:
        """The n-best list, and after it the ends of kept paths that are not in it, best first."""
        listed = {node for _, node in self.finished}
        others = dict.fromkeys(entry for entry in self.kept_ends if entry[1] not in listed)
        return [
            *(BeamEnding(*entry, beside=False) for entry in self.finished),
            *(BeamEnding(*entry, beside=True) for entry in sorted(others, key=lambda entry: -entry[0])),
        ]

    def settle(self, output: StepOutput, *, overridden: bool, scored: Scored = _NOTHING_SCORED) -> list[int]:
        """Decide the fate of every candidate; return, for each row of the next step, the row that it continues.

        Args:
            scored: log-probabilities of the tokens that are `wanted`.
        """
        live, forced_id, before = self.live, self.forced_id, self.said
        choices = [self._choose(path, output, scored) for path in self.kept]
        proposals = _add_choices(self._propose(output, forced_id, scored), choices)
        verdicts, nodes, continued = self._carry_out(proposals, forced_id, {choice.key for choice in choices})
        self.width = len(self.live)
        if choices:
            continued += self._advance_kept(choices, dict(zip(zip(*proposals[:2], strict=True), nodes, strict=True)))
        if before:
            kept = zip(continued, self.live, strict=True)
            self.said = [self.rules.extend(before[row], self.token_ids[node]) for row, node in kept]
        self.decisions.append(Decision(live, output, proposals, verdicts, nodes, forced_id, overridden))
        self.ended = self.ended or self._find_end()
        return self._leave_kept(continued) if self.ended and self.kept else continued

    def stop(self) -> Stop | None:
        """The reason for which the search is over, or None."""
        return None if self.kept else self.ended

    def _find_end(self) -> Stop | None:
        """The reason for which the beam stops, or None."""
        if len(self.decisions) >= self.settings.max_length:
            return Stop.MAX_LENGTH
        if not self.width:
            return Stop.FINISHED
        if len(self.finished) < self.settings.beam_size:
            return None
        if self.settings.early_stopping == "first" or not self._may_improve():
            return Stop.FINISHED
        return None

    def _carry_out(
        self, proposals: Proposals, forced_id: int | None, chosen: Container[Wanted]
    ) -> tuple[list[Verdict], list[int | None], list[int]]:
        """Make the nodes and rows of the beam, and the nodes of kept paths, which have ``chosen`` their candidates.

        Returns:
            the fate of each candidate, its node, and the row that each row of the next beam continues.
        """
        live, last, place = self.live, self.at_last, 0
        verdicts, nodes, continued = list[Verdict](), list[int | None](), list[int]()
        self.live = []
        for row, token_id, _, score, decided in zip(*proposals, strict=True):
            verdict, node = decided or self._judge(token_id, score, place, forced_id, last), None
            if isinstance(verdict, Fate) or (row, token_id) in chosen:
                node = self._add_node(live[row], token_id, score)
                if verdict is Fate.KEPT:
                    self.live.append(node)
                    continued.append(row)
                elif verdict is Fate.FINISHED:
                    self._finish(score, node)
                else:
                    self.beside.add(node)
            verdicts.append(verdict)
            nodes.append(node)
            place += decided is None
        return verdicts, nodes, continued

    def _choose(self, path: KeptPath, output: StepOutput, scored: Scored) -> _Choice:
        """The next token of a kept path: its own, or after them the best continuation."""
        row, place = self.live.index(path.node), self.position
        ahead = path.token_ids[place] if place < len(path.token_ids) else None
        only = self._only_token(ahead)
        if only is not None:
            return _Choice(row, only, 0.0, self.scores[path.node])
        if ahead is not None:
            return _Choice(row, ahead, *self._score_demanded(output, (row, ahead), scored))
        best = self._propose_best(output, range(row, row + 1), self._find_ruled_out(range(row, row + 1)))
        first = best.decided.index(None)
        return _Choice(row, best.token_ids[first], best.log_probs[first], best.scores[first])

    def _advance_kept(self, choices: Sequence[_Choice], made: Mapping[Wanted, int | None]) -> list[int]:
        """Move kept paths to the nodes ``made`` for them; return the rows that the new rows of their own continue."""
        paths, self.kept, rows = self.kept, [], list[int]()
        for path, choice in zip(paths, choices, strict=True):
            node = made[choice.key]
            assert node is not None
            if self.at_last or choice.token_id == self.manifest.end_id:
                self.kept_ends.append((self.settings.normalize(self.scores[node], self.position + 1), node))
                continue
            self.kept.append(KeptPath(path.token_ids, node))
            if node not in self.live:
                self.live.append(node)
                rows.append(choice.row)
        return rows

    def _leave_kept(self, continued: Sequence[int]) -> list[int]:
        """Leave the rows of the beam, which has stopped, to kept paths alone; return the rows that are continued."""
        nodes = {path.node for path in self.kept}
        rows = [row for row, node in enumerate(self.live) if node in nodes]
        self.live, self.width = [self.live[row] for row in rows], 0
        self.said = [self.said[row] for row in rows] if self.said else []
        return [continued[row] for row in rows]

    def _propose(self, output: StepOutput, forced_id: int | None, scored: Scored) -> Proposals:
        """The candidates over the rows of the beam, best first; a forced token is among them in any case."""
        rows, only = range(self.width), self._only_token(forced_id)
        if only is not None:
            before = [self.scores[self.live[row]] for row in rows]
            return Proposals(list(rows), [only] * len(rows), [0.0] * len(rows), before, [None] * len(rows))
        if forced_id is not None:
            return self._propose_forced(output, forced_id, scored)
        return self._propose_best(output, rows, self._find_ruled_out(rows))

    def _find_ruled_out(self, rows: range) -> list[Mapping[int, PrunedBy]]:
        """Forbidden token -> rule, for each row; empty where there are no rules."""
        return [self.rules.find(self.said[row]) for row in rows] if self.rules.active else []

    def _propose_best(self, output: StepOutput, rows: range, ruled_out: Sequence[Mapping[int, PrunedBy]]) -> Proposals:
        """The best continuations of rows that no rule forbids, with forbidden ones at the places they would have had.

        Args:
            ruled_out: result of `_find_ruled_out`.
        """
        own_rows = slice(rows.start, rows.stop)
        log_probs, ids = output.floats("top_log_probs")[own_rows], output.ids("top_ids")[own_rows]
        width, count = ids.shape[1], self.settings.candidate_count
        counted = self._weigh(output, rows, log_probs, ids).tolist()
        live = self.live[own_rows]
        scores = [self.scores[node] + value for node, row in zip(live, counted, strict=True) for value in row]
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
            if not all(found):  # where generation settings forbid all, as in a tiny vocabulary, they forbid none
                reasons = found
                count = _count_with(found, count)
        order = order[:count]
        return Proposals(
            rows=[rows.start + place // width for place in order],
            token_ids=[tokens[place] for place in order],
            log_probs=[own[place] for place in order],
            scores=[scores[place] for place in order],
            decided=reasons[:count],
        )

    def _propose_forced(self, output: StepOutput, forced_id: int, scored: Scored) -> Proposals:
        """The candidates of the only row, the forced token among them; rules do not apply."""
        wanted = (0, forced_id, *self._score_demanded(output, (0, forced_id), scored), None)
        best = self._propose_best(output, range(1), [])
        found = [entry for entry in zip(*best, strict=True) if entry[1] != forced_id]
        ranked = sorted([*found, wanted], key=lambda entry: -entry[3])
        return Proposals(*(list(column) for column in zip(*ranked, strict=True)))

    def _score_demanded(self, output: StepOutput, wanted: Wanted, scored: Scored) -> tuple[float, float]:
        """Log-probability of a token that a path demands, and the score with it; free if the settings rule it out."""
        row, token_id = wanted
        never = token_id in self.settings.generation.suppressed_ids
        before = self.scores[self.live[row]]
        if never or (self.said and token_id in self.rules.find_of_settings(self.said[row])):
            return 0.0, before
        log_prob = np.array([[scored[wanted]]], np.float32)
        counted = self._weigh(output, range(row, row + 1), log_prob, np.array([[token_id]], np.int64))
        return float(log_prob[0, 0]), before + float(counted[0, 0])

    def _weigh(self, output: StepOutput, rows: range, log_probs: Floats, ids: Ids) -> Floats:
        """[rows, tokens] log-probabilities of rows under the repetition penalty."""
        if not (self.penalty.active and rows):  # a beam that has stopped has no rows where kept paths go on
            return log_probs
        own = slice(rows.start, rows.stop)
        normalizers = output.floats(STEP_NORMALIZER.name)[own] if self.penalty.of_logits else None
        return self.penalty.weigh(log_probs, ids, [said.path for said in self.said[own]], normalizers)

    def _count_top(self, said: Sequence[Said]) -> int:
        """`top_count` of rows with these prefixes."""
        ruled_out = max((len(self.rules.find(one)) for one in said), default=0)
        moved = max((self.penalty.count_moved(one.path, self.vocabulary) for one in said), default=0)
        return min(self.settings.candidate_count + ruled_out + moved, self.vocabulary)

    def _only_token(self, forced_id: int | None) -> int | None:
        """The token that the generation settings force here, or None; a request's prefix precedes a forced end."""
        generation = self.settings.generation
        if not self.decisions and generation.forced_first_id is not None:
            return generation.forced_first_id
        ends = self.at_last and generation.forces_end and forced_id is None
        return self.manifest.end_id if ends else None

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


def _add_choices(proposals: Proposals, choices: Iterable[_Choice]) -> Proposals:
    """The candidates with the continuations of kept paths, which are free where a rule would forbid them."""
    different = {choice.key: choice for choice in choices}
    if not different:
        return proposals
    found = list(zip(*proposals, strict=True))
    listed = {entry[:2] for entry in found}
    entries = [
        (*different[entry[:2]], entry[4]) if entry[4] is not None and entry[:2] in different else entry
        for entry in found
    ]
    entries += [(*choice, Fate.BESIDE) for key, choice in different.items() if key not in listed]
    return Proposals(*(list(column) for column in zip(*entries, strict=True)))


def _count_with(reasons: Sequence[PrunedBy | None], count: int) -> int:
    """Number of entries up to the ``count``-th without a reason, or of all where there are fewer."""
    places = [place for place, reason in enumerate(reasons) if reason is None]
    return places[count - 1] + 1 if len(places) >= count else len(reasons)
