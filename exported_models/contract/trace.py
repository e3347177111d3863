"""A trace: the record of one request's decoding.

The prefixes that the beam held are the *nodes* of a tree, numbered in the order of their making; node 0 is the start. A
*step* expands the live nodes (its *rows*) and considers *candidates*: the best ``max(2 x beam, k)`` continuations over
all rows, each with its fate. Row arrays (attention, states, top k) belong to the prediction of the token *after* the
row's prefix. States never leave the server; `exported_models.contract.documents` makes documents without them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from exported_models.contract.arrays import Floats, Ids
from exported_models.contract.errors import ModelError
from exported_models.contract.request import CompletedRequest
from exported_models.contract.source import Source

ROOT = 0
"""Index of the tree's first node: the start of the target, before any token."""


class Fate(StrEnum):
    """The fate of a candidate."""

    KEPT = "kept"
    FINISHED = "finished"
    PRUNED = "pruned"
    BESIDE = "beside"
    """The beam pruned it or did not consider it; it goes on, or ends, beside the beam as a kept path of the request."""


class PrunedBy(StrEnum):
    """The reason for which the beam pruned a candidate."""

    BEAM = "beam"
    """Better continuations filled the beam."""
    PREFIX = "prefix"
    """The forced prefix demands another token at this step."""
    END_RANK = "end_rank"
    """It ends the sentence but ranks below the beam size; as in Hugging Face, only the best may finish."""
    FINISHED = "finished"
    """It ended the sentence, but better finished hypotheses fill the n-best list."""
    MIN_LENGTH = "min_length"
    """It ends the sentence below the minimum length."""
    REPEATED = "repeated"
    """It repeats an n-gram of the target, or of the source, which a rule forbids."""
    BAD_WORDS = "bad_words"
    """It completes a sequence that the generation settings rule out, or is ruled out as a first token."""
    FORBIDDEN = "forbidden"
    """It completes a phrase that the request forbids."""


class Stop(StrEnum):
    """The reason for which the beam stopped."""

    FINISHED = "finished"
    """The n-best list is full, and no live hypothesis can enter it any more."""
    MAX_LENGTH = "max_length"
    """The maximum length was reached; live hypotheses count as they are."""


@dataclass(frozen=True, slots=True)
class Node:
    """One prefix that the beam held.

    Attributes:
        log_prob: natural log-probability of the last token.
        score: sum of the log-probabilities of all tokens; of the penalized ones under a repetition penalty
            (`exported_models.search.repetition`).
        beside: whether the search has it only for a kept path of the request.
    """

    index: int
    parent: int
    length: int
    token_id: int
    token: str
    log_prob: float
    score: float
    finished: bool
    beside: bool = False


class Candidate(NamedTuple):
    """One continuation considered at a step.

    A named tuple, since a trace holds hundreds of them and a frozen dataclass takes four times as long to make.

    Attributes:
        score: as of a node that ends with this token; ``normalized`` is ``score`` over length to the power of the
            length penalty.
        rank: place among the step's candidates by ``score``; 0 is the best.
            Continuations of kept paths that the beam did not consider stand at the end.
        pruned_by: of a pruned candidate, and of one beside the beam that the beam considered; else None.
        node: the node of a candidate that was not pruned, else None.
    """

    parent: int
    token_id: int
    token: str
    log_prob: float
    score: float
    normalized: float
    rank: int
    fate: Fate
    pruned_by: PrunedBy | None = None
    node: int | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the search: the live rows and all candidates.

    Attributes:
        nodes: node of each row; rows of the beam first, then those of kept paths alone.
        top_ids: [rows, k] int64, the most probable next tokens, best first.
        top_log_probs: [rows, k] float32, their natural log-probabilities.
        candidates: best first.
        forced_id: the token that the prefix demands at this step, or None.
        attention: [rows, layers, heads, source] float32 cross-attention as used (overrides included); None if the model
            has no attention.
        states: space name -> [rows, size] float32, for the spaces owned by the target.
        overridden: whether an attention override was in force.
    """

    nodes: tuple[int, ...]
    top_ids: Ids
    top_log_probs: Floats
    candidates: tuple[Candidate, ...]
    forced_id: int | None
    attention: Floats | None
    states: Mapping[str, Floats]
    overridden: bool


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One entry of the n-best list, best first, or the end of a kept path.

    Attributes:
        nodes: one node per token, the start left out.
        token_ids, tokens, log_probs: one per token; the end-of-sentence token is included when ``finished``.
        text: detokenized, without end of sentence.
        score: score of the last node; hypotheses are compared by ``normalized``.
        finished: whether the end of sentence ended it, and not the maximum length.
        beside: whether it is a kept path of the request that is not in the n-best list.
    """

    nodes: tuple[int, ...]
    token_ids: tuple[int, ...]
    tokens: tuple[str, ...]
    log_probs: tuple[float, ...]
    text: str
    score: float
    normalized: float
    finished: bool
    beside: bool = False


