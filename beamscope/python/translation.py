"""A translation with everything that the search did, as an immutable value."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from beamscope.python.verbs import Verbs
from beamscope.word_report import look_up_near_words
from beamscope.written_files import write_file
from dashboard.services import Services
from dashboard.state.page_state import PageState
from dashboard.table_columns import FileKind, TableName
from dashboard.tables import make_table, write_table
from exported_models.contract.arrays import Floats
from exported_models.contract.documents import TraceDocument
from exported_models.contract.errors import RequestError
from exported_models.contract.request import CompletedRequest
from exported_models.contract.trace import Hypothesis, TokenChoice, Trace
from exported_models.contract.wishes import Wish, read_wish
from exported_models.engine import ForcedScore
from exported_models.search.states import find_states
from exported_models.search.word_table import NearWord
from exported_models.what_ifs.sweep import BEAM_SIZES, LENGTH_PENALTIES

if TYPE_CHECKING:
    from beamscope.python.comparison import Comparison
    from beamscope.python.figures import Figure, View
    from beamscope.python.neighbors import Neighbors
    from beamscope.python.what_ifs import AttentionSearch, Report, Sweep, TriedKind, WhatIfs


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Translation(Verbs):
    """One answered request, and the hypothesis of it that is looked at. Made by `Workspace.translate`.

    T is the number of target tokens, end of sentence included; S that of source tokens. Scores are natural
    log-probabilities.

    Attributes:
        trace: the record of the search (`exported_models.contract.trace.Trace`).
        rank: place in `Trace.hypotheses` of the hypothesis that is looked at; 0 is the best.
        words: what the last change was, in a short phrase; empty for a translation that no change made.
        origin: the translation that was changed; None where none was.
        services: the engine and the stores that answered.
    """

    trace: Trace
    rank: int = 0
    words: str = ""
    origin: Translation | None = None
    services: Services = field(kw_only=True)

    def __repr__(self) -> str:
        return f"<Translation by {self.model} of {self.source!r}: {self.text!r}, {self.normalized:.4f} a token>"

    @property
    def model(self) -> str:
        """Name of the model."""
        return self.trace.request.model_id

    @property
    def source(self) -> str:
        """The source text."""
        return self.trace.request.source

    @property
    def request(self) -> CompletedRequest:
        """The request as answered, every setting filled in."""
        return self.trace.request

    @property
    def hypothesis(self) -> Hypothesis:
        """The hypothesis that is looked at."""
        return self.trace.hypotheses[self.rank]

    @property
    def text(self) -> str:
        """The hypothesis as text."""
        return self.hypothesis.text

    @property
    def texts(self) -> tuple[str, ...]:
        """The n-best list as texts, best first, and after it the other ends of kept paths."""
        return tuple(hypothesis.text for hypothesis in self.trace.hypotheses)

    @property
    def tokens(self) -> tuple[str, ...]:
        """The T target tokens."""
        return self.hypothesis.tokens

    @property
    def source_tokens(self) -> tuple[str, ...]:
        """The S source tokens, as the encoder read them."""
        return self.trace.source.tokens

    @property
    def log_probs(self) -> Floats:
        """[T] float32 log-probability of each target token."""
        return np.array(self.hypothesis.log_probs, np.float32)

    @property
    def score(self) -> float:
        """Summed log-probability of the hypothesis, penalized where the model has a repetition penalty."""
        return self.hypothesis.score

    @property
    def normalized(self) -> float:
        """The score over the length to the power of the length penalty, by which hypotheses are ranked."""
        return self.hypothesis.normalized

    @property
    def attention(self) -> Floats | None:
        """[T, layers, heads, S] float32 cross-attention as used; None for a model without attention.

        >>> t.attention.shape
        (11, 1, 1, 9)
        """
        return self.trace.attention(self.hypothesis)

    @property
    def top_k(self) -> tuple[tuple[TokenChoice, ...], ...]:
        """The most probable tokens at each of the T steps, best first.

        >>> [(choice.token, round(choice.probability, 1)) for choice in t.top_k[6][:2]]
        [('3', 0.8), ('9', 0.1)]
        """
        return self.trace.top_k(self.hypothesis)

    def look_at(self, rank: int) -> Translation:
        """The same answer with another hypothesis in view.

        Raises:
            BeamscopeError: the list is shorter.

        >>> t.look_at(1).text
        '2005-09-04'
        """
        if not 0 <= rank < len(self.trace.hypotheses):
            found = len(self.trace.hypotheses)
            raise RequestError(
                f"There is no hypothesis {rank}: the search found {found}, counted from 0.", field="rank"
            )
        return replace(self, rank=rank)

    def change(self, wish: Wish | Mapping[str, Any], *, beside: Translation | None = None) -> Translation:
        """Decode again with one change: a wish, or its JSON form, as ``POST /api/v1/what-if`` takes it.

        Args:
            beside: the translation that ``copy_attention`` with ``"beside": true`` copies from.

        Raises:
            ValueError: the JSON is no wish.
            BeamscopeError: the wish cannot be granted; the message says why.

        >>> t.change({"verb": "choose", "step": 6, "rank": 1}).words
        '7: “3” → “9”'
        """
        asked = read_wish(wish) if isinstance(wish, Mapping) else wish
        other = (beside.trace, beside.hypothesis) if beside else None
        edit = self.services.edit(asked, self.trace, self.hypothesis, other)
        return replace(self, trace=self.services.trace(edit.request), rank=0, words=edit.words, origin=self)

    def score_target(self, target: str) -> ForcedScore:
        """Score a target text under this request; `ForcedScore` has its tokens, log-probabilities and ranks.

        Raises:
            BeamscopeError: the text is empty, or the vocabulary cannot express it.

        >>> [int(rank) for rank in t.score_target("2005-04-03").ranks]
        [0, 0, 0, 0, 0, 0, 3, 0, 0, 4, 0]
        """
        return self.services.engine.score(self.request.as_request(), target)

    def states(self, space: str) -> Floats:
        """[tokens, size] float32 states of a space: a row a source token, or one a target token that it predicts.

        Raises:
            BeamscopeError: the model has no such space; the message lists the known ones.

        >>> t.states("encoder").shape, t.states("decoder").shape
        ((9, 192), (11, 160))
        """
        return find_states(self.services.engine.model(self.model), self.trace, space, self.hypothesis)

    def neighbors(self, step: int, space: str = "decoder", k: int = 10) -> Neighbors:
        """The training states nearest to a state of this translation, its own sentence left out.

        Args:
            step: target step; in a space of the source the source position.
            k: how many, 1 to 200.

        Raises:
            BeamscopeError: there is no state store for the model, no such space, or no token at the step.

        >>> len(t.neighbors(6, k=3))
        3
        """
        from beamscope.python.neighbors import find_neighbors

        return find_neighbors(self.services, self.trace, self.rank, space, step, k)

    def near_words(self, step: int, space: str = "target_embedding", k: int = 10) -> tuple[NearWord, ...]:
        """The words of the vocabulary nearest to a token in the model's own embeddings, largest cosine first.

        Args:
            step: target step; for ``source_embedding`` the source position.

        Raises:
            BeamscopeError: the space is no table of embeddings, or there is no token at the step.

        >>> sorted(word.token for word in t.near_words(6, k=3))
        ['-', '2', '5']
        """
        return look_up_near_words(self.services.engine, self.trace, self.hypothesis, space, step, k).words

    def compare(self, other: Translation, reference: str | None = None) -> Comparison:
        """This translation beside another one of the same workspace, of the same model or of another.

        Args:
            other: what comes after; this one is what was before.
            reference: a translation that both are held against: BLEU, chrF and forced scores.

        Raises:
            BeamscopeError: the other one is of another workspace, or the reference is empty, too long, or holds a
                control character.

        >>> t.compare(t.choose(6, 1)).changed_words
        1
        """
        from beamscope.python.comparison import compare

        return compare(self, other, reference)

    def what_ifs(
        self,
        *kinds: TriedKind,
        substitutes: Mapping[int, Sequence[str]] | None = None,
        report: Report = lambda _: None,
    ) -> WhatIfs:
        """Try many changes together and rank them by the share of words that each changes.

        Args:
            kinds: ``"words"``, every other word of the top k at each step, which is tried where nothing is named;
                ``"heads"``, every head of attention ablated.
            substitutes: number of a source word to the texts that are written in its place, one at a time; no texts
                for the words that are nearest in the model's embeddings.
            report: called with the number of what-ifs that were answered since its last call, for instance the
                ``update`` of a tqdm bar.

        Raises:
            BeamscopeError: there is no such kind. A change that is refused is listed with its reason.

        >>> t.what_ifs(substitutes={0: ["May 1", "05/04/05"]}).trials[0].words
        '“03/04/05” → “May 1”'
        """
        from beamscope.python.what_ifs import try_what_ifs

        return try_what_ifs(self, kinds, substitutes or {}, report)

    def sweep(
        self,
        beam_sizes: Sequence[int] = BEAM_SIZES,
        length_penalties: Sequence[float] = LENGTH_PENALTIES,
        *,
        report: Report = lambda _: None,
    ) -> Sweep:
        """Decode the request under every combination of beam size and length penalty.

        Args:
            beam_sizes, length_penalties: ascending, without repetition; at most 500 combinations.
            report: as of `what_ifs`.

        Raises:
            BeamscopeError: there are no settings or too many, they are not ascending, or one cannot be answered.

        >>> t.sweep(range(1, 3), [0.0, 1.0]).texts
        ('2005-03-04', '2005-09-04')
        """
        from beamscope.python.what_ifs import sweep_search

        return sweep_search(self, beam_sizes, length_penalties, report)

    def find_attention(self, step: int, token: str, *, report: Report = lambda _: None) -> AttentionSearch:
        """Find the smallest change of attention that makes a token the most probable one at a step.

        All weight of the step is put on each source position in turn: of all heads, then of each layer, then of each
        head.

        Args:
            token: of the target vocabulary, as `tokens` and `top_k` write it.
            report: as of `what_ifs`.

        Raises:
            BeamscopeError: the model has no attention, the translation no such step, or the vocabulary no such token.

        >>> found = t.find_attention(6, "4")
        >>> found.best.succeeds, t.change(found.best.wish).text
        (True, '2005-04-04')
        """
        from beamscope.python.what_ifs import find_attention

        return find_attention(self, step, token, report)

    def plot(self, view: View = "translation", **options: Any) -> Figure:
        """A view of the page as a figure, which a notebook shows and `Figure.save` writes.

        Args:
            view: ``translation`` (words, links, top k), ``matrix``, ``tree``, ``map`` or ``neighbors``.
            options: values of the page's controls: ``layer``, ``head`` (a number, ``"best"`` or ``"mean"``), ``mass``
                (percent of attention that links carry), ``space``, ``method`` of a map, ``extent`` of the tree
                (``"kept"`` or ``"all"``), ``step`` of the neighbors, ``width`` (pixels), ``title``.

        Raises:
            BeamscopeError: the model lacks what the view shows, or an option is unknown; the message says which.

        >>> t.plot("matrix").title
        'Attention of dates: 03/04/05'
        """
        from beamscope.python.figures import plot

        return plot(self.services, to_page_state(self), view, options)

    def to_dict(self) -> dict[str, Any]:
        """The record as a JSON value, states left out: what ``beamscope translate --json`` prints.

        >>> t.to_dict()["text"]
        '2005-03-04'
        """
        return TraceDocument.of(self.trace, self.rank).model_dump(mode="json", exclude_defaults=True)

    def to_columns(self, table: TableName = "hypotheses") -> dict[str, list[Any]]:
        """A table of the search, column name to values: ``pandas.DataFrame(t.to_columns())``.

        Args:
            table: ``hypotheses`` (a row a token of every one, kept paths included), ``candidates`` (of every step, with
                their fate), ``top_k`` or ``attention``; `dashboard.table_columns.COLUMNS` has the columns.

        >>> columns = t.to_columns()
        >>> parts = [part for part, rank in zip(columns["score_part"], columns["hypothesis"]) if rank == 0]
        >>> abs(sum(parts) - t.score) < 1e-9
        True
        """
        return make_table(table, self.trace, self.rank).to_columns()

    def save_table(self, path: str | os.PathLike[str], table: TableName = "hypotheses") -> Path:
        """Write a table of the search as CSV, or as Parquet where the name ends in ``.parquet``.

        Raises:
            BeamscopeError: pyarrow, which Parquet needs, is not installed, or the file cannot be written.
        """
        written = Path(path)
        kind: FileKind = "parquet" if written.suffix == ".parquet" else "csv"
        write_file(written, write_table(make_table(table, self.trace, self.rank), kind))
        return written

    def _read(self, text: str | Sequence[str]) -> tuple[str, ...]:
        if not isinstance(text, str):
            return tuple(text)
        return self.services.engine.target_text(self.model).read(text, ends=False) if text else ()

    def _repr_html_(self) -> str:
        return self.plot()._repr_html_()


def to_page_state(translation: Translation) -> PageState:
    """The state of a page that shows a translation."""
    return PageState(translation.request.as_request(), translation.rank)
