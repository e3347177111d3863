"""Requests and traces as JSON documents, for the command line, HTTP and files.

Probabilities are from 0 to 1, log-probabilities natural. States are never part of a document.
"""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from exported_models.contract.arrays import Floats
from exported_models.contract.numbers import Number, WholeNumber
from exported_models.contract.request import (
    MAX_BEAM_SIZE,
    MAX_KEPT_PATHS,
    MAX_LENGTH_LIMIT,
    MAX_LENGTH_PENALTY,
    MAX_TOP_K,
    AttentionOverride,
    EarlyStopping,
    ForbiddenPhrase,
    HeadAblation,
    HeadKind,
    Request,
)
from exported_models.contract.trace import Candidate, Fate, Hypothesis, Node, PrunedBy, Stop, Trace
from exported_models.contract.wishes import WishDocument

_DECIMALS = 5
_IMPOSSIBLE = -1e9
Rounded = Annotated[float, PlainSerializer(lambda value: round(max(value, _IMPOSSIBLE), _DECIMALS), return_type=float)]
"""A float written with five decimals: the precision of float32 sums, in a third of the bytes.

The log-probability of an impossible token is minus infinity, which JSON cannot express; it is written as -1e9.
"""


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class OverrideDocument(_Document):
    """One attention override; see `AttentionOverride`."""

    step: WholeNumber = Field(ge=0, description="Target step, counted from 0.")
    weights: list[tuple[WholeNumber, Number]] = Field(description="(source position, weight) pairs, positions from 0.")
    layer: WholeNumber | None = Field(default=None, description="Decoder layer; null for all.")
    head: WholeNumber | None = Field(default=None, description="Attention head; null for all.")


class AblationDocument(_Document):
    """A head of attention that contributes nothing; see `HeadAblation`."""

    kind: HeadKind = Field(description="Self-attention of the encoder or the decoder, or cross-attention.")
    layer: WholeNumber = Field(ge=0, description="Counted from 0.")
    head: WholeNumber = Field(ge=0, description="Counted from 0.")


class ForbiddenDocument(_Document):
    """A phrase that no hypothesis may have; see `ForbiddenPhrase`."""

    tokens: list[str] = Field(description="Target tokens.")
    step: WholeNumber | None = Field(
        default=None, ge=0, description="Target step at which they may not begin, counted from 0; null for every step."
    )


