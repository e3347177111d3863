"""A workspace opened from Python."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from beamscope import settings
from beamscope.python.translation import Translation
from dashboard.neighborhoods import NeighborhoodCache
from dashboard.services import Services
from exported_models.completion import tokenize_target
from exported_models.contract.documents import RequestDocument
from exported_models.contract.request import EarlyStopping, Request
from exported_models.contract.wishes import Force, SetLanguages, SetSearch, StartOver
from exported_models.edits import revise, start
from exported_models.engine import Engine
from exported_models.runtime.languages import speak
from state_store.catalog import StoreCatalog


def open_workspace(folder: str | os.PathLike[str] = ".", *, threads: int | None = None) -> Workspace:
    """Open the exported models and state stores of a folder; nothing is loaded before it is asked for.

    Args:
        folder: the workspace; a leading ``~`` is the home folder.
        threads: cores that one call may use; None for a number that fits the model.

    Raises:
        BeamscopeError: a file stands there, or a link that leads nowhere.

    >>> open_workspace(folder).models
    ('dates',)
    """
    return Workspace(open_services(Engine(settings.resolve_workspace(Path(folder)), threads=threads)))


class Workspace:
    """The models and stores of a folder. Safe to use from many threads; answers are cached.

    Made by `beamscope.open`.
    """

    def __init__(self, services: Services) -> None:
        self._services = services

    def __repr__(self) -> str:
        return f"<Workspace {self.folder}: {', '.join(self.models) or 'no models'}>"

    @property
    def folder(self) -> Path:
        """The folder."""
        return self._services.workspace.root

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the exported models, sorted."""
        return self._services.workspace.model_ids()

    def translate(
        self,
        model: str,
        text: str,
        *,
        beam_size: int | None = None,
        length_penalty: float | None = None,
        max_length: int | None = None,
        early_stopping: EarlyStopping | None = None,
        top_k: int = 5,
        repetition_penalty: float | None = None,
        min_length: int | None = None,
        ngram_size: int | None = None,
        source_ngram_size: int | None = None,
        prefix: str | Sequence[str] = (),
        source_language: str | None = None,
        target_language: str | None = None,
    ) -> Translation:
        """Decode a text and record everything that the search did.

        Args:
            model: name of an exported model.
            text: the source, up to 2,000 characters; eight a token for a model that reads over 1,024 tokens.
            beam_size: hypotheses kept at each step, 1 to 100; None, here and below, for the model's own value.
            length_penalty: exponent of the length that divides a score.
            max_length: most target tokens, end of sentence and prefix included.
            early_stopping: ``"estimate"``, ``"first"`` or ``"never"``.
            top_k: most probable next tokens recorded at each step, 1 to 100.
            repetition_penalty: factor by which tokens score less that the target has already; 1 for none.
            min_length: fewest target tokens, end of sentence and prefix included.
            ngram_size, source_ngram_size: sizes of n-grams that the target may not repeat, and of those of the source
                that it may not have; 0 for none.
            prefix: text, or target tokens, that every hypothesis begins with.
            source_language, target_language: codes of languages, for a model of several.

        Raises:
            BeamscopeError: the model is unknown or damaged, or the request cannot be answered as asked.

        >>> ws.translate("dates", "03/04/05", beam_size=2).texts
        ('2005-03-04', '2005-09-04')
        """
        request = revise(start(StartOver(text, model)), SetLanguages(source_language, target_language))
        search = SetSearch(
            beam_size,
            length_penalty,
            max_length,
            early_stopping,
            top_k,
            repetition_penalty,
            min_length,
            ngram_size,
            source_ngram_size,
        )
        request = revise(request, search)
        return self._answer(revise(request, Force(self._read_prefix(request, prefix))))

    def answer(self, request: Request | dict[str, object]) -> Translation:
        """Decode a request, for instance ``t.request`` or ``t.to_dict()["request"]`` of an earlier translation.

        Raises:
            ValueError: the dictionary is no request.
            BeamscopeError: the request cannot be answered as asked.

        >>> ws.answer({"model_id": "dates", "source": "03/04/05", "prefix": ["1"]}).text
        '1955-03-04'
        """
        asked = request if isinstance(request, Request) else RequestDocument.model_validate(request).to_request()
        return self._answer(asked)

    def _answer(self, request: Request) -> Translation:
        return Translation(self._services.trace(request), services=self._services)

    def _read_prefix(self, request: Request, prefix: str | Sequence[str]) -> tuple[str, ...]:
        if not isinstance(prefix, str):
            return tuple(prefix)
        model = speak(self._services.engine.model(request.model_id), request)
        return tokenize_target(prefix, model, end=False).tokens if prefix else ()


def open_services(engine: Engine) -> Services:
    """The stores and neighborhoods of a workspace beside its engine."""
    workspace = engine.workspace
    return Services(workspace, engine, StoreCatalog(workspace, engine), NeighborhoodCache())
