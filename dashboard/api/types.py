"""Documents that go in and out of the API. The OpenAPI description is generated from these types."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from dashboard.neighborhoods import MAX_BACKGROUND
from dashboard.table_columns import FileKind, TableName
from exported_models.contract.documents import RequestDocument, TraceDocument
from exported_models.contract.manifest import Owner, SpaceKind, Stage
from exported_models.contract.numbers import Number, WholeNumber
from exported_models.contract.request import MAX_BEAM_SIZE, MAX_LENGTH_PENALTY, MAX_NEIGHBORS
from exported_models.what_ifs.listing import Kind
from exported_models.what_ifs.sweep import BEAM_SIZES, LENGTH_PENALTIES
from state_store.manifest import GlobalMapKind
from state_store.neighborhood import MapKind

MAX_SUBSTITUTES: Final = 200
"""Number of words that are tried in place of one."""


class Asked(BaseModel):
    """Base of what callers send: a key nobody knows is an error, numbers are finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class SideAsked(Asked):
    """One side of a comparison: a request, and a hypothesis of it."""

    request: RequestDocument
    hypothesis: WholeNumber = Field(default=0, ge=0, description="Rank in the n-best list.")


class CompareAsked(Asked):
    """The translations to compare."""

    before: SideAsked = Field(examples=[{"request": {"model_id": "dates", "source": "March 3, 1999"}}])
    after: SideAsked = Field(examples=[{"request": {"model_id": "dates", "source": "March 3, 1998"}}])
    reference: str | None = Field(default=None, description="A translation to hold both against.")


class TableAsked(Asked):
    """The wanted table of a translation."""

    request: RequestDocument
    table: TableName = Field(
        default="hypotheses",
        description="`hypotheses`: every token of the n-best list; `candidates`: of every step; `top_k`, `attention`: "
        "of one hypothesis.",
    )
    format: FileKind = "csv"
    hypothesis: WholeNumber = Field(default=0, ge=0, description="Rank in the n-best list, of `top_k` and `attention`.")


class PartAsked(Asked):
    """A part of a list of trials on a translation."""

    request: RequestDocument = Field(examples=[{"model_id": "dates", "source": "March 3, 1999"}])
    hypothesis: WholeNumber = Field(default=0, ge=0, description="Rank in the n-best list.")
    first: WholeNumber = Field(default=0, ge=0, description="First trial to run, counted from 0.")
    count: WholeNumber | None = Field(default=None, ge=1, description="Number of trials to run; null for all.")

    @property
    def end(self) -> int | None:
        """The trial after the last one to run; None for no end."""
        return None if self.count is None else self.first + self.count


class SubstitutesAsked(Asked):
    """Other words for one word."""

    word: WholeNumber = Field(
        ge=0, description="Number of the source word, or of a token of the target word; counted from 0."
    )
    side: Owner = Field(default="source", description="Text that has the word.")
    texts: list[str] | None = Field(
        default=None,
        max_length=MAX_SUBSTITUTES,
        description="The words to write in its place; null for those that are nearest in the model's embeddings.",
    )


class WhatIfsAsked(PartAsked):
    """The what-ifs to try."""

    kinds: list[Kind] = Field(
        default=[Kind.WORDS],
        min_length=1,
        description="`words`: every other word of the top k at every step; `heads`: every head ablated; `substitutes`: "
        "those of `substitutes`.",
    )
    substitutes: SubstitutesAsked | None = None


class AttentionAsked(PartAsked):
    """The word that attention is wanted for."""

    step: WholeNumber = Field(ge=0, description="Target step, counted from 0.", examples=[3])
    token: str = Field(default="", description="A token of the target vocabulary.", examples=["1"])
    rank: WholeNumber | None = Field(
        default=None, ge=0, description="The token of this rank in the top k of the step, in place of `token`."
    )


class SweepAsked(Asked):
    """The settings to translate with; those of the request are not used."""

    request: RequestDocument = Field(examples=[{"model_id": "dates", "source": "March 3, 1999"}])
    beam_sizes: list[Annotated[WholeNumber, Field(ge=1, le=MAX_BEAM_SIZE)]] = Field(
        default=list(BEAM_SIZES), description="Ascending."
    )
    length_penalties: list[Annotated[Number, Field(ge=-MAX_LENGTH_PENALTY, le=MAX_LENGTH_PENALTY)]] = Field(
        default=list(LENGTH_PENALTIES), description="Ascending."
    )


