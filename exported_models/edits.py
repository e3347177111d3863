"""Edits: the one algebra of requests. A trace, the hypothesis in view and a wish make a new request.

`apply` serves every wish; `revise` applies the wishes that need no trace to a request alone, as the command line does
before anything is decoded. All functions are pure: the engine answers the request that they return.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, assert_never

from exported_models.contract.errors import RequestError
from exported_models.contract.request import AttentionOverride, HeadAblation, Request
from exported_models.contract.source import Source
from exported_models.contract.trace import Hypothesis, Trace
from exported_models.contract.wishes import (
    Ablate,
    Attend,
    Choose,
    EditSource,
    Force,
    ForceCandidate,
    ForceNode,
    OwnAttention,
    PlainWish,
    Replace,
    Restore,
    SetLanguages,
    SetSearch,
    StartOver,
    Substitute,
    Wish,
)
from exported_models.search.overrides import by_place
from exported_models.wording import (
    AS_IS,
    PairWriter,
    describe_heads,
    describe_languages,
    describe_override,
    describe_own_attention,
    describe_prefix,
    describe_search,
    describe_source,
)


@dataclass(frozen=True, slots=True)
class Edit:
    """A new request; ``words`` name the change in a short phrase for people."""

    request: Request
    words: str


def apply(wish: Wish, trace: Trace, hypothesis: Hypothesis, text: PairWriter = AS_IS) -> Edit:
    """Change the request of a trace.

    Args:
        hypothesis: the hypothesis in view, whose steps choices and overrides name.
        text: writes tokens in `Edit.words`.

    Raises:
        RequestError: the wish names a step, rank, node or word that the trace does not have.
    """
    plain = resolve(wish, trace, hypothesis)
    before = trace.request.as_request()
    if isinstance(plain, Attend):
        before = _pin(before, hypothesis, plain.step)
    return Edit(revise(before, plain), _describe(wish, plain, trace, hypothesis, text))


def start(wish: StartOver) -> Request:
    """The first request, with none before it.

    Raises:
        RequestError: no model is named.
    """
    if not wish.model_id:
        raise RequestError("No model is named; name one of the workspace.", field="model_id")
    return revise(Request(wish.model_id, wish.source), wish)


def revise(request: Request, wish: PlainWish) -> Request:
    """Apply a wish that needs no trace to a request."""
    match wish:
        case Force():
            return _force(request, wish.tokens)
        case Attend():
            return _attend(request, wish)
        case OwnAttention():
            kept = tuple(entry for entry in request.overrides if wish.step not in (None, entry.step))
            return replace(request, overrides=kept)
        case Ablate():
            return replace(request, ablations=tuple(sorted({*request.ablations, *wish.heads})))
        case Restore():
            return replace(request, ablations=tuple(sorted({*request.ablations} - {*wish.heads})))
        case EditSource():
            return _edit_source(request, wish.text)
        case SetLanguages():
            return _set_languages(request, wish)
        case SetSearch():
            return replace(request, **_list_settings(wish))
        case StartOver():
            return _start_over(request, wish)
        case _:
            assert_never(wish)


def resolve(wish: Wish, trace: Trace, hypothesis: Hypothesis) -> PlainWish:
    """Replace a wish that points into a trace by one that does not.

    Raises:
        RequestError: the trace has no such step, rank, node or word.
    """
    match wish:
        case Choose():
            _check("step", wish.step, len(hypothesis.tokens))
            choices = trace.top_k(hypothesis)[wish.step]
            _check("rank", wish.rank, len(choices))
            return Force((*hypothesis.tokens[: wish.step], choices[wish.rank].token))
        case Replace():
            _check("step", wish.step, len(hypothesis.tokens))
            return Force((*hypothesis.tokens[: wish.step], *wish.tokens))
        case ForceNode():
            _check("node", wish.node, len(trace.nodes))
            return Force(tuple(node.token for node in trace.path(wish.node)))
        case ForceCandidate():
            return Force(_find_candidate_path(trace, wish))
        case Substitute():
            return EditSource(substitute_word(trace.source, wish.word, wish.text))
        case Attend():
            _check("step", wish.step, len(hypothesis.tokens))
            return wish
        case _:
            return wish


def toggle_heads(request: Request, heads: Sequence[HeadAblation]) -> Ablate | Restore:
    """The wish of a switch: ablate ``heads``, or restore them if all of them are ablated."""
    return Restore(tuple(heads)) if set(heads) <= set(request.ablations) else Ablate(tuple(heads))


def substitute_word(source: Source, word: int, text: str) -> str:
    """The source text with one word written anew; spaces around the word stay.

    Raises:
        RequestError: the source has no such word, or the token stands for no text.
    """
    start, end = _find_word(source, word)
    return source.payload[:start] + text + source.payload[end:]


def _find_candidate_path(trace: Trace, wish: ForceCandidate) -> tuple[str, ...]:
    _check("step", wish.step, len(trace.steps))
    candidates = trace.steps[wish.step].candidates
    _check("rank", wish.rank, len(candidates))
    candidate = candidates[wish.rank]
    return (*(node.token for node in trace.path(candidate.parent)), candidate.token)


def _find_word(source: Source, word: int) -> tuple[int, int]:
    """The characters of a word, without the space that a character vocabulary counts to it."""
    spans = [span for span, index in zip(source.spans, source.words, strict=True) if index == word]
    start, end = min((span[0] for span in spans), default=0), max((span[1] for span in spans), default=0)
    written = source.payload[start:end]
    if not written.strip():
        raise RequestError(f"There is no source word {word} that stands for text; words count from 0.", field="word")
    return start + len(written) - len(written.lstrip()), start + len(written.rstrip())


def _force(request: Request, tokens: tuple[str, ...]) -> Request:
    """Overrides at steps of the prefix stay in force; later ones belong to another continuation and are dropped."""
    kept = tuple(override for override in request.overrides if override.step < len(tokens))
    return replace(request, prefix=tokens, overrides=kept if tokens else ())


def _pin(request: Request, hypothesis: Hypothesis, step: int) -> Request:
    """Cover the steps before ``step`` by a hypothesis, and drop the overrides after it."""
    kept = tuple(override for override in request.overrides if override.step <= step)
    return replace(request, prefix=hypothesis.tokens[:step], overrides=kept)


def _attend(request: Request, wish: Attend) -> Request:
    override = _override_of(wish)
    others = [entry for entry in request.overrides if by_place(entry) != by_place(override)]
    return replace(request, overrides=tuple(sorted([*others, override], key=by_place)))


def _override_of(wish: Attend) -> AttentionOverride:
    return AttentionOverride(wish.step, wish.weights, wish.layer, wish.head)


def _edit_source(request: Request, source: str) -> Request:
    """Heads stay ablated: they are of the model. Prefix and overrides are of the old source."""
    return request if source == request.source else replace(request, source=source, prefix=(), overrides=())


def _set_languages(request: Request, wish: SetLanguages) -> Request:
    """Another language is another source to the encoder, or another target: as in `_edit_source`."""
    wanted = {"source_language": wish.source, "target_language": wish.target}
    changes: dict[str, Any] = {
        name: None if code == "default" else code for name, code in wanted.items() if code is not None
    }
    changed = replace(request, **changes)
    return request if changed == request else replace(changed, prefix=(), overrides=())


def _start_over(request: Request, wish: StartOver) -> Request:
    model_id = wish.model_id or request.model_id
    if model_id != request.model_id:
        request = Request(model_id, wish.source, top_k=request.top_k)
    cleared = replace(request, source=wish.source, prefix=(), overrides=(), ablations=())
    return revise(cleared, wish.search)


def _list_settings(wish: SetSearch) -> dict[str, Any]:
    """Request fields to replace; None in a request stands for the model's own value."""
    names = ("beam_size", "length_penalty", "max_length", "early_stopping", "top_k")
    wanted = {name: getattr(wish, name) for name in names}
    return {name: None if value == "default" else value for name, value in wanted.items() if value is not None}