@dataclass(frozen=True, slots=True)
class TokenChoice:
    """One of the most probable next tokens at a step."""

    token_id: int
    token: str
    log_prob: float

    @property
    def probability(self) -> float:
        """From 0 to 1."""
        return math.exp(self.log_prob)


@dataclass(frozen=True, slots=True)
class Trace:
    """All five stages of one translation.

    Attributes:
        request: the request as answered, with defaults filled in and the steps before an override pinned as prefix.
        model_hash: content hash of the exported model.
        source: the source with its positions (the end of sentence among them where the model reads it).
        source_states: space name -> [source tokens, size] float32, for the spaces owned by the source.
        nodes: the beam tree; ``nodes[i].index == i``.
        steps: ``steps[t]`` predicts target token ``t``.
        hypotheses: n-best list, never empty, and after it the other ends of kept paths, best first.
        stop: the reason for which the beam stopped.
        vocabulary: token id -> token, for every id that the trace mentions.
    """

    request: CompletedRequest
    model_hash: str
    source: Source
    source_states: Mapping[str, Floats]
    nodes: tuple[Node, ...]
    steps: tuple[Step, ...]
    hypotheses: tuple[Hypothesis, ...]
    stop: Stop
    vocabulary: Mapping[int, str]

    @property
    def best(self) -> Hypothesis:
        """The best hypothesis, which is the model's answer."""
        return self.hypotheses[0]

    def rows(self, hypothesis: Hypothesis) -> tuple[int, ...]:
        """The row of ``steps[t]`` that predicted token ``t`` of a hypothesis, for each token."""
        parents = (ROOT, *hypothesis.nodes[:-1])
        return tuple(self.steps[t].nodes.index(parent) for t, parent in enumerate(parents))

    def attention(self, hypothesis: Hypothesis) -> Floats | None:
        """[target, layers, heads, source] float32 cross-attention that predicted each token, or None."""
        picked = [self.steps[t].attention for t in range(len(hypothesis.nodes))]
        rows = self.rows(hypothesis)
        found = [array[row] for array, row in zip(picked, rows, strict=True) if array is not None]
        return np.stack(found) if found else None

    def states(self, space: str, hypothesis: Hypothesis | None = None) -> Floats:
        """[tokens, size] float32 states of a recorded space: of the source, or of a hypothesis (default: the best).

        Row ``t`` of a space owned by the target is the state that predicts token ``t``. States of other spaces are
        found by `exported_models.search.states.find_states`.

        Raises:
            ModelError: the trace does not record the space; the message lists the recorded ones.
        """
        if space in self.source_states:
            return self.source_states[space]
        if space not in self.steps[0].states:
            known = ", ".join((*self.source_states, *self.steps[0].states))
            raise ModelError(f"A trace of {self.request.model_id!r} does not record the space {space!r} ({known}).")
        chosen = hypothesis or self.best
        return np.stack([self.steps[t].states[space][row] for t, row in enumerate(self.rows(chosen))])

    def top_k(self, hypothesis: Hypothesis) -> tuple[tuple[TokenChoice, ...], ...]:
        """The most probable tokens at each step of a hypothesis, best first."""
        return tuple(self._choices(self.steps[t], row) for t, row in enumerate(self.rows(hypothesis)))

    def path(self, node: int) -> tuple[Node, ...]:
        """The nodes from the first token to ``node``, the start left out."""
        nodes = []
        while node != ROOT:
            nodes.append(self.nodes[node])
            node = self.nodes[node].parent
        return tuple(reversed(nodes))

    def _choices(self, step: Step, row: int) -> tuple[TokenChoice, ...]:
        pairs = zip(step.top_ids[row].tolist(), step.top_log_probs[row].tolist(), strict=True)
        return tuple(TokenChoice(token_id, self.vocabulary[token_id], log_prob) for token_id, log_prob in pairs)
