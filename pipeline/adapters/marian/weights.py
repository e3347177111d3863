"""Reading Marian's model files: NumPy archives without pickles, and Marian's binary format."""

from __future__ import annotations

import math
import struct
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml
from numpy.typing import NDArray

from exported_models.contract.arrays import Floats
from pipeline.adapters.marian.files import BINARY_VERSION, OPTIONS_ITEM
from pipeline.errors import CheckpointError

_READABLE = "a Marian model is an .npz or a .bin file with float32, float16, intgemm8 or intgemm16 weights"
_FLOATS: Mapping[int, np.dtype[Any]] = {0x402: np.dtype("<f2"), 0x404: np.dtype("<f4")}
# Marian and its fork Bergamot number the quantized types differently.
_QUANTIZED: Mapping[int, np.dtype[Any]] = {
    0x4101: np.dtype("<i1"),
    0x10001: np.dtype("<i1"),
    0x4102: np.dtype("<i2"),
    0x10002: np.dtype("<i2"),
}
_SPECIAL_PREFIX = "special:"
_MULTIPLIER_SUFFIX = "_QuantMultA"
"""Suffix of items with the scale at which Marian rounds activations."""
_MOST_DIMENSIONS = 8


@dataclass(frozen=True, slots=True)
class MarianWeights:
    """The content of a model file.

    Attributes:
        tensors: every weight by Marian's name, float32; matrices are [inputs, outputs], tables [tokens, size].
        options: the training options.
        is_quantized: whether weights were stored as integers.
    """

    path: Path
    tensors: Mapping[str, Floats]
    options: Mapping[str, Any]
    is_quantized: bool


class _Header(NamedTuple):
    name_length: int
    kind: int
    dimensions: int
    length: int


class _Item(NamedTuple):
    name: str
    kind: int
    shape: tuple[int, ...]
    data: memoryview


def read_weights(path: Path) -> MarianWeights:
    """Read a model file.

    Raises:
        CheckpointError: the file cannot be read, is damaged or of another format, or a weight is not finite.
    """
    try:
        weights = _read_archive(path) if path.suffix == ".npz" else _read_binary(path)
    except OSError as error:
        raise CheckpointError(f"{path} could not be read: {error.strerror or error}.") from error
    for name, tensor in weights.tensors.items():
        if not np.isfinite(tensor).all():
            raise CheckpointError(f"The model {path} has weights that are not finite, in {name}.")
    return weights


def read_yaml(content: str | bytes, origin: str) -> Mapping[str, Any]:
    """Parse options in YAML to a mapping.

    Raises:
        CheckpointError: the text is no such mapping; the message names ``origin``.
    """
    try:
        options = yaml.safe_load(content)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # an impossible date raises ValueError, not YAMLError
        raise CheckpointError(f"{origin} is not YAML; copy the model again.") from error
    if not isinstance(options, dict):
        raise CheckpointError(f"{origin} does not hold options by name; copy the model again.")
    return options


def _read_archive(path: Path) -> MarianWeights:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            items = {name: archive[name] for name in archive.files}
    except (zipfile.BadZipFile, ValueError, EOFError, KeyError, zipfile.zlib.error) as error:  # type: ignore[attr-defined]
        raise CheckpointError(f"{path} is damaged or no NumPy archive of plain arrays; {_READABLE}.") from error
    options = items.pop(OPTIONS_ITEM, None)
    if options is None:
        raise CheckpointError(f"{path} has no {OPTIONS_ITEM}, in which Marian keeps a model's options; {_READABLE}.")
    tensors = {name: _to_float32(name, value, path) for name, value in items.items() if _is_weight(name)}
    return MarianWeights(path, tensors, _read_options(options.tobytes(), path), is_quantized=False)


def _is_weight(name: str) -> bool:
    return not name.startswith(_SPECIAL_PREFIX) and not name.endswith(_MULTIPLIER_SUFFIX)


def _to_float32(name: str, value: NDArray[Any], path: Path) -> Floats:
    if value.dtype.kind != "f":
        raise CheckpointError(f"{path} has the weight {name} as {value.dtype}; {_READABLE}.")
    return value.astype(np.float32)


def _read_binary(path: Path) -> MarianWeights:
    content = memoryview(path.read_bytes())
    if content[: len(BINARY_VERSION)] != BINARY_VERSION:
        raise CheckpointError(f"{path} is not in Marian's binary format, version 1; {_READABLE}.")
    try:
        items = list(_split_binary(content))
        tensors = {item.name: _read_tensor(item, path) for item in items if _is_weight(item.name)}
    except (struct.error, UnicodeDecodeError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged or truncated: copy it again; {_READABLE}.") from error
    options = next((item for item in items if item.name == OPTIONS_ITEM), None)
    if options is None:
        raise CheckpointError(f"{path} has no {OPTIONS_ITEM}, in which Marian keeps a model's options; {_READABLE}.")
    is_quantized = any(item.kind in _QUANTIZED for item in items)
    return MarianWeights(path, tensors, _read_options(bytes(options.data), path), is_quantized)


def _split_binary(content: memoryview) -> Iterator[_Item]:
    """Split a binary file into items: all headers come first, then all names, all shapes and, after a gap, all data."""
    count, place = struct.unpack_from("<Q", content, 8)[0], 16
    if count > len(content):
        raise ValueError(count)
    headers = [_Header(*struct.unpack_from("<QQQQ", content, place + 32 * index)) for index in range(count)]
    place += 32 * count
    names, shapes = [], []
    for header in headers:
        names.append(_cut(content, place, header.name_length).tobytes().rstrip(b"\0").decode("utf-8"))
        place += header.name_length
    for header in headers:
        if header.dimensions > _MOST_DIMENSIONS:
            raise ValueError(header.dimensions)
        shapes.append(struct.unpack_from(f"<{header.dimensions}i", content, place))
        place += 4 * header.dimensions
    place += 8 + struct.unpack_from("<Q", content, place)[0]
    for header, name, shape in zip(headers, names, shapes, strict=True):
        yield _Item(name, header.kind, shape, _cut(content, place, header.length))
        place += header.length


def _cut(content: memoryview, start: int, length: int) -> memoryview:
    if start + length > len(content):
        raise ValueError(length)
    return content[start : start + length]


def _read_tensor(item: _Item, path: Path) -> Floats:
    count = math.prod(item.shape)
    if min(item.shape, default=1) < 1:
        raise ValueError(item.shape)
    if item.kind in _FLOATS:
        kind = _FLOATS[item.kind]
        floats: Floats = np.frombuffer(item.data, kind, count).reshape(item.shape).astype(np.float32)
        return floats
    if item.kind not in _QUANTIZED:
        raise CheckpointError(
            f"{path} has the weight {item.name} in a form for one kind of processor (type {item.kind:#x}), which needs "
            f"to be made again from the original with marian-conv; {_READABLE}."
        )
    integers = np.frombuffer(item.data, _QUANTIZED[item.kind], count)
    # The factor that weights were multiplied by before rounding follows them.
    multiplier = np.frombuffer(item.data, "<f4", 1, offset=integers.nbytes)[0]
    if not multiplier > 0:
        raise ValueError(multiplier)
    values: Floats = integers.astype(np.float32) / multiplier
    # A matrix is stored transposed to its shape; a table of embeddings is not.
    return values.reshape(item.shape) if "Wemb" in item.name else values.reshape(item.shape[::-1]).T


def _read_options(content: bytes, path: Path) -> Mapping[str, Any]:
    return read_yaml(content.rstrip(b"\0"), f"{OPTIONS_ITEM} in {path}")
