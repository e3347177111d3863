"""The services that the page and the HTTP API share: one engine and one catalog of stores an app."""

from __future__ import annotations

from dataclasses import dataclass, field

from dashboard.drawing.picture import DEFAULT_ROOM, Picture, lay_out_picture
from dashboard.drawing.words import PairText
from dashboard.neighborhoods import NeighborhoodCache
from dashboard.state.page_state import PageState
from dashboard.state.session import SessionDocument
from dashboard.suggestions import SuggestionCache
from exported_models.contract.errors import ArtefactError
from exported_models.contract.request import DEFAULT_REQUEST_BYTES, Request
from exported_models.contract.trace import Hypothesis, Trace
from exported_models.contract.wishes import Wish
from exported_models.contract.workspace import Workspace
from exported_models.edits import Answer, Edit, apply
from exported_models.engine import Engine
from state_store.catalog import StoreCatalog
from state_store.errors import StoreError
from state_store.store import StateStore


@dataclass(frozen=True, slots=True)
class Services:
    """Made once an app; everything in it is thread-safe."""

    workspace: Workspace
    engine: Engine
    stores: StoreCatalog
    neighborhoods: NeighborhoodCache
    session: SessionDocument | None = None
    suggestions: SuggestionCache = field(default_factory=SuggestionCache)

    @classmethod
    def open(
        cls,
        workspace: Workspace,
        request_bytes: int = DEFAULT_REQUEST_BYTES,
        session: SessionDocument | None = None,
    ) -> Services:
        """The services of a workspace; models and stores are opened when they are first asked for.

        Args:
            request_bytes: largest estimated record of a request that is answered.
            session: a session to offer by name; None for none.
        """
        engine = Engine(workspace, request_bytes=request_bytes)
        return cls(workspace, engine, StoreCatalog(workspace, engine), NeighborhoodCache(), session)

    def trace(self, request: Request) -> Trace:
        """The trace of a request, cached by the engine."""
        return self.engine.translate(request)

    def chosen(self, state: PageState) -> tuple[Trace, Hypothesis]:
        """The trace of a pane's request and the hypothesis chosen in it."""
        trace = self.trace(state.request)
        return trace, state.hypothesis_of(trace)

    def edit(self, wish: Wish, trace: Trace, hypothesis: Hypothesis, beside: Answer | None = None) -> Edit:
        """`exported_models.edits.apply`, with the texts of the trace's model."""
        model_id = trace.request.model_id
        return apply(wish, trace, hypothesis, self.token_text(model_id), self.engine.target_text(model_id), beside)

    def picture(self, state: PageState, room: float = DEFAULT_ROOM) -> Picture:
        """The chosen hypothesis laid out in ``room`` pixels."""
        trace, hypothesis = self.chosen(state)
        return lay_out_picture(trace, hypothesis, self.token_text(state.request.model_id), room)

    def token_text(self, model_id: str) -> PairText:
        """The writer of a model's tokens."""
        return PairText.of(self.engine.model(model_id))

    def store(self, model_id: str) -> StateStore | None:
        """The newest store built with a model, or None; raises where stores name the model and none can be used."""
        return self.stores.store_for(model_id)

    def store_or_reason(self, model_id: str) -> tuple[StateStore | None, str]:
        """The newest store, or None and what is wrong with it; the reason is empty where there is no store at all.

        While a build publishes its model and then its store, the published store still belongs to the model before.
        """
        self.engine.model(model_id)
        try:
            return self.store(model_id), ""
        except (StoreError, ArtefactError) as error:
            return None, str(error)

    def example(self, model_id: str) -> str | None:
        """A source text to begin with: the first of the corpus that the model was indexed with, or None."""
        store, _ = self.store_or_reason(model_id)
        return None if store is None else store.pair(0).source
