"""Short phrases for people that name the change of an edit, as the history shows them.

Steps, layers and heads are counted from 1 here, as on the page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from exported_models.contract.request import AttentionOverride, HeadAblation, Request
from exported_models.contract.trace import Hypothesis, PrunedBy, Trace
from exported_models.contract.wishes import CopyAttention, SetLanguages, SetSearch

_SETTINGS: Final = {
    "beam_size": "beam",
    "length_penalty": "length α",
    "max_length": "length at most",
    "early_stopping": "early stopping",
    "top_k": "top",
    "repetition_penalty": "repetition penalty",
    "min_length": "length at least",
    "ngram_size": "no-repeat n-gram",
    "source_ngram_size": "no-repeat n-gram of the source",
}
"""Settings of the search, as people know them."""
PRUNED: Final[Mapping[PrunedBy, str]] = {
    PrunedBy.BEAM: "better ones filled the beam",
    PrunedBy.PREFIX: "the forced prefix wants another token",
    PrunedBy.END_RANK: "it ends the sentence, but not among the best",
    PrunedBy.FINISHED: "better hypotheses were finished",
    PrunedBy.MIN_LENGTH: "the sentence is shorter than the minimum length",
    PrunedBy.REPEATED: "a rule forbids this repetition",
    PrunedBy.BAD_WORDS: "the model's settings forbid these words",
    PrunedBy.FORBIDDEN: "you forbade these words",
}
"""The reason for which a beam prunes a candidate, in words."""
KEPT_BESIDE: Final = " (kept beside)"
"""Remark after the text of a kept path."""
MAX_LABEL: Final = 24
"""Characters of a source text that name it."""


class TokenWriter(Protocol):
    """Writes one token of a vocabulary for people."""

    def show(self, token: str) -> str:
        """The token as drawn."""


class PairWriter(Protocol):
    """Writes the tokens of both sides of a model."""

    @property
    def source(self) -> TokenWriter: ...

    @property
    def target(self) -> TokenWriter: ...


@dataclass(frozen=True, slots=True)
class _AsIs:
    def show(self, token: str) -> str:
        return token


@dataclass(frozen=True, slots=True)
class _PairAsIs:
    source: TokenWriter = _AsIs()
    target: TokenWriter = _AsIs()


AS_IS: Final[PairWriter] = _PairAsIs()
"""Writes tokens as the vocabulary has them."""


def describe_change(before: Trace, hypothesis: Hypothesis, after: Trace, text: PairWriter = AS_IS) -> str:
    """The difference between two answered requests, where no wish is known: after a link or an undo.

    Args:
        hypothesis: the one of ``before`` that was shown.
    """
    old, new = before.request, after.request
    if old.source != new.source:
        return describe_source(new.source)
    if old.model_id != new.model_id:
        return new.model_id
    changes = [
        _compare_overrides(old, after, text) or _compare_prefixes(old, new, hypothesis.tokens, text),
        _compare_ablations(old, new),
        describe_languages(_compare_languages(old, new)),
        _compare_phrases(old, new, text),
        _compare_kept(old, new, text),
        describe_search(_compare_search(old, new)),
    ]
    return ", ".join(change for change in changes if change) or "other options"


def describe_remarks(hypothesis: Hypothesis) -> str:
    """Remarks in parentheses to follow the text of a hypothesis; empty for a finished one of the n-best list."""
    return ("" if hypothesis.finished else " (unfinished)") + (KEPT_BESIDE if hypothesis.beside else "")


def describe_source(source: str) -> str:
    """A source text by its beginning."""
    return f"“{source if len(source) <= MAX_LABEL else source[: MAX_LABEL - 1].rstrip() + '…'}”"


def describe_prefix(prefix: Sequence[str], tokens: Sequence[str], text: PairWriter) -> str:
    """A forced prefix beside the ``tokens`` that were there before, by its last token."""
    if not prefix:
        return "no prefix"
    step = len(prefix) - 1
    was = tokens[step] if step < len(tokens) and tuple(prefix[:step]) == tuple(tokens[:step]) else ""
    replaced = f"“{text.target.show(was)}” → " if was and was != prefix[step] else "keep "
    return f"{step + 1}: {replaced}“{text.target.show(prefix[step])}”"


def describe_kept(tokens: Sequence[str], text: PairWriter, *, kept: bool) -> str:
    """A path that is kept beside the beam, or no longer, by its last token."""
    if not tokens:
        return "nothing beside the beam"
    return f"{len(tokens)}: “{text.target.show(tokens[-1])}” {'beside' if kept else 'no longer beside'} the beam"


def describe_override(override: AttentionOverride, source: Sequence[str], text: PairWriter) -> str:
    """An attention override by the source token with the most weight; ``source`` are the source tokens."""
    heaviest = max(override.weights, key=lambda pair: pair[1], default=(-1, 0.0))[0]
    token = text.source.show(source[heaviest]) if 0 <= heaviest < len(source) else str(heaviest)
    return f"{override.step + 1}: attention → “{token}”"


def describe_own_attention(step: int | None = None) -> str:
    """Overrides that are dropped, of one step or of all."""
    return "own attention" if step is None else f"{step + 1}: own attention"


def describe_steps(steps: Sequence[int]) -> str:
    """Overrides of several steps."""
    listed = ", ".join(str(step + 1) for step in sorted(set(steps)))
    return f"attention of steps {listed}"


def describe_copy(wish: CopyAttention, beside: str = "") -> str:
    """Attention that is taken from another place; ``beside`` is the target text of another translation."""
    origin = wish.step if wish.from_step is None else wish.from_step
    step = f" of step {origin + 1}" if beside or origin != wish.step else ""
    layer = "" if wish.from_layer is None else f" of layer {wish.from_layer + 1}"
    head = "" if wish.from_head is None else f" of head {wish.from_head + 1}"
    text = f" of {describe_source(beside)}" if beside else ""
    return f"{wish.step + 1}: attention{step}{layer}{head}{text}"


def describe_phrase(tokens: Sequence[str], step: int | None, text: PairWriter, *, forbidden: bool) -> str:
    """A phrase that is forbidden or allowed again."""
    if not tokens:
        return "every word allowed"
    place = "" if step is None else f"{step + 1}: "
    return f"{place}{'without' if forbidden else 'with'} “{' '.join(text.target.show(token) for token in tokens)}”"


def describe_heads(heads: Sequence[HeadAblation], *, ablated: bool) -> str:
    """Heads that are ablated or restored."""
    one = f"{heads[0].kind} head {heads[0].layer + 1}.{heads[0].head + 1}" if len(heads) == 1 else ""
    return f"{'without' if ablated else 'with'} {one or f'{len(heads)} heads'}"


def describe_languages(wish: SetLanguages) -> str:
    """The languages that a wish changes; empty where it changes none."""
    changes = (_name_setting("from", wish.source), _name_setting("to", wish.target))
    return ", ".join(change for change in changes if change)


def describe_search(wish: SetSearch) -> str:
    """The search settings that a wish changes; empty where it changes none."""
    changes = (_name_setting(_SETTINGS[name], value) for name, value in wish.settings.items())
    return ", ".join(change for change in changes if change)


def describe_setting(name: str, value: float | str) -> str:
    """A search setting with its value; ``name`` is that of the request's field."""
    return _name_setting(_SETTINGS[name], value)