class RequestDocument(_Document):
    """A request; fields that are left out have the model's defaults. See `Request`."""

    model_id: str = Field(description="Name of an exported model of the workspace.", examples=["dates"])
    source: str = Field(description="Source text.", examples=["March 3, 1999"])
    prefix: list[str] = Field(default=[], description="Target tokens every hypothesis must begin with.")
    overrides: list[OverrideDocument] = []
    beam_size: WholeNumber | None = Field(default=None, ge=1, le=MAX_BEAM_SIZE)
    length_penalty: Number | None = Field(
        default=None, ge=-MAX_LENGTH_PENALTY, le=MAX_LENGTH_PENALTY, allow_inf_nan=False
    )
    max_length: WholeNumber | None = Field(default=None, ge=1, le=MAX_LENGTH_LIMIT)
    top_k: WholeNumber = Field(default=5, ge=1, le=MAX_TOP_K)
    early_stopping: EarlyStopping | None = None
    ablations: list[AblationDocument] = []
    source_language: str | None = Field(default=None, description="Code of the source's language.", max_length=40)
    target_language: str | None = Field(default=None, description="Code of the target's language.", max_length=40)
    cut_source: bool = Field(default=False, description="Cut a source that is longer than the model reads.")
    forbidden: list[ForbiddenDocument] = []
    kept: list[list[str]] = Field(
        default=[],
        max_length=MAX_KEPT_PATHS,
        description="Paths of target tokens that go on beside the beam; each begins with `prefix` and is longer.",
    )
    repetition_penalty: Number | None = Field(
        default=None, gt=0, allow_inf_nan=False, description="Factor by which repeated tokens score less; 1 for none."
    )
    min_length: WholeNumber | None = Field(
        default=None, ge=0, description="Minimum number of target tokens, end of sentence included."
    )
    ngram_size: WholeNumber | None = Field(
        default=None, ge=0, description="Size of n-grams that a target may not repeat; 0 for none."
    )
    source_ngram_size: WholeNumber | None = Field(
        default=None, ge=0, description="Size of n-grams of the source that a target may not have; 0 for none."
    )

    @classmethod
    def of(cls, request: Request) -> RequestDocument:
        """The document of a request."""
        return cls(
            model_id=request.model_id,
            source=request.source,
            prefix=list(request.prefix),
            overrides=[_override_document(override) for override in request.overrides],
            beam_size=request.beam_size,
            length_penalty=request.length_penalty,
            max_length=request.max_length,
            top_k=request.top_k,
            early_stopping=request.early_stopping,
            ablations=[
                AblationDocument(kind=entry.kind, layer=entry.layer, head=entry.head) for entry in request.ablations
            ],
            source_language=request.source_language,
            target_language=request.target_language,
            cut_source=request.cut_source,
            forbidden=[ForbiddenDocument(tokens=list(entry.tokens), step=entry.step) for entry in request.forbidden],
            kept=[list(path) for path in request.kept],
            repetition_penalty=request.repetition_penalty,
            min_length=request.min_length,
            ngram_size=request.ngram_size,
            source_ngram_size=request.source_ngram_size,
        )

    def to_request(self) -> Request:
        """The request of this document."""
        return Request(
            model_id=self.model_id,
            source=self.source,
            prefix=tuple(self.prefix),
            overrides=tuple(
                AttentionOverride(entry.step, tuple(entry.weights), entry.layer, entry.head) for entry in self.overrides
            ),
            beam_size=self.beam_size,
            length_penalty=self.length_penalty,
            max_length=self.max_length,
            top_k=self.top_k,
            early_stopping=self.early_stopping,
            ablations=tuple(HeadAblation(entry.kind, entry.layer, entry.head) for entry in self.ablations),
            source_language=self.source_language,
            target_language=self.target_language,
            cut_source=self.cut_source,
            forbidden=tuple(ForbiddenPhrase(tuple(entry.tokens), entry.step) for entry in self.forbidden),
            kept=tuple(map(tuple, self.kept)),
            repetition_penalty=self.repetition_penalty,
            min_length=self.min_length,
            ngram_size=self.ngram_size,
            source_ngram_size=self.source_ngram_size,
        )


class AnswerDocument(_Document):
    """A request and a hypothesis of its translation."""

    request: RequestDocument
    hypothesis: WholeNumber = Field(default=0, ge=0, description="Its rank among the hypotheses, kept paths included.")


class WhatIfDocument(_Document):
    """A change to the translation of a request; see `exported_models.contract.wishes`."""

    request: RequestDocument
    hypothesis: WholeNumber = Field(
        default=0, ge=0, description="Rank of the hypothesis that the wish speaks of, kept paths included."
    )
    wish: WishDocument = Field(
        description="The change: its fields, and `verb` to tell which it is.",
        examples=[{"verb": "choose", "step": 3, "rank": 1}],
    )
    beside: AnswerDocument | None = Field(
        default=None, description="The translation beside it, which `copy_attention` with `beside` copies from."
    )


class SourceTokenDocument(_Document):
    """A source position and its place in the source text; ``start`` equals ``end`` for special tokens."""

    token: str
    start: int
    end: int
    word: int
    unknown: bool = Field(default=False, description="Whether the token stands for what the vocabulary lacks.")


class ChoiceDocument(_Document):
    """One of the most probable next tokens."""

    model_config = ConfigDict(from_attributes=True)

    token: str
    probability: Rounded
    log_prob: Rounded


class NodeDocument(_Document):
    """One prefix that the search held; its index is its place in the list, and the first is the start."""

    parent: int
    token: str
    probability: Rounded
    score: Rounded
    finished: bool
    beside: bool = Field(default=False, description="Whether the search has it only for a kept path.")


class CandidateDocument(_Document):
    """One continuation that a step considered, and its fate."""

    parent: int
    token: str
    log_prob: Rounded
    score: Rounded
    normalized: Rounded
    rank: int
    fate: Fate
    pruned_by: PrunedBy | None = None
    node: int | None = None


