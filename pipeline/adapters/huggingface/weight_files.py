"""Files of weights, checked before the library reads them: it skips some faults, and reads others as something else."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from exported_models.contract.errors import shorten
from pipeline.adapters.huggingface.files import INDEX_SUFFIX, WEIGHT_FILES
from pipeline.errors import CheckpointError

_READ = frozenset({"F64", "F32", "F16", "BF16", "I64", "I32", "BOOL"})
"""Types of tensors that are read as they are; those of fewer bits need scales that stand elsewhere."""
_LARGEST_HEADER = 100 << 20
"""Bytes; the format's own limit."""


def check_weight_files(folder: Path) -> None:
    """Check the indexes of shards in a folder, and the headers of its safetensors.

    Raises:
        CheckpointError: an index is damaged, names a weight twice or a file that is not beside it; a shard is missing
            or torn, or lacks a weight that it is said to hold; two shards hold one weight; a weight is quantized.
    """
    for index in (folder / name for name in WEIGHT_FILES if name.endswith(INDEX_SUFFIX)):
        if index.is_file():
            _check_shards(index, _read_index(index))
    single = folder / "model.safetensors"
    if single.is_file():
        _check_types(single, read_header(single))


def _read_index(index: Path) -> Mapping[str, str]:
    """The shard of every weight."""
    try:
        content = json.loads(index.read_text(encoding="utf-8"), object_pairs_hook=_keep_pairs)
        pairs = content["weight_map"]
        shards = {str(weight): str(shard) for weight, shard in pairs.items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{index} does not say which file holds which weight; copy it again.") from error
    if "metadata" not in content:  # the library reads it
        raise CheckpointError(f"{index} has no entry 'metadata'; copy it again.")
    if pairs.twice is not None:
        raise CheckpointError(f"{index} names the weight {shorten(pairs.twice)!r} twice; copy it again.")
    for name in set(shards.values()):
        if name != Path(name).name:
            raise CheckpointError(f"{index} names {shorten(name)!r}, which is not a file beside it; copy it again.")
    return shards


class _Pairs(dict[str, Any]):
    """A JSON object; ``twice`` is the first key that it has twice."""

    twice: str | None = None


def _keep_pairs(pairs: Sequence[tuple[str, Any]]) -> _Pairs:
    found = _Pairs(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        found.twice = next(key for key in keys if keys.count(key) > 1)
    return found


def _check_shards(index: Path, shards: Mapping[str, str]) -> None:
    names = sorted(set(shards.values()))
    missing = [name for name in names if not (index.parent / name).is_file()]
    if missing:
        raise CheckpointError(
            f"{index} names {len(names)} files of weights, and {len(missing)} of them are not there, for instance "
            f"{missing[0]}; copy the checkpoint again, whole."
        )
    holders: dict[str, str] = {}
    for name in (name for name in names if name.endswith(".safetensors")):
        header = read_header(index.parent / name)
        _check_types(index.parent / name, header)
        for weight in header:
            if weight in holders:
                raise CheckpointError(
                    f"The weight {weight} stands in {holders[weight]} and in {name} of {index.parent}, and which of "
                    "them counts is not said; ask for the checkpoint anew."
                )
            holders[weight] = name
    _check_places(index, shards, holders)


def _check_places(index: Path, shards: Mapping[str, str], holders: Mapping[str, str]) -> None:
    for weight, name in shards.items():
        if name.endswith(".safetensors") and holders.get(weight) != name:
            raise CheckpointError(f"{index} says that {name} holds {weight}, which it does not; copy it again.")


def read_header(path: Path) -> Mapping[str, Mapping[str, Any]]:
    """The type, shape and place of every tensor of a safetensors file, whose end must be the end of the last tensor.

    Raises:
        CheckpointError: the file is damaged.
    """
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(min(length, _LARGEST_HEADER)))
        header.pop("__metadata__", None)
        end = max((entry["data_offsets"][1] for entry in header.values()), default=0)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, struct.error) as error:
        raise _damaged(path, "its beginning is no list of tensors") from error
    held = path.stat().st_size - 8 - length
    if held != end:
        raise _damaged(path, f"it holds {held:,} bytes of tensors where its header names {end:,}")
    tensors: Mapping[str, Mapping[str, Any]] = header
    return tensors


def _damaged(path: Path, why: str) -> CheckpointError:
    return CheckpointError(f"The weights in {path} could not be loaded: {why}; copy the checkpoint again.")


def _check_types(path: Path, header: Mapping[str, Mapping[str, Any]]) -> None:
    quantized: Iterable[tuple[str, str]] = ((name, entry["dtype"]) for name, entry in header.items())
    for name, dtype in quantized:
        if dtype not in _READ:
            raise CheckpointError(
                f"The weight {name} in {path} is {dtype}: quantized weights are not read, since their scales stand "
                "elsewhere; take the checkpoint in float32, bfloat16 or float16."
            )
