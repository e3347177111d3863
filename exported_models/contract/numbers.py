"""Types of the numbers in a document. JSON does not tell 2.0 from 2, but it tells true from 1."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Strict

MAX_WHOLE = 2**53
"""The largest integer that every reader of JSON keeps exactly."""


def _read_whole(value: object) -> object:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and abs(value) > MAX_WHOLE:
        raise ValueError("The number is too large.")
    return value


WholeNumber = Annotated[int, Strict(), BeforeValidator(_read_whole)]
"""An integer, also where it is written 2.0; no text and no boolean."""

Number = Annotated[float, Strict()]
"""A number; no text and no boolean."""