class NeighborsAsked(Asked):
    """A state whose neighbors are wanted: of one token of the source, or of one step of a hypothesis."""

    request: RequestDocument
    space: str = Field(description="Name of a space of the model.", examples=["decoder"])
    step: WholeNumber = Field(
        ge=0, description="Target step, or position in the source; 0 for the first token.", examples=[3]
    )
    hypothesis: WholeNumber = Field(default=0, ge=0, description="Rank in the n-best list; unused in a source space.")
    k: WholeNumber = Field(default=20, ge=1, le=MAX_NEIGHBORS, description="How many neighbors.")


class ProjectAsked(Asked):
    """The wanted neighborhood: every state of a source or a hypothesis with its neighbors, on a map."""

    request: RequestDocument
    space: str = Field(description="Name of a space of the model.", examples=["decoder"])
    map: MapKind = Field(
        default="mds",
        description="`mds`, `pca`, `tsne`: a map of this neighborhood; `umap`, `landmark_mds`: the corpus map.",
    )
    hypothesis: WholeNumber = Field(default=0, ge=0, description="Rank in the n-best list; unused in a source space.")
    k: WholeNumber = Field(default=20, ge=1, le=MAX_NEIGHBORS, description="Neighbors of each state.")


class ProjectionAsked(Asked):
    """The wanted corpus map."""

    model_id: str = Field(description="Name of an exported model.", examples=["dates"])
    space: str = Field(description="Name of a space of the model.", examples=["decoder"])
    map: GlobalMapKind = "umap"
    limit: int = Field(default=MAX_BACKGROUND, ge=1, le=MAX_BACKGROUND, description="Most points returned.")


class Nothing(Asked):
    """A call that takes no parameters."""


class Answer(BaseModel):
    """Base of what the API returns."""

    model_config = ConfigDict(frozen=True)


class ErrorDocument(Answer):
    """The reason for which a call was not answered."""

    error: str = Field(description="One sentence for people: what, where, what to do.")
    field: str = Field(default="", description="The part of the call at fault, dots between levels.")


class WhatIfAnswer(Answer):
    """The translation of a changed request."""

    words: str = Field(description="The change as a short phrase.", examples=["5: “5” → “6”"])
    trace: TraceDocument = Field(description="The trace of the changed request, which it names in `request`.")


class ProjectionDocument(Answer):
    """A sample of the states of a corpus on its map; the lists run in parallel."""

    model_id: str
    store_id: str
    space: str
    map: GlobalMapKind
    rows: list[int] = Field(description="Row of each state in the store.")
    x: list[float]
    y: list[float]
    tokens: list[str] = Field(description="The token each state belongs to.")


class SpaceEntry(Answer):
    """A space of states of a model."""

    name: str
    owner: Owner
    size: int
    meaning: str
    layer: int | None = Field(description="Layer of the encoder or decoder, counted from 0.")
    stage: Stage | None = Field(description="Stage of a translation that the states belong to.")
    kind: SpaceKind = Field(
        description="`recorded` by every search, computed `on_demand`, or a `table` with one row a token."
    )
    indexed: bool = Field(description="Whether the model's store holds the space.")


class ModelEntry(Answer):
    """An exported model of the workspace."""

    model_id: str
    architecture: str
    content_hash: str
    spaces: list[SpaceEntry]
    store_id: str | None = Field(description="The state store that answers for it, if one is published.")
    store_error: str = Field(default="", description="Why a store that names the model cannot answer for it.")


class Unreadable(Answer):
    """An artefact that cannot be opened, and why."""

    name: str
    error: str


class ModelsDocument(Answer):
    """Content of the workspace."""

    models: list[ModelEntry]
    unreadable: list[Unreadable]


class HealthDocument(Answer):
    """The process is up."""

    status: Literal["up"] = "up"


class ReadyDocument(Answer):
    """Whether there is something to serve, and what is missing."""

    ready: bool
    models: list[str] = Field(description="Models that open and can answer.")
    missing: list[str] = Field(description="A sentence for each thing that is missing or damaged.")
