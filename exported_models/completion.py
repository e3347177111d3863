"""Checks of requests and target texts, and completion of requests with a model's defaults."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from exported_models.contract.errors import RequestError, shorten
from exported_models.contract.request import (
    MAX_BEAM_SIZE,
    MAX_KEPT_PATHS,
    MAX_LENGTH_LIMIT,
    MAX_LENGTH_PENALTY,
    MAX_REPETITION_PENALTY,
    MAX_TOP_K,
    RULES,
    AttentionOverride,
    CompletedRequest,
    ForbiddenPhrase,
    Request,
)
from exported_models.contract.texts import check_text
from exported_models.contract.tokens import Encoding
from exported_models.runtime.languages import find_language
from exported_models.runtime.model import ExportedModel
from exported_models.search.rules import ForbiddenIds
from exported_models.search.settings import SearchSettings

_NAMES = {"prefix": "prefix", "kept": "kept path", "forbidden": "forbidden phrase"}
"""Fields of a request that hold target tokens, and the name of what each holds."""


def complete_request(request: Request, model: ExportedModel) -> CompletedRequest:
    """Fill in the model's defaults, so that equal questions are equal values.

    Overrides at steps that the prefix does not cover are left out: `Engine.translate` pins those.

    Raises:
        RequestError: a number is out of its range, or the model cannot search by a rule.
    """
    settings = _complete_settings(request, model)
    return CompletedRequest(
        model_id=request.model_id,
        source=request.source,
        prefix=request.prefix,
        overrides=tuple(entry for entry in canonical_overrides(request) if entry.step <= len(request.prefix)),
        top_k=request.top_k,
        ablations=tuple(sorted(set(request.ablations))),
        source_language=find_language(model.manifest, request.source_language, "source"),
        target_language=find_language(model.manifest, request.target_language, "target"),
        cut_source=request.cut_source,
        forbidden=tuple(
            sorted(set(request.forbidden), key=lambda one: (one.tokens, -1 if one.step is None else one.step))
        ),
        kept=tuple(sorted(set(request.kept))),
        **settings,
    )


def _complete_settings(request: Request, model: ExportedModel) -> dict[str, Any]:
    """The search settings of a request by name, each checked."""
    defaults, longest = model.manifest.generation, _longest_target(model)
    _check_range("top_k", request.top_k, 1, MAX_TOP_K)
    found: dict[str, Any] = {}
    for name in ("beam_size", "length_penalty", "max_length", "early_stopping", *RULES):
        own, wanted = getattr(defaults, name), getattr(request, name)
        found[name] = own if wanted is None else wanted
    ranges = {
        "beam_size": (1, MAX_BEAM_SIZE),
        "length_penalty": (-MAX_LENGTH_PENALTY, MAX_LENGTH_PENALTY),
        "max_length": (1, longest),
        "repetition_penalty": (1, MAX_REPETITION_PENALTY),
        **dict.fromkeys(("min_length", "ngram_size", "source_ngram_size"), (0, MAX_LENGTH_LIMIT)),
    }
    for name, (low, high) in ranges.items():
        # A rule of the model's own may lie outside.
        if name not in RULES or found[name] != getattr(defaults, name):
            _check_range(name, found[name], low, high)
    if found["beam_size"] == 1 and found["repetition_penalty"] != 1 and not model.decoder.gives_normalizers:
        raise RequestError(
            f"A beam of 1 weighs repeated tokens by their logits, and {request.model_id} was exported without them; "
            "export the model again, or choose a beam of at least 2 or a repetition penalty of 1.",
            field="repetition_penalty",
        )
    return found


def canonical_overrides(request: Request) -> tuple[AttentionOverride, ...]:
    """A request's overrides with their weights in the order of positions."""
    return tuple(replace(override, weights=tuple(sorted(override.weights))) for override in request.overrides)


def search_settings(request: CompletedRequest, model: ExportedModel) -> SearchSettings:
    """A completed request as numbers; the prefix, kept paths and forbidden phrases as ids.

    Raises:
        RequestError: the prefix, a path or a phrase holds an unknown token, the prefix or a path does not fit the
            maximum length, or a path does not go on from the prefix.
    """
    if len(request.kept) > MAX_KEPT_PATHS:
        raise RequestError(
            f"There are {len(request.kept)} kept paths; a request has at most {MAX_KEPT_PATHS}.", field="kept"
        )
    prefix = _read_path(request.prefix, "prefix", request, model)
    return SearchSettings(
        beam_size=request.beam_size,
        length_penalty=request.length_penalty,
        max_length=request.max_length,
        early_stopping=request.early_stopping,
        top_k=min(request.top_k, len(model.target_tokenizer.tokens)),
        prefix=prefix,
        generation=model.manifest.generation.model_copy(update={name: getattr(request, name) for name in RULES}),
        forbidden=tuple(_forbid(phrase, model) for phrase in request.forbidden),
        kept=tuple(_keep(path, prefix, request, model) for path in request.kept),
    )