def _name_setting(name: str, value: float | str | None) -> str:
    if value is None:
        return ""
    written = "of the model" if value == "default" else value if isinstance(value, str) else f"{value:g}"
    return f"{name} {written}"


def _compare_prefixes(before: Request, after: Request, tokens: Sequence[str], text: PairWriter) -> str:
    return "" if after.prefix == before.prefix else describe_prefix(after.prefix, tokens, text)


def _compare_overrides(before: Request, after: Trace, text: PairWriter) -> str:
    fresh = [override for override in after.request.overrides if override not in before.overrides]
    if fresh:
        return describe_override(fresh[-1], after.source.tokens, text)
    return describe_own_attention() if before.overrides and not after.request.overrides else ""


def _compare_ablations(before: Request, after: Request) -> str:
    fresh, back = (
        [head for head in one if head not in other]
        for one, other in ((after.ablations, before.ablations), (before.ablations, after.ablations))
    )
    return describe_heads(fresh, ablated=True) if fresh else describe_heads(back, ablated=False) if back else ""


def _compare_languages(before: Request, after: Request) -> SetLanguages:
    return SetLanguages(
        source=after.source_language if after.source_language != before.source_language else None,
        target=after.target_language if after.target_language != before.target_language else None,
    )


def _compare_phrases(before: Request, after: Request, text: PairWriter) -> str:
    fresh, back = (
        [phrase for phrase in one if phrase not in other]
        for one, other in ((after.forbidden, before.forbidden), (before.forbidden, after.forbidden))
    )
    if fresh:
        return describe_phrase(fresh[-1].tokens, fresh[-1].step, text, forbidden=True)
    return describe_phrase(back[-1].tokens, None, text, forbidden=False) if back else ""


def _compare_kept(before: Request, after: Request, text: PairWriter) -> str:
    fresh, back = (
        [path for path in one if path not in other]
        for one, other in ((after.kept, before.kept), (before.kept, after.kept))
    )
    if fresh:
        return describe_kept(fresh[-1], text, kept=True)
    # A new prefix drops paths by itself.
    return describe_kept(back[-1], text, kept=False) if back and after.prefix == before.prefix else ""


def _compare_search(before: Request, after: Request) -> SetSearch:
    """The settings that differ."""
    now: dict[str, Any] = {name: getattr(after, name) for name in SetSearch().settings}
    return SetSearch(**{name: value for name, value in now.items() if value != getattr(before, name)})
