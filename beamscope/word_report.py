"""The words nearest to a token in a table of word embeddings, as text and as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from beamscope.text_tables import format_table, quote_token
from exported_models.contract.errors import RequestError
from exported_models.contract.request import Request
from exported_models.contract.source import Source
from exported_models.contract.trace import Hypothesis, Trace
from exported_models.engine import Engine
from exported_models.search.word_table import NearWord

_HEADER = ("", "cosine", "token")
_NUMBERS = frozenset({0, 1})


@dataclass(frozen=True, slots=True)
class NearWords:
    """A token of a translation and the words near it."""

    space: str
    position: int
    token_id: int
    token: str
    words: tuple[NearWord, ...]

    def to_document(self) -> dict[str, Any]:
        """The value that the command prints with ``--json``."""
        return asdict(self)

    def describe(self) -> str:
        """The words as text, without a line break at the end."""
        head = f"{self.space} of {quote_token(self.token)}"
        rows = [
            (str(rank), f"{word.similarity:.4f}", quote_token(word.token)) for rank, word in enumerate(self.words, 1)
        ]
        return "\n".join([head, "", *format_table([_HEADER, *rows], right=_NUMBERS)])


def find_near_words(engine: Engine, request: Request, space: str, position: int, k: int) -> NearWords | None:
    """The ``k`` words nearest to a token of a request's source or best hypothesis; None where the space is no table.

    Raises:
        RequestError: there is no token at the position.
    """
    spaces = engine.model(request.model_id).manifest.spaces
    if not any(spec.kind == "table" and spec.name == space for spec in spaces):
        return None
    trace = engine.translate(request)
    return look_up_near_words(engine, trace, trace.best, space, position, k)


def look_up_near_words(
    engine: Engine, trace: Trace, hypothesis: Hypothesis, space: str, position: int, k: int
) -> NearWords:
    """The ``k`` words nearest to a token of a trace's source or of a hypothesis.

    Raises:
        ModelError: the space is no table of embeddings; the message lists the tables.
        RequestError: there is no token at the position.
    """
    model_id = trace.request.model_id
    table = engine.word_table(model_id, space)
    owner = engine.model(model_id).manifest.space(space).owner
    of = trace.source if owner == "source" else hypothesis
    ids, tokens = (of.ids, of.tokens) if isinstance(of, Source) else (of.token_ids, of.tokens)
    if not 0 <= position < len(ids):
        raise RequestError(
            f"There is no {owner} token at position {position}: there are {len(ids)}, counted from 0.", field="step"
        )
    return NearWords(space, position, ids[position], tokens[position], table.nearest(ids[position], k))
