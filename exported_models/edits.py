"""Edits: the one algebra of requests. A trace, the hypothesis in view and a wish make a new request.

`apply` serves every wish; `revise` applies the wishes that need no trace to a request alone, as the command line does
before anything is decoded. All functions are pure: the engine answers the request that they return.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, assert_never

from exported_models.contract.errors import RequestError
from exported_models.contract.request import AttentionOverride, ForbiddenPhrase, HeadAblation, Request
from exported_models.contract.source import Source
from exported_models.contract.target_text import NO_TARGET_TEXT, TargetText
from exported_models.contract.trace import Hypothesis, Trace
from exported_models.contract.whole_words import locate_source_word, locate_target_word
from exported_models.contract.wishes import (
    Ablate,
    Allow,
    Attend,
    AttendEvenly,
    AttendSteps,
    Choose,
    CopyAttention,
    Drop,
    EditSource,
    EditTarget,
    Forbid,
    Force,
    ForceCandidate,
    ForceNode,
    Keep,
    KeepCandidate,
    KeepChoice,
    KeepNode,
    OwnAttention,
    PlainWish,
    Replace,
    Restore,
    SetLanguages,
    SetSearch,
    StartOver,
    Substitute,
    SubstituteTarget,
    Wish,
)
from exported_models.search.overrides import by_place
from exported_models.wording import (
    AS_IS,
    PairWriter,
    describe_copy,
    describe_heads,
    describe_kept,
    describe_languages,
    describe_override,
    describe_own_attention,
    describe_phrase,
    describe_prefix,
    describe_search,
    describe_source,
    describe_steps,
)

Answer = tuple[Trace, Hypothesis]
"""A trace, and the hypothesis of it that is in view."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A new request; ``words`` name the change in a short phrase for people."""

    request: Request
    words: str


def apply(
    wish: Wish,
    trace: Trace,
    hypothesis: Hypothesis,
    text: PairWriter = AS_IS,
    target: TargetText = NO_TARGET_TEXT,
    beside: Answer | None = None,
) -> Edit:
    """Change the request of a trace.

    Args:
        hypothesis: the hypothesis in view, whose steps choices and overrides name.
        text: writes tokens in `Edit.words`.
        target: reads the texts of wishes that hold one (`Engine.target_text`).
        beside: the translation that attention is copied from.

    Raises:
        RequestError: the wish names a step, rank, node or word that the trace does not have, or a text that the
            vocabulary cannot express.
    """
    before = trace.request.as_request()
    if isinstance(wish, SubstituteTarget):
        return _apply_substitution(wish, before, hypothesis, target)
    plain = resolve(wish, trace, hypothesis, target, beside)
    if isinstance(plain, Attend | AttendSteps) and (steps := _list_steps(plain)):
        before = _pin(before, hypothesis, min(steps))
    return Edit(revise(before, plain), _describe(wish, plain, trace, hypothesis, text, beside))


def start(wish: StartOver) -> Request:
    """The first request, with none before it.

    Raises:
        RequestError: no model is named.
    """
    if not wish.model_id:
        raise RequestError("No model is named; name one of the workspace.", field="model_id")
    return revise(Request(wish.model_id, wish.source), wish)


def revise(request: Request, wish: PlainWish) -> Request:  # noqa: C901 - one case a verb
    """Apply a wish that needs no trace to a request."""
    match wish:
        case Force():
            return _force(request, wish.tokens)
        case Keep():
            return replace(request, kept=tuple(dict.fromkeys((*request.kept, wish.tokens))))
        case Drop():
            return replace(request, kept=tuple(path for path in request.kept if wish.tokens not in ((), path)))
        case Attend():
            return _attend(request, wish)
        case AttendSteps():
            return functools.reduce(_attend, wish.overrides, request)
        case OwnAttention():
            kept = tuple(entry for entry in request.overrides if wish.step not in (None, entry.step))
            return replace(request, overrides=kept)
        case Ablate():
            return replace(request, ablations=tuple(sorted({*request.ablations, *wish.heads})))
        case Restore():
            return replace(request, ablations=tuple(sorted({*request.ablations} - {*wish.heads})))
        case Forbid():
            return replace(request, forbidden=(*request.forbidden, ForbiddenPhrase(wish.tokens, wish.step)))
        case Allow():
            kept_out = tuple(phrase for phrase in request.forbidden if wish.tokens not in ((), phrase.tokens))
            return replace(request, forbidden=kept_out)
        case EditSource():
            return _translate_anew(request, {"source": wish.text})
        case SetLanguages():
            codes = {"source_language": wish.source, "target_language": wish.target}
            return _translate_anew(request, _list_changes(codes))
        case SetSearch():
            return replace(request, **_list_changes(wish.settings))
        case StartOver():
            return _start_over(request, wish)
        case _:
            assert_never(wish)


