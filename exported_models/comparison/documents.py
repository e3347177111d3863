"""A comparison as a JSON document, for the command line, HTTP and files."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict, Field, field_validator

from exported_models.comparison.alignment import Change
from exported_models.comparison.comparison import Comparison
from exported_models.comparison.sides import Side
from exported_models.comparison.trees import Found
from exported_models.contract.documents import ChoiceDocument, RequestDocument, Rounded
from exported_models.contract.trace import PrunedBy


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", from_attributes=True)


class SideDocument(_Document):
    """A hypothesis that is compared."""

    request: RequestDocument
    text: str
    source: list[str] = Field(description="Source tokens.")
    tokens: list[str] = Field(description="Target tokens, end of sentence included.")
    spans: list[tuple[int, int]] = Field(description="Characters of the text that each target token stands for.")


class ColumnDocument(_Document):
    """Places of both sides that stand beside each other; several are the tokens of one word."""

    before: list[int]
    after: list[int]
    change: Change


class SplitDocument(_Document):
    """The first step where both part, with the most probable tokens there; see `Split`."""

    step_before: int
    step_after: int
    token_before: str | None
    token_after: str | None
    before: list[ChoiceDocument]
    after: list[ChoiceDocument]


class ScoreDocument(_Document):
    """A score in parts: `normalized` is `score` over `length` to the power of `length_penalty`."""

    score: Rounded
    length: int
    length_penalty: float
    normalized: Rounded
    log_probs: list[Rounded]


class MoveDocument(_Document):
    """Attention that differs at one target column and one source column, mean of all layers and heads."""

    target: int
    source: int
    before: Rounded
    after: Rounded


class OverlaidNodeDocument(_Document):
    """A prefix that one search or both have; the parent is a place in the list, -1 for the start."""

    parent: int
    token: str
    found: Found
    before: int | None
    after: int | None
    beside: bool = Field(default=False, description="Whether kept paths alone have it.")


class LostPathDocument(_Document):
    """The step at which a search left the hypothesis that the other shows; see `LostPath`."""

    step: int
    token: str
    rank: int | None
    pruned_by: PrunedBy | None
    behind: Rounded | None


class TreesDocument(_Document):
    """The beam trees laid over each other."""

    nodes: list[OverlaidNodeDocument]
    lost_before: LostPathDocument | None = Field(description="Where the search after lost the hypothesis before.")
    lost_after: LostPathDocument | None = Field(description="Where the search before lost the hypothesis after.")


class ForcedScoreDocument(_Document):
    """The score of a given target; rank 0 is the most probable token of a step."""

    tokens: list[str]
    log_probs: list[Rounded]
    ranks: list[int]
    score: Rounded
    normalized: Rounded

    @field_validator("log_probs", "ranks", mode="before")
    @classmethod
    def _list_numbers(cls, numbers: ArrayLike) -> object:
        return np.asarray(numbers).tolist()


class AgainstReferenceDocument(_Document):
    """One side against the reference; BLEU and chrF are of one sentence, from 0 to 100."""

    words: list[ColumnDocument]
    columns: list[ColumnDocument]
    bleu: Rounded
    chrf: Rounded
    forced: ForcedScoreDocument | None
    leaves: int | None = Field(description="First step at which the reference is not the most probable token.")
    reason: str = Field(default="", description="Why the reference has no forced score.")


class ReferenceDocument(_Document):
    """A reference, and both sides against it."""

    text: str
    before: AgainstReferenceDocument
    after: AgainstReferenceDocument


class ComparisonDocument(_Document):
    """Two hypotheses side by side; see `exported_models.comparison.comparison.Comparison`."""

    before: SideDocument
    after: SideDocument
    source: list[ColumnDocument] = Field(description="Aligned source positions.")
    columns: list[ColumnDocument] = Field(
        description="Aligned target tokens; the tokens of aligned words where the vocabularies differ."
    )
    words: list[ColumnDocument] = Field(description="Aligned words of both texts; places count words.")
    changed_words: int
    changed_share: Rounded = Field(description="Changed, added and dropped words over all, from 0 to 1.")
    split: SplitDocument | None = Field(description="Null where both have the same tokens.")
    scores: tuple[ScoreDocument, ScoreDocument] = Field(description="Before and after.")
    score_change: Rounded
    attention: list[MoveDocument] | None = Field(
        description="Weights that moved by 0.05 or more, the largest first; null where a model has no attention."
    )
    trees: TreesDocument | None = Field(description="Null where the vocabularies differ.")
    reference: ReferenceDocument | None = None
    not_compared: list[str] = Field(description="A sentence for each thing that cannot be compared.")

    @classmethod
    def of(cls, found: Comparison) -> ComparisonDocument:
        """The document of a comparison."""
        moves = None if found.attention is None else found.attention.list_moves()
        own = {"before": _side(found.before), "after": _side(found.after), "attention": moves}
        read = {name: getattr(found, name) for name in cls.model_fields.keys() - own.keys()}
        return cls.model_validate({**own, **read})

    def to_json(self) -> str:
        """One line of JSON."""
        return self.model_dump_json()


def _side(side: Side) -> SideDocument:
    return SideDocument(
        request=RequestDocument.of(side.trace.request),
        text=side.hypothesis.text,
        source=list(side.trace.source.tokens),
        tokens=list(side.hypothesis.tokens),
        spans=list(side.spans),
    )