class HypothesisDocument(_Document):
    """One entry of the n-best list, or the end of a kept path."""

    text: str
    tokens: list[str]
    log_probs: list[Rounded]
    score: Rounded
    normalized: Rounded
    finished: bool
    nodes: list[int]
    beside: bool = Field(default=False, description="Whether it is a kept path that is not in the n-best list.")


class TraceDocument(_Document):
    """A trace without states; see `Trace`."""

    text: str = Field(description="The hypothesis in view as text.")
    tokens: list[str] = Field(description="Its tokens, end of sentence included.")
    hypothesis: int = Field(default=0, description="Its place in `hypotheses`; 0 is the best one.")
    request: RequestDocument = Field(description="The request as answered, defaults filled in.")
    model_hash: str
    source: list[SourceTokenDocument] = Field(description="What the encoder read, tags of languages included.")
    source_cut: int = Field(default=0, description="Source tokens that were left out, since the model reads fewer.")
    attention: list[list[list[list[Rounded]]]] | None = Field(
        description="Cross-attention of the hypothesis in view: [target][layer][head][source]; null without attention."
    )
    top_k: list[list[ChoiceDocument]] = Field(description="For each target token, the most probable tokens there.")
    hypotheses: list[HypothesisDocument] = Field(
        description="The n-best list, best first, and after it the other ends of kept paths."
    )
    tree: list[NodeDocument] = Field(description="The beam tree.")
    steps: list[list[CandidateDocument]] = Field(
        description="For each step, every candidate, best first; those that only kept paths consider stand at the end."
    )
    stop: Stop

    @classmethod
    def of(cls, trace: Trace, rank: int = 0) -> TraceDocument:
        """The document of a trace, with the hypothesis of that rank in view."""
        shown = trace.hypotheses[rank]
        return cls(
            text=shown.text,
            tokens=list(shown.tokens),
            hypothesis=rank,
            request=RequestDocument.of(trace.request),
            model_hash=trace.model_hash,
            source=_source_documents(trace),
            source_cut=trace.source.cut,
            attention=_nested(trace.attention(shown)),
            top_k=[[ChoiceDocument.model_validate(choice) for choice in choices] for choices in trace.top_k(shown)],
            hypotheses=[_hypothesis_document(hypothesis) for hypothesis in trace.hypotheses],
            tree=[_node_document(node) for node in trace.nodes],
            steps=[[_candidate_document(candidate) for candidate in step.candidates] for step in trace.steps],
            stop=trace.stop,
        )

    def to_json(self) -> str:
        """One line of JSON; fields that have their default value are left out."""
        return self.model_dump_json(exclude_defaults=True)


def _override_document(override: AttentionOverride) -> OverrideDocument:
    return OverrideDocument(
        step=override.step, weights=list(override.weights), layer=override.layer, head=override.head
    )


def _source_documents(trace: Trace) -> list[SourceTokenDocument]:
    source = trace.source
    rows = zip(source.tokens, source.spans, source.words, strict=True)
    return [
        SourceTokenDocument(token=token, start=start, end=end, word=word, unknown=place in source.unknown)
        for place, (token, (start, end), word) in enumerate(rows)
    ]


def _node_document(node: Node) -> NodeDocument:
    return NodeDocument(
        parent=node.parent,
        token=node.token,
        probability=math.exp(node.log_prob),
        score=node.score,
        finished=node.finished,
        beside=node.beside,
    )


def _candidate_document(candidate: Candidate) -> CandidateDocument:
    return CandidateDocument(
        parent=candidate.parent,
        token=candidate.token,
        log_prob=candidate.log_prob,
        score=candidate.score,
        normalized=candidate.normalized,
        rank=candidate.rank,
        fate=candidate.fate,
        pruned_by=candidate.pruned_by,
        node=candidate.node,
    )


def _hypothesis_document(hypothesis: Hypothesis) -> HypothesisDocument:
    return HypothesisDocument(
        text=hypothesis.text,
        tokens=list(hypothesis.tokens),
        log_probs=list(hypothesis.log_probs),
        score=hypothesis.score,
        normalized=hypothesis.normalized,
        finished=hypothesis.finished,
        nodes=list(hypothesis.nodes),
        beside=hypothesis.beside,
    )


def _nested(attention: Floats | None) -> list[list[list[list[float]]]] | None:
    nested: list[list[list[list[float]]]] | None = None if attention is None else attention.tolist()
    return nested