def resolve(  # noqa: C901 - one case a verb
    wish: Wish,
    trace: Trace,
    hypothesis: Hypothesis,
    target: TargetText = NO_TARGET_TEXT,
    beside: Answer | None = None,
) -> PlainWish:
    """Replace a wish that points into a trace, or holds a target text, by one that does not.

    Raises:
        RequestError: the trace has no such step, rank, node or word, or the vocabulary cannot express the text.
    """
    match wish:
        case Choose():
            return Force(_find_choice_path(trace, hypothesis, wish))
        case KeepChoice():
            return Keep(_find_choice_path(trace, hypothesis, wish))
        case Replace():
            _check("step", wish.step, len(hypothesis.tokens))
            return Force((*hypothesis.tokens[: wish.step], *wish.tokens))
        case ForceNode():
            return Force(_find_node_path(trace, wish))
        case KeepNode():
            return Keep(_find_node_path(trace, wish))
        case ForceCandidate():
            return Force(_find_candidate_path(trace, wish))
        case KeepCandidate():
            return Keep(_find_candidate_path(trace, wish))
        case Substitute():
            return EditSource(substitute_word(trace.source, wish.word, wish.text))
        case EditTarget():
            return Force(target.read(wish.text, ends=wish.ends) if wish.text else ())
        case SubstituteTarget():
            return Force(_substitute_target(wish, hypothesis, target))
        case Forbid():
            return wish if wish.tokens else Forbid(_read_phrase(wish.text, target), step=wish.step)
        case AttendEvenly():
            weights = tuple((position, 1.0) for position in range(len(trace.source)))
            return resolve(Attend(wish.step, weights, wish.layer, wish.head), trace, hypothesis)
        case CopyAttention():
            return resolve(_copy_attention(wish, (trace, hypothesis), beside), trace, hypothesis)
        case Attend() | AttendSteps():
            if not _list_steps(wish):
                raise RequestError("There is no step to change attention of; name one.", field="wish.overrides")
            for step in _list_steps(wish):
                _check("step", step, len(hypothesis.tokens))
            return wish
        case _:
            return wish


def read_weights(
    trace: Trace, hypothesis: Hypothesis, step: int, layer: int | None = None, head: int | None = None
) -> tuple[tuple[int, float], ...]:
    """The attention of a step as the weights of an override; the mean where a layer or head is None.

    Raises:
        RequestError: the model has no attention, or no such step, layer or head.
    """
    attention = trace.attention(hypothesis)
    if attention is None:
        raise RequestError(f"The model {trace.request.model_id} has no attention to copy.", field="wish")
    _check("step", step, attention.shape[0])
    _check("layer", layer or 0, attention.shape[1])
    _check("head", head or 0, attention.shape[2])
    chosen = attention[step] if layer is None else attention[step, layer : layer + 1]
    chosen = chosen if head is None else chosen[:, head : head + 1]
    return tuple(enumerate(chosen.mean(axis=(0, 1), dtype=float).tolist()))


def toggle_heads(request: Request, heads: Sequence[HeadAblation]) -> Ablate | Restore:
    """The wish of a switch: ablate ``heads``, or restore them if all of them are ablated."""
    return Restore(tuple(heads)) if set(heads) <= set(request.ablations) else Ablate(tuple(heads))


def substitute_word(source: Source, word: int, text: str) -> str:
    """The source text with one word written anew; spaces around the word stay.

    Raises:
        RequestError: the source has no such word, or the token stands for no text.
    """
    start, end = locate_source_word(source, word)
    return source.payload[:start] + text + source.payload[end:]


