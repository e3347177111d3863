"""What views and the HTTP API ask: one engine and one catalog of stores an app."""

from __future__ import annotations

from dataclasses import dataclass

from dashboard.page_state import PageState
from exported_models.engine import Engine
from exported_models.request import Request
from exported_models.trace import Hypothesis, Trace
from exported_models.workspace import Workspace
from state_store.catalog import StoreCatalog
from state_store.store import StateStore


@dataclass(frozen=True, slots=True)
class Services:
    """Made once an app; everything in it is thread-safe."""

    workspace: Workspace
    engine: Engine
    stores: StoreCatalog

    @classmethod
    def open(cls, workspace: Workspace) -> Services:
        """The services of a workspace; models and stores are opened when they are first asked for."""
        engine = Engine(workspace)
        return cls(workspace, engine, StoreCatalog(workspace, engine))

    def trace(self, request: Request) -> Trace:
        """The trace of a request, cached by the engine."""
        return self.engine.translate(request)

    def chosen(self, state: PageState) -> tuple[Trace, Hypothesis]:
        """The trace the page shows and the hypothesis chosen in it."""
        trace = self.trace(state.request)
        return trace, state.hypothesis_of(trace)

    def store(self, model_id: str) -> StateStore | None:
        """The newest store built with a model, or None."""
        return self.stores.store_for(model_id)
