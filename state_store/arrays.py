"""Arrays on disk in NumPy's format, written as a stream and read as memory maps; nothing is pickled."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from exported_models.contract.publishing import explain_disk_errors
from state_store.errors import StoreError


class ArrayWriter:
    """Writes an array of known length block by block, as a context manager.

    Blocks go through a plain stream. On a full disk a stream raises an error, while a memory map ends the process with
    a signal.

    Raises:
        PublishingError: the disk is full or not writable. StoreError: fewer or more rows were written than announced.
    """

    def __init__(self, path: Path, dtype: DTypeLike, shape: tuple[int, ...]) -> None:
        self._path = path
        self._dtype = np.dtype(dtype)
        self._shape = shape
        self._written = 0

    def __enter__(self) -> ArrayWriter:
        header = {
            "descr": np.lib.format.dtype_to_descr(self._dtype),
            "fortran_order": False,
            "shape": self._shape,
        }
        with explain_disk_errors(self._path):
            self._stream = self._path.open("wb")
            np.lib.format.write_array_header_1_0(self._stream, header)
        return self

    def append(self, block: NDArray[Any]) -> None:
        """Write the next ``block`` [some rows, ...]."""
        with explain_disk_errors(self._path):
            self._stream.write(np.ascontiguousarray(block, dtype=self._dtype).data)
        self._written += len(block)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with explain_disk_errors(self._path), self._stream:
            self._stream.flush()
            os.fsync(self._stream.fileno())
        if kind is None and self._written != self._shape[0]:
            raise StoreError(f"{self._path} got {self._written} rows where {self._shape[0]} were announced.")


def write_array(path: Path, array: NDArray[Any]) -> None:
    """Write a whole array; raises PublishingError where the disk is full or not writable."""
    with ArrayWriter(path, array.dtype, array.shape) as writer:
        writer.append(array)


def map_array(path: Path, dtype: DTypeLike, shape: tuple[int | None, ...]) -> NDArray[Any]:
    """Map an array into memory, read-only; None in ``shape`` leaves that dimension open.

    Raises:
        StoreError: the file is missing, damaged, or of another dtype or shape.
    """
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise StoreError(f"{path} is missing from the state store; build the store again.") from None
    except OSError as error:
        raise StoreError(f"{path} cannot be read ({error.strerror}); build the store again.") from error
    except Exception as error:  # NumPy lets what its parser raises over a damaged header through: a dozen types
        raise StoreError(f"{path} is no array ({type(error).__name__}); build the store again.") from error
    fits = array.ndim == len(shape) and all(want in (None, have) for want, have in zip(shape, array.shape, strict=True))
    if array.dtype != np.dtype(dtype) or not fits:
        wanted = "x".join("any" if size is None else str(size) for size in shape)
        found = "x".join(map(str, array.shape))
        raise StoreError(
            f"{path} holds {array.dtype} [{found}] where the manifest announces {np.dtype(dtype)} [{wanted}]; "
            "build the store again."
        )
    return array
