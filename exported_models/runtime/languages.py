"""A model set to the languages of a request: its tags in the source, and the first token of targets."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from copy import copy
from dataclasses import replace

from exported_models.contract.errors import RequestError, shorten
from exported_models.contract.manifest import Languages, ModelManifest, SentencePieceSpec, TokenizerJsonSpec
from exported_models.contract.request import Request
from exported_models.runtime.language_codes import THREE_LETTERS
from exported_models.runtime.model import ExportedModel
from exported_models.tokenizers.vocabulary import Tokenizer

_NAMED = 5
"""Number of languages that a message names."""

Framed = SentencePieceSpec | TokenizerJsonSpec
"""Tokenizers with ids before and after a text, where tags stand."""


def find_language(manifest: ModelManifest, wanted: str | None, side: str) -> str | None:
    """The code of a language as the model has it; the model's own for None.

    A part of a code that only one language begins with is enough: ``de`` for ``de_DE``, and for ``deu_Latn``.

    Args:
        side: ``source`` or ``target``.

    Raises:
        RequestError: the model has no such language, or none at all; the message names some.
    """
    languages = manifest.languages
    field = f"{side}_language"
    if languages is None or (side == "source" and languages.source_tag is None):
        if wanted is not None:
            raise RequestError(
                f"{manifest.model_id} has no {side} language to choose; leave {shorten(wanted)!r} out.", field=field
            )
        return None
    if wanted is None:
        return languages.source if side == "source" else languages.target
    found = _match(languages, wanted)
    if len(found) != 1:
        raise RequestError(_describe_unknown(manifest.model_id, languages, wanted, found), field=field)
    return found[0]


def speak(model: ExportedModel, request: Request) -> ExportedModel:
    """The model with the languages of a request as its own. Sessions and vocabularies are shared.

    Raises:
        RequestError: the model has no such language.
    """
    languages = model.manifest.languages
    if languages is None:
        return model
    source = find_language(model.manifest, request.source_language, "source")
    target = find_language(model.manifest, request.target_language, "target")
    if (source, target) == (languages.source, languages.target):
        return model
    manifest = set_languages(model.manifest, source, target)
    return replace(
        model,
        manifest=manifest,
        source_tokenizer=_frame(model.source_tokenizer, manifest.source_tokenizer),
        target_tokenizer=_frame(model.target_tokenizer, manifest.target_tokenizer),
    )


def set_languages(manifest: ModelManifest, source: str | None, target: str | None) -> ModelManifest:
    """The manifest of a model with other languages of its own."""
    languages = manifest.languages
    assert languages is not None
    tag = None if target is None else languages.tags[target]
    changes: dict[str, object] = {"languages": languages.model_copy(update={"source": source, "target": target})}
    if languages.target_tag == "source":
        changes["source_tokenizer"] = _tag(manifest.source_tokenizer, languages, target, "before")
        return manifest.model_copy(update=changes)
    if languages.source_tag is not None:
        changes["source_tokenizer"] = _tag(manifest.source_tokenizer, languages, source, languages.source_tag)
    if languages.target_tag == "start" and tag is not None:
        changes["start_id"] = tag
    if languages.target_tag == "first":
        changes["generation"] = manifest.generation.model_copy(update={"forced_first_id": tag})
        changes["target_tokenizer"] = _tag(manifest.target_tokenizer, languages, target, "before")
    return manifest.model_copy(update=changes)


def _tag(spec: object, languages: Languages, language: str | None, place: str) -> Framed:
    """A tokenizer whose texts are framed with the tag of a language in place of another's."""
    assert isinstance(spec, SentencePieceSpec | TokenizerJsonSpec)
    before, after = (_without(ids, languages) for ids in (spec.before, spec.after))
    tag = () if language is None else (languages.tags[language],)
    frame = {"before": (*tag, *before)} if place == "before" else {"after": (*after, *tag)}
    return spec.model_copy(update={"before": before, "after": after, **frame})


def _without(ids: Iterable[int], languages: Languages) -> tuple[int, ...]:
    tags = set(languages.tags.values())
    return tuple(token_id for token_id in ids if token_id not in tags)


def _frame(tokenizer: Tokenizer, spec: object) -> Tokenizer:
    """The tokenizer with another frame. A shallow copy keeps its table of ids, which is costly to make."""
    framed = copy(tokenizer)
    object.__setattr__(framed, "spec", spec)
    return framed


def _match(languages: Languages, wanted: str) -> list[str]:
    """The codes that a name may mean."""
    if wanted in languages.tags:
        return [wanted]
    folded = wanted.casefold().replace("-", "_")
    whole = [code for code in languages.tags if code.casefold() == folded]
    names = {folded, THREE_LETTERS.get(folded, folded)}
    return whole or [code for code in languages.tags if code.casefold().partition("_")[0] in names]


def _describe_unknown(model_id: str, languages: Languages, wanted: str, meant: list[str]) -> str:
    if meant:
        return f"{shorten(wanted)!r} may be several languages of {model_id}; name one of {', '.join(meant)}."
    codes = sorted(languages.tags)
    near = difflib.get_close_matches(wanted, codes, n=_NAMED, cutoff=0.5) or codes[:_NAMED]
    more = "" if len(codes) == len(near) else f", … {len(codes)} in all"
    return f"{model_id} has no language {shorten(wanted)!r}; it has {', '.join(near)}{more}."