def _check(what: str, value: int, count: int) -> None:
    if not 0 <= value < count:
        raise RequestError(
            f"There is no {what} {value}: the translation has {count}, counted from 0.", field=f"wish.{what}"
        )


def _describe_settings(wish: SetLanguages | SetSearch) -> str:
    if isinstance(wish, SetLanguages):
        return describe_languages(wish) or "same languages"
    return describe_search(wish) or "same search"


def _describe(wish: Wish, plain: PlainWish, trace: Trace, hypothesis: Hypothesis, text: PairWriter) -> str:
    if isinstance(wish, Substitute):
        start, end = _find_word(trace.source, wish.word)
        return f"“{trace.source.payload[start:end]}” → “{wish.text}”"
    match plain:
        case Force():
            return describe_prefix(plain.tokens, hypothesis.tokens, text)
        case Attend():
            return describe_override(_override_of(plain), trace.source.tokens, text)
        case OwnAttention():
            return describe_own_attention(plain.step)
        case Ablate():
            fresh = tuple(head for head in plain.heads if head not in trace.request.ablations)
            return describe_heads(fresh or plain.heads, ablated=True)
        case Restore():
            back = tuple(head for head in plain.heads if head in trace.request.ablations)
            return describe_heads(back or plain.heads, ablated=False)
        case EditSource():
            return describe_source(plain.text)
        case SetLanguages() | SetSearch():
            return _describe_settings(plain)
        case StartOver():
            return describe_source(plain.source)
        case _:
            assert_never(plain)
