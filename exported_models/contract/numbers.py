"""Types of the numbers in a document. JSON does not distinguish 2.0 from 2, but it distinguishes true from 1."""

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
"""An integer, also written 2.0; text and booleans are refused."""

Number = Annotated[float, Strict()]
"""A number; text and booleans are refused."""
