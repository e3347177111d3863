"""Many what-ifs of one translation: tried together, swept over settings of the search, or searched for a word."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from beamscope.python.html import write_html
from beamscope.python.translation import Translation, to_page_state
from beamscope.text_tables import Block, write_text
from beamscope.what_if_text import describe_attention_search, describe_sweep, describe_trials
from dashboard.chosen_word import list_substitutes
from exported_models.contract.documents import RequestDocument
from exported_models.contract.errors import RequestError
from exported_models.contract.wishes import Wish
from exported_models.what_ifs import attention, sweep
from exported_models.what_ifs.documents import AttentionSearchDocument, SweepDocument, WhatIfsDocument
from exported_models.what_ifs.listing import Kind, list_wishes
from exported_models.what_ifs.trials import Trial, measure_steps, rank_trials, try_wishes

TriedKind = Literal["words", "heads"]
Report = Callable[[int], object]
"""Called with the number of what-ifs that were answered since its last call."""


class _Told(ABC):
    """A result that says what was found, in a terminal and in a notebook."""

    __slots__ = ()

    @abstractmethod
    def _describe(self) -> Iterator[Block]: ...

    def __str__(self) -> str:
        return write_text(self._describe())

    def _repr_html_(self) -> str:
        return write_html(self._describe())


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class WhatIfs(_Told):
    """What-ifs of one translation, those that change most first; iterates over them. Made by `Translation.what_ifs`.

    Attributes:
        before: the translation that each of them changes.
        trials: each with its wish, which `Translation.change` takes, its ``words``, translation, share of changed words
            and score change (`exported_models.what_ifs.trials.Trial`).
    """

    before: Translation
    trials: tuple[Trial, ...]

    def __repr__(self) -> str:
        return f"<{len(self)} what-ifs of {self.before.text!r}>"

    def __iter__(self) -> Iterator[Trial]:
        return iter(self.trials)

    def __len__(self) -> int:
        return len(self.trials)

    @property
    def steps(self) -> list[float | None]:
        """For each target token, the mean share of words that another word there changes; None where none was tried."""
        return measure_steps(self.trials, len(self.before.tokens))

    def to_dict(self) -> dict[str, Any]:
        """The document that ``beamscope what-ifs --json`` prints; its ``trials`` make a data frame."""
        request = RequestDocument.of(self.before.request)
        document = WhatIfsDocument.of(request, self.before.hypothesis, self.trials, len(self))
        return document.model_dump(mode="json")

    def _describe(self) -> Iterator[Block]:
        return describe_trials(self.before.hypothesis, self.trials)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Sweep(_Told):
    """A translation under all combinations of beam size and length penalty. Made by `Translation.sweep`.

    Attributes:
        found: hypotheses with their rank under each setting, winners, and which hypotheses appear, move and vanish
            (`exported_models.what_ifs.sweep.Sweep`).
    """

    found: sweep.Sweep

    def __repr__(self) -> str:
        beams, penalties = len(self.found.beam_sizes), len(self.found.length_penalties)
        return f"<Sweep of {self.found.request.source!r}: {beams} beam sizes, {penalties} length penalties>"

    @property
    def texts(self) -> tuple[str, ...]:
        """All hypotheses as texts, those that win most settings first."""
        return tuple(hypothesis.text for hypothesis in self.found.hypotheses)

    def to_dict(self) -> dict[str, Any]:
        """The document that ``beamscope sweep --json`` prints."""
        return SweepDocument.of(self.found).model_dump(mode="json")

    def _describe(self) -> Iterator[Block]:
        return describe_sweep(self.found)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class AttentionSearch(_Told):
    """Attention that was tried for a wanted token. Made by `Translation.find_attention`.

    Attributes:
        before: the translation with the attention as it is.
        found: the token's probability before, and every trial (`exported_models.what_ifs.attention.AttentionSearch`).
    """

    before: Translation
    found: attention.AttentionSearch

    def __repr__(self) -> str:
        answer = "found" if self.best.succeeds else "not found"
        return f"<Attention for {self.found.token!r} at step {self.found.step} of {self.before.text!r}: {answer}>"

    @property
    def best(self) -> attention.TriedAttention:
        """The smallest change that succeeds, or else the nearest; `Translation.change` takes its ``wish``."""
        return self.found.best

    def to_dict(self) -> dict[str, Any]:
        """The document that ``beamscope find-attention --json`` prints."""
        return AttentionSearchDocument.of(self.found, self.before.source_tokens).model_dump(mode="json")

    def _describe(self) -> Iterator[Block]:
        return describe_attention_search(self.found, self.before.trace)


def try_what_ifs(
    before: Translation, kinds: Sequence[TriedKind], substitutes: Mapping[int, Sequence[str]], report: Report
) -> WhatIfs:
    """Try every what-if of these kinds; see `Translation.what_ifs`."""
    services, wishes = before.services, _list_wishes(before, kinds, substitutes)
    text = services.token_text(before.model)
    trials = try_wishes(services.engine, before.trace, before.hypothesis, wishes, text, report)
    return WhatIfs(before, tuple(rank_trials(trials)))


def _list_wishes(
    before: Translation, kinds: Sequence[TriedKind], substitutes: Mapping[int, Sequence[str]]
) -> list[Wish]:
    manifest = before.services.engine.model(before.model).manifest
    asked = [_find_kind(kind) for kind in kinds] or ([] if substitutes else [Kind.WORDS])
    wishes = list_wishes(asked, manifest, before.trace, before.hypothesis)
    state = to_page_state(before)
    for word, texts in substitutes.items():
        wishes += list_substitutes(before.services, state, "source", word, texts or None)
    return wishes


def _find_kind(kind: str) -> Kind:
    known = get_args(TriedKind)
    if kind not in known:
        raise RequestError(f"There is no kind of what-if {kind!r}; choose from {', '.join(known)}.", field="kinds")
    return Kind(kind)


def sweep_search(
    before: Translation, beam_sizes: Sequence[int], length_penalties: Sequence[float], report: Report
) -> Sweep:
    """Decode under every combination of settings; see `Translation.sweep`."""
    request = before.request.as_request()
    return Sweep(sweep.sweep(before.services.engine, request, tuple(beam_sizes), tuple(length_penalties), report))


def find_attention(before: Translation, step: int, token: str, report: Report) -> AttentionSearch:
    """Try the attention of a step for a wanted token; see `Translation.find_attention`."""
    engine, trace, shown = before.services.engine, before.trace, before.hypothesis
    return AttentionSearch(before, attention.find_attention(engine, trace, shown, step, token, report=report))
