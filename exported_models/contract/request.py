"""A request: one source and every setting that decides how a model decodes it, as one frozen value.

A request is the cache key, the link, the history entry and the body of an HTTP call. A what-if is a request with one
thing changed; `exported_models.edits` makes it from a wish (`exported_models.contract.wishes`).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

MAX_SOURCE_CHARACTERS = 2000
"""Of a model that reads sentences; one that reads documents allows more (`exported_models.contract.texts`)."""
MAX_BEAM_SIZE = 100
MAX_TOP_K = 100
MAX_NEIGHBORS = 200
"""Maximum number of neighbors of one state that a store is asked for."""
MAX_LENGTH_LIMIT = 1024
MAX_LENGTH_PENALTY = 10.0
MAX_KEPT_PATHS = 16
"""Maximum number of paths that a request keeps beside the beam; each is a row of every step."""
MAX_REPETITION_PENALTY = 10.0
DEFAULT_REQUEST_BYTES = 256_000_000
"""Largest estimated record of a request that a server answers unless it is told otherwise."""

EarlyStopping = Literal["estimate", "first", "never"]
"""The rule that stops a search: Hugging Face ``generate``'s ``False``, ``True`` and ``"never"``, in this order."""

RULES = ("repetition_penalty", "min_length", "ngram_size", "source_ngram_size")
"""Fields of a request that are rules of Hugging Face ``generate``; a model's generation settings name them alike."""


@dataclass(frozen=True, slots=True, order=True)
class AttentionOverride:
    """Replace the cross-attention of one target step, after the softmax, by the given weights.

    Attributes:
        step: target step, 0 for the first generated token, forced prefix included.
        weights: ``(source position, weight)`` pairs; positions not named get zero. Non-negative, renormalized by the
            engine; all zero is refused.
        layer: decoder layer among those the model records, or None for all.
        head: attention head, or None for all.
    """

    step: int
    weights: tuple[tuple[int, float], ...]
    layer: int | None = None
    head: int | None = None


HeadKind = Literal["encoder", "decoder", "cross"]
"""Self-attention of the encoder, self-attention of the decoder, or cross-attention."""


@dataclass(frozen=True, slots=True, order=True)
class HeadAblation:
    """Let a head of attention contribute nothing at any step (Michel et al. 2019); layer and head count from 0."""

    kind: HeadKind
    layer: int
    head: int


@dataclass(frozen=True, slots=True)
class ForbiddenPhrase:
    """Target tokens that no hypothesis may have in this order.

    Attributes:
        step: the target step at which they may not begin, counted from 0; None for every step, as Hugging Face's
            ``bad_words_ids``.
    """

    tokens: tuple[str, ...]
    step: int | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One question to the engine.

    Attributes:
        model_id: name of an exported model in the workspace.
        source: payload of the source (`exported_models.contract.source`); for text the text itself, up to
            as many characters as `exported_models.contract.texts.longest_source` allows.
        prefix: target tokens that every hypothesis must begin with.
        overrides: attention overrides; steps before an override that `prefix` does not cover are pinned by the engine
            to the model's own best output.
        ablations: heads that contribute nothing.
        beam_size: number of hypotheses kept at each step; None for the model's default.
        length_penalty: exponent of the length that divides a hypothesis' summed log-probability (Hugging Face's
            ``length_penalty``); None for the model's default.
        max_length: maximum number of target tokens, end of sentence and prefix included; None for the model's default.
        top_k: number of most probable next tokens recorded for every beam row.
        early_stopping: rule that stops the search; None for the model's default.
        source_language, target_language: codes as the model has them, or the part before ``_`` that one language begins
            with; None for the model's own.
        cut_source: whether a source of more tokens than the model reads is cut, and not refused.
        forbidden: phrases that the search leaves out; the tokens of ``prefix`` and ``kept`` are free of them.
        kept: paths of target tokens that go on beside the beam by their best continuations. Each begins with
            ``prefix`` and is longer. The n-best list stays as it is without them.
        repetition_penalty: factor by which tokens of the target so far score less; 1 for none. None, here and below,
            for the model's default.
        min_length: minimum number of target tokens, end of sentence and prefix included, up to ``max_length``.
        ngram_size: size of the n-grams that a target may not repeat (``no_repeat_ngram_size``); 0 for none.
        source_ngram_size: size of the n-grams of the source that a target may not have
            (``encoder_no_repeat_ngram_size``); 0 for none.
    """

    model_id: str
    source: str
    prefix: tuple[str, ...] = ()
    overrides: tuple[AttentionOverride, ...] = ()
    beam_size: int | None = None
    length_penalty: float | None = None
    max_length: int | None = None
    top_k: int = 5
    early_stopping: EarlyStopping | None = None
    ablations: tuple[HeadAblation, ...] = ()
    source_language: str | None = None
    target_language: str | None = None
    cut_source: bool = False
    forbidden: tuple[ForbiddenPhrase, ...] = ()
    kept: tuple[tuple[str, ...], ...] = ()
    repetition_penalty: float | None = None
    min_length: int | None = None
    ngram_size: int | None = None
    source_ngram_size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletedRequest(Request):
    """A request as the engine answers it. The type of its own keeps raw requests from being taken for completed ones.

    Every setting has its value; weights, ablations, phrases and kept paths are in ascending order; ``prefix`` covers
    the steps before each override. Equal questions about one model are equal values. A completed request can be asked
    again.
    """

    beam_size: int
    length_penalty: float
    max_length: int
    early_stopping: EarlyStopping
    repetition_penalty: float
    min_length: int
    ngram_size: int
    source_ngram_size: int

    def as_request(self) -> Request:
        """The same question as a raw request, to be changed or stored."""
        return Request(**{each.name: getattr(self, each.name) for each in fields(Request)})
