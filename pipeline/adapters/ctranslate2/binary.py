"""CTranslate2's ``model.bin``: a version, the name of a specification, its variables, and other names of these.

All numbers are little-endian. Nothing in the file is run, and no size in it is believed before it is checked against
the size of the file.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from exported_models.contract.errors import shorten
from pipeline.errors import CheckpointError

VERSION = 6
"""Version of the binary format that CTranslate2 writes since 3.0."""
SPECIFICATION, REVISION = "TransformerSpec", 7
"""Name and revision of the specification of encoder-decoders."""

Kind = Literal["float32", "int8", "int16", "int32", "float16", "bfloat16"]
_KINDS: tuple[Kind, ...] = ("float32", "int8", "int16", "int32", "float16", "bfloat16")
_STORED: Mapping[Kind, str] = {"bfloat16": "<u2", "float16": "<f2", "float32": "<f4", "int16": "<i2", "int32": "<i4"}
_MOST_AXES = 8
_OTHERS: Mapping[str, str] = {
    "TransformerDecoderSpec": "a decoder without an encoder, so there is no source to attend to",
    "TransformerEncoderSpec": "an encoder without a decoder, so there is nothing to search",
    "Wav2Vec2BertSpec": "a model that reads sound",
    "Wav2Vec2Spec": "a model that reads sound",
    "WhisperSpec": "a model that reads sound",
}
"""Specifications that are refused with what is special about them."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable as it is stored; a bfloat16 is the upper half of a float32, in ``values`` as an unsigned integer."""

    kind: Kind
    values: NDArray[Any]


def read_variables(path: Path) -> Mapping[str, Variable]:
    """The variables of an encoder-decoder by name. Those of several names are one object; the file stays mapped.

    Raises:
        CheckpointError: the file is torn or damaged, of another version or revision, or of no encoder-decoder.
    """
    reader = _Reader(path)
    version = reader.number("I")
    if version != VERSION:
        raise CheckpointError(
            f"{path} has version {version} of CTranslate2's format, and version {VERSION} is read: convert the model "
            "again with CTranslate2 3.0 or later."
        )
    _check_specification(reader.text(), reader.number("I"), path)
    variables: dict[str, Variable] = {}
    for _ in range(reader.number("I")):
        name = reader.text()
        if name in variables:
            raise reader.damaged(f"it has {shorten(name)!r} twice")
        variables[name] = reader.variable(name)
    for _ in range(reader.number("I")):
        _add_alias(reader, variables)
    reader.finish()
    return variables


def _check_specification(name: str, revision: int, path: Path) -> None:
    if name != SPECIFICATION:
        about = _OTHERS.get(name, "which is not known here")
        raise CheckpointError(
            f"{path} is a {shorten(name)} of CTranslate2, {about}; encoder-decoders ({SPECIFICATION}) are read."
        )
    if revision != REVISION:
        raise CheckpointError(
            f"{path} has revision {revision} of {SPECIFICATION}, and revision {REVISION} is read: convert the model "
            "again with a CTranslate2 of today."
        )


def _add_alias(reader: _Reader, variables: dict[str, Variable]) -> None:
    """Give a variable another name; the scale of a quantized one goes with it."""
    alias, name = reader.text(), reader.text()
    if alias in variables or name not in variables:
        raise reader.damaged(f"it has {shorten(alias)!r} as another name of {shorten(name)!r}, which cannot be")
    variables[alias] = variables[name]
    scale = f"{name}_scale"
    if scale in variables:
        variables.setdefault(f"{alias}_scale", variables[scale])


class _Reader:
    """Reads a mapped file from its beginning to its end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._content = np.memmap(path, np.uint8, "r")
        except FileNotFoundError:
            raise CheckpointError(f"There is no {path.name} in {path.parent}.") from None
        except ValueError:
            raise CheckpointError(f"{path} is empty; copy the model again.") from None
        except OSError as error:
            raise CheckpointError(f"{path} could not be read: {error.strerror}.") from error
        self._place = 0

    def damaged(self, why: str) -> CheckpointError:
        return CheckpointError(f"{self._path} is damaged or cut short: {why}; copy the model again.")

    def number(self, form: str) -> int:
        (value,) = struct.unpack(f"<{form}", self._take(struct.calcsize(form)).tobytes())
        return int(value)

    def text(self) -> str:
        content = self._take(self.number("H")).tobytes()
        try:
            return content.removesuffix(b"\0").decode("utf-8")
        except UnicodeDecodeError:
            raise self.damaged(f"a name before byte {self._place:,} is no text") from None

    def variable(self, name: str) -> Variable:
        axes = self.number("B")
        if axes > _MOST_AXES:
            raise self.damaged(f"{shorten(name)!r} has {axes} axes")
        shape = tuple(self.number("I") for _ in range(axes))
        number, held = self.number("B"), self.number("I")
        if number >= len(_KINDS):
            raise self.damaged(f"{shorten(name)!r} is of the unknown type {number}")
        kind = _KINDS[number]
        stored = np.dtype(_STORED.get(kind, kind))
        wanted = prod(shape) * stored.itemsize
        if held != wanted:
            raise self.damaged(f"{shorten(name)!r} holds {held:,} bytes where its shape needs {wanted:,}")
        return Variable(kind, self._take(held).view(stored).reshape(shape))

    def finish(self) -> None:
        left = len(self._content) - self._place
        if left:
            raise self.damaged(f"{left:,} bytes follow its end")

    def _take(self, count: int) -> NDArray[np.uint8]:
        left = len(self._content) - self._place
        if count > left:
            raise self.damaged(f"at byte {self._place:,} it needs {count:,} more, and has {left:,}")
        taken: NDArray[np.uint8] = self._content[self._place : self._place + count]
        self._place += count
        return taken
