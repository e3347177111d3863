"""An exported model as an analyst's request uses it, with nothing remembered of whole answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from exported_models.completion import complete_request, search_settings
from exported_models.contract.request import Request
from exported_models.contract.source import Source
from exported_models.contract.trace import Trace
from exported_models.runtime.model import ExportedModel
from exported_models.search.recording import Recording
from exported_models.search.search import record_source, search

BEAM_SIZE = 5


@dataclass(frozen=True, slots=True)
class Traced:
    """A model and its searches; ``max_length`` is that of every request, None for the model's own."""

    model: ExportedModel
    max_length: int | None = None

    def ids(self, line: str) -> tuple[int, ...]:
        return self.model.source_tokenizer.encode(line, end=True).ids

    def tokens(self, line: str) -> tuple[str, ...]:
        return self.model.source_tokenizer.encode(line, end=True).tokens

    def trace(self, line: str, prefix: Sequence[str] = ()) -> Trace:
        """A sentence decoded from nothing."""
        source = self.model.read_source(line)
        return self._search(source, prefix, record_source(self.model, source))

    def record(self, line: str) -> Recording:
        """A sentence encoded."""
        return record_source(self.model, self.model.read_source(line))

    def go_on(self, line: str, prefix: Sequence[str], recording: Recording) -> Trace:
        """A sentence decoded with what is recorded of it."""
        return self._search(self.model.read_source(line), prefix, recording)

    def _search(self, source: Source, prefix: Sequence[str], recording: Recording) -> Trace:
        name = self.model.manifest.model_id
        asked = Request(name, source.payload, tuple(prefix), beam_size=BEAM_SIZE, max_length=self.max_length)
        request = complete_request(asked, self.model)
        return search(self.model, request, search_settings(request, self.model), source, recording)