def tokenize_target(text: str, model: ExportedModel, *, end: bool = True) -> Encoding:
    """Check and tokenize a target text: a whole translation, or a prefix with ``end=False``.

    Raises:
        RequestError: the text is empty, too long, holds a control character, or cannot be expressed.
    """
    field = "target" if end else "prefix"
    check_text(text, f"{field} text", field)
    try:
        encoding = model.target_tokenizer.encode(text, end=end)
    except RequestError as error:
        raise RequestError(str(error), field=field) from error
    limit = _longest_target(model)
    if len(encoding) > limit:
        raise RequestError(
            f"The {field} text has {len(encoding)} tokens; {model.manifest.model_id} writes at most {limit}.",
            field=field,
        )
    return encoding


def _longest_target(model: ExportedModel) -> int:
    return min(MAX_LENGTH_LIMIT, model.manifest.max_target_tokens or MAX_LENGTH_LIMIT)


def _keep(
    tokens: tuple[str, ...], prefix: tuple[int, ...], request: CompletedRequest, model: ExportedModel
) -> tuple[int, ...]:
    path = _read_path(tokens, "kept", request, model)
    if not path:
        raise RequestError("A kept path is empty; name at least one token.", field="kept")
    if path[: len(prefix)] != prefix or path == prefix:
        raise RequestError(
            f"The kept path {_write(path, model)} does not go on from the forced prefix {_write(prefix, model)}; keep "
            "one that does, or force nothing.",
            field="kept",
        )
    return path


def _write(path: tuple[int, ...], model: ExportedModel) -> str:
    """Target tokens as the text that they spell; by their names where they spell none."""
    tokenizer = model.target_tokenizer
    return repr(shorten(tokenizer.decode(path) or " ".join(tokenizer.tokens[token_id] for token_id in path)))


def _read_path(tokens: tuple[str, ...], field: str, request: CompletedRequest, model: ExportedModel) -> tuple[int, ...]:
    """The ids of tokens that a hypothesis may begin with."""
    path, name = tuple(_target_id(token, model, field) for token in tokens), _NAMES[field]
    if len(path) > request.max_length:
        raise RequestError(
            f"The {name} has {len(path)} tokens, more than the maximum length of {request.max_length}.", field=field
        )
    first = model.manifest.generation.forced_first_id
    if first is not None and path and path[0] != first:
        raise RequestError(
            f"Every output of {model.manifest.model_id} begins with {model.target_tokenizer.tokens[first]!r}; "
            f"the {name} must too.",
            field=field,
        )
    if model.manifest.end_id in path[:-1]:
        raise RequestError(f"The {name} goes on after the end of the sentence; cut it there.", field=field)
    return path


def _forbid(phrase: ForbiddenPhrase, model: ExportedModel) -> ForbiddenIds:
    if not phrase.tokens:
        raise RequestError("A forbidden phrase is empty; name at least one token.", field="forbidden")
    return tuple(_target_id(token, model, "forbidden") for token in phrase.tokens), phrase.step


def find_token(token: str, model: ExportedModel) -> int:
    """The id of a token of the target vocabulary, or of the first token of a text.

    Raises:
        RequestError: the vocabulary has no such token and cannot express the text.
    """
    token_id = model.target_tokenizer.token_id(token)
    if token_id is not None:
        return token_id
    try:
        return tokenize_target(token, model).ids[0]
    except RequestError as error:
        raise RequestError(str(error), field="token") from error


def _target_id(token: str, model: ExportedModel, field: str) -> int:
    # Special tokens are allowed: a model may propose one, and every proposal can be chosen.
    token_id = model.target_tokenizer.token_id(token)
    if token_id is None:
        whole = _NAMES[field]
        raise RequestError(
            f"The {field} token {shorten(token)!r} is not one the model can produce; a {whole} is made of its target "
            "tokens.",
            field=field,
        )
    return token_id


def _check_range(field: str, value: float, low: float, high: float) -> None:
    # In this form NaN is refused too, which compares false with everything.
    if not low <= value <= high:
        words = field.replace("_", " ")
        raise RequestError(f"The {words} {value} is out of range; choose from {low:g} to {high:g}.", field=field)