def _copy_attention(wish: CopyAttention, own: Answer, beside: Answer | None) -> Attend:
    origin = wish.step if wish.from_step is None else wish.from_step
    trace, hypothesis = check_beside(own[0], beside) if wish.beside else own
    weights = read_weights(trace, hypothesis, origin, wish.from_layer, wish.from_head)
    return Attend(wish.step, weights, wish.layer, wish.head)


def check_beside(trace: Trace, beside: Answer | None) -> Answer:
    """The translation that is beside another one, with a source of as many tokens.

    Raises:
        RequestError: there is none, or its source has another number of tokens.
    """
    if beside is None:
        raise RequestError("There is no translation beside this one to copy from; pin one.", field="wish.beside")
    there, here = len(beside[0].source), len(trace.source)
    if there != here:
        raise RequestError(
            f"The source beside has {there} tokens and this one {here}; attention is copied between sources of equally "
            "many tokens.",
            field="wish.beside",
        )
    return beside


def _list_steps(wish: Attend | AttendSteps) -> list[int]:
    return [wish.step] if isinstance(wish, Attend) else [entry.step for entry in wish.overrides]


def _apply_substitution(wish: SubstituteTarget, before: Request, hypothesis: Hypothesis, target: TargetText) -> Edit:
    _check("step", wish.step, len(hypothesis.tokens))
    start, end = locate_target_word(hypothesis, wish.step, target)
    old = hypothesis.text[start:end]
    if old == wish.text:
        return Edit(before, "same word")
    tokens = _substitute_target(wish, hypothesis, target)
    return Edit(_force(before, tokens), f"“{old}” → “{wish.text}”")


def _substitute_target(wish: SubstituteTarget, hypothesis: Hypothesis, target: TargetText) -> tuple[str, ...]:
    """The tokens up to the new word: the hypothesis' own before it, as far as the text is spelled alike."""
    _check("step", wish.step, len(hypothesis.tokens))
    start, _ = locate_target_word(hypothesis, wish.step, target)
    if not wish.text.strip():
        raise RequestError("There is no word to write; type at least one character.", field="wish.text")
    return target.read(hypothesis.text[:start] + wish.text, ends=False)


def _read_phrase(text: str, target: TargetText) -> tuple[str, ...]:
    if not text.strip():
        raise RequestError("The forbidden phrase is empty; type at least one character.", field="wish.text")
    return target.read(text, ends=False)


def _find_choice_path(trace: Trace, hypothesis: Hypothesis, wish: Choose | KeepChoice) -> tuple[str, ...]:
    _check("step", wish.step, len(hypothesis.tokens))
    choices = trace.top_k(hypothesis)[wish.step]
    _check_rank(wish.step, wish.rank, len(choices))
    return (*hypothesis.tokens[: wish.step], choices[wish.rank].token)


def _find_node_path(trace: Trace, wish: ForceNode | KeepNode) -> tuple[str, ...]:
    _check("node", wish.node, len(trace.nodes))
    return tuple(node.token for node in trace.path(wish.node))


def _find_candidate_path(trace: Trace, wish: ForceCandidate | KeepCandidate) -> tuple[str, ...]:
    _check("step", wish.step, len(trace.steps))
    candidates = trace.steps[wish.step].candidates
    _check_rank(wish.step, wish.rank, len(candidates))
    candidate = candidates[wish.rank]
    return (*(node.token for node in trace.path(candidate.parent)), candidate.token)


def _force(request: Request, tokens: tuple[str, ...]) -> Request:
    """Overrides at steps of the prefix stay in force; later ones belong to another continuation and are dropped."""
    stay = tuple(override for override in request.overrides if override.step < len(tokens))
    return _begin_with(replace(request, overrides=stay if tokens else ()), tokens)


def _pin(request: Request, hypothesis: Hypothesis, step: int) -> Request:
    """Cover the steps before ``step`` by a hypothesis, and drop the overrides after it."""
    stay = tuple(override for override in request.overrides if override.step <= step)
    return _begin_with(replace(request, overrides=stay), hypothesis.tokens[:step])


