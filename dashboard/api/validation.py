"""Errors of pydantic's as sentences: the field at fault as the caller wrote it, and the names that are known there."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from http import HTTPStatus
from itertools import accumulate
from typing import Any, Final, TypeAlias, get_args, get_type_hints

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel

from dashboard.api.errors import ApiError
from exported_models.contract.errors import shorten

Place: TypeAlias = Sequence[int | str]

_UNKNOWN_FIELD: Final = ("extra_forbidden", "unexpected_keyword_argument")
_TAG: Final = "verb"
_ROOM_FOR_NAMES: Final = 160
"""Characters of a sentence for the names that are known."""


def error_of_validation(error: RequestValidationError, asked: type[BaseModel]) -> ApiError:
    """One sentence about the first thing wrong with a body or a query of the type ``asked``."""
    first = error.errors()[0]
    part, *place = first["loc"]
    field = shorten(".".join(str(step) for step in _as_sent(place, error.body)))
    sentence = f"{field or part}: {_reason(first, asked, place)}."
    return ApiError(sentence.replace("..", "."), HTTPStatus.UNPROCESSABLE_ENTITY, field)


def _reason(first: Mapping[str, Any], asked: type, place: Place) -> str:
    """The mistake, in words that repeat nothing of the input."""
    if first["type"] in _UNKNOWN_FIELD:
        return f"There is no such field; known are {_list_known(_names_beside(asked, place), str(place[-1]))}"
    if first["type"] == "union_tag_invalid":
        verbs = first["ctx"]["expected_tags"].split(", ")
        return f"There is no such {_TAG}; known are {_list_known(verbs, first['ctx']['tag'])}"
    if first["type"] == "union_tag_not_found":
        return f"The field {_TAG!r} is missing"
    return str(first["msg"]).removeprefix("Value error, ")


def _list_known(names: Sequence[str], sent: str) -> str:
    """The names in their order; where they are too many, those most like what was sent and the number of the others."""
    if len(", ".join(names)) > _ROOM_FOR_NAMES:
        written = SequenceMatcher(b=shorten(sent))
        names = sorted(names, key=lambda name: -_liken(written, name))
        fitting = sum(end <= _ROOM_FOR_NAMES for end in accumulate(len(name) + len(", ") for name in names))
        names = [*names[:fitting], f"and {len(names) - fitting} more"]
    return ", ".join(names) or "none"


def _liken(written: SequenceMatcher[str], name: str) -> float:
    written.set_seq1(name)
    return written.ratio()


def _as_sent(place: Place, body: Any) -> Iterator[int | str]:
    """The steps of a place that lead through ``body``.

    pydantic also names the members of unions on the way, which the caller never wrote. The last step may be missing
    from the body, for a field that had to be there; a query has no body.
    """
    for number, step in enumerate(place):
        within = step in body if isinstance(body, Mapping) else isinstance(body, list) and isinstance(step, int)
        missing = isinstance(body, Mapping) and number == len(place) - 1
        if within or missing or body is None:
            yield step
        if within:
            body = body[step]


def _names_beside(asked: type, place: Place) -> list[str]:
    """The fields that there are where an unknown one was sent; ``place`` leads to it through lists and documents."""
    kinds = [asked]
    for step in place[:-1]:
        inner = [found for kind in kinds for found in _types_in(_fields_of(kind).get(step))]
        tagged = [kind for kind in kinds if _tag_of(kind) == step]
        kinds = inner or tagged or kinds
    return list(dict.fromkeys(str(name) for kind in kinds for name in _fields_of(kind)))


def _types_in(annotation: object) -> list[type]:
    """The documents that an annotation allows, in unions, lists and the like."""
    if _fields_of(annotation):
        return [annotation] if isinstance(annotation, type) else []
    return [found for argument in get_args(annotation) for found in _types_in(argument)]


def _fields_of(kind: object) -> dict[int | str, Any]:
    """The fields of a document with their annotations; empty for anything else."""
    if not isinstance(kind, type):
        return {}
    if issubclass(kind, BaseModel):
        return {name: field.annotation for name, field in kind.model_fields.items()}
    if not dataclasses.is_dataclass(kind):
        return {}
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def _tag_of(kind: type) -> object:
    """The value that tells a member of a union from the others; None outside of unions."""
    if not dataclasses.is_dataclass(kind):
        return None
    return next((field.default for field in dataclasses.fields(kind) if field.name == _TAG), None)