def _begin_with(request: Request, prefix: tuple[str, ...]) -> Request:
    """Force a prefix; kept paths that do not go on from it are dropped."""
    kept = tuple(path for path in request.kept if path[: len(prefix)] == prefix and path != prefix)
    return replace(request, prefix=prefix, kept=kept)


def _attend(request: Request, wish: Attend) -> Request:
    override = _override_of(wish)
    others = [entry for entry in request.overrides if by_place(entry) != by_place(override)]
    return replace(request, overrides=tuple(sorted([*others, override], key=by_place)))


def _override_of(wish: Attend) -> AttentionOverride:
    return AttentionOverride(wish.step, wish.weights, wish.layer, wish.head)


def _translate_anew(request: Request, changes: Mapping[str, Any]) -> Request:
    """Change the source or a language.

    Ablated heads and phrases forbidden everywhere stay: they are of the model. The rest is of the old translation.
    """
    changed = replace(request, **changes)
    if changed == request:
        return request
    everywhere = tuple(phrase for phrase in request.forbidden if phrase.step is None)
    return replace(changed, prefix=(), kept=(), overrides=(), forbidden=everywhere)


def _start_over(request: Request, wish: StartOver) -> Request:
    model_id = wish.model_id or request.model_id
    if model_id != request.model_id:
        request = Request(model_id, wish.source, top_k=request.top_k)
    cleared = replace(
        request, source=wish.source, cut_source=wish.cut, prefix=(), kept=(), overrides=(), ablations=(), forbidden=()
    )
    return revise(cleared, wish.search)


def _list_changes(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Request fields to replace; None in a request stands for the model's own value."""
    return {name: None if value == "default" else value for name, value in wanted.items() if value is not None}


def _check(what: str, value: int, count: int) -> None:
    if not 0 <= value < count:
        raise RequestError(
            f"There is no {what} {value}: the translation has {count}, counted from 0.", field=f"wish.{what}"
        )


def _check_rank(step: int, rank: int, count: int) -> None:
    if not 0 <= rank < count:
        listed = "is rank 0 alone" if count == 1 else f"are ranks 0 to {count - 1}"
        raise RequestError(f"There is no rank {rank} at step {step}: there {listed}.", field="wish.rank")


def _describe(  # noqa: C901 - one case a verb
    wish: Wish, plain: PlainWish, trace: Trace, hypothesis: Hypothesis, text: PairWriter, beside: Answer | None
) -> str:
    if isinstance(wish, AttendEvenly):
        return f"{wish.step + 1}: even attention"
    if isinstance(wish, CopyAttention):
        return describe_copy(wish, beside[1].text if wish.beside and beside else "")
    if isinstance(wish, EditTarget) and wish.text:
        return f"{'target' if wish.ends else 'begin with'} {describe_source(wish.text)}"
    if isinstance(wish, Substitute):
        start, end = locate_source_word(trace.source, wish.word)
        return f"“{trace.source.payload[start:end]}” → “{wish.text}”"
    match plain:
        case Force():
            return describe_prefix(plain.tokens, hypothesis.tokens, text)
        case Keep():
            return describe_kept(plain.tokens, text, kept=True)
        case Drop():
            return describe_kept(plain.tokens, text, kept=False)
        case Attend():
            return describe_override(_override_of(plain), trace.source.tokens, text)
        case AttendSteps():
            return describe_steps([entry.step for entry in plain.overrides])
        case OwnAttention():
            return describe_own_attention(plain.step)
        case Forbid():
            return describe_phrase(plain.tokens, plain.step, text, forbidden=True)
        case Allow():
            return describe_phrase(plain.tokens, None, text, forbidden=False)
        case Ablate():
            heads = tuple(dict.fromkeys(plain.heads))
            fresh = tuple(head for head in heads if head not in trace.request.ablations)
            return describe_heads(fresh or heads, ablated=True)
        case Restore():
            heads = tuple(dict.fromkeys(plain.heads))
            back = tuple(head for head in heads if head in trace.request.ablations)
            return describe_heads(back or heads, ablated=False)
        case EditSource():
            return describe_source(plain.text)
        case SetLanguages():
            return describe_languages(plain) or "same languages"
        case SetSearch():
            return describe_search(plain) or "same search"
        case StartOver():
            return describe_source(plain.source)
        case _:
            assert_never(plain)
