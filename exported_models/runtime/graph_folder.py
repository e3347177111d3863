"""The folder of a model's graphs, with their weights mapped into memory once for all of them."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from pathlib import Path

import onnxruntime as ort
from packaging.version import Version

from exported_models.contract.graphs import WEIGHTS_FILE
from exported_models.runtime.providers import may_run_on_gpu, session_options

_READ_IN_PLACE = "session.use_external_initializer_file_buffers_directly"
_SINCE = Version("1.31")
"""A release of ONNX Runtime that knows the setting; one that does not would copy the whole file for every session."""


@dataclass(frozen=True, slots=True, eq=False)
class GraphFolder:
    """A folder of graphs whose sessions share one mapping of the weights.

    A session that opens the file by itself maps it again. The pages in memory are the same, but the resident memory of
    the process counts them once a session.

    Attributes:
        threads: cores that one call may use; None leaves the number to ONNX Runtime.
        weights: the mapped file, which must outlive the sessions; None where there is none, or a session
            reads the file by itself: on a GPU, which has memory of its own, and in older releases of ONNX Runtime.
    """

    path: Path
    threads: int | None
    weights: mmap.mmap | None

    @classmethod
    def open(cls, path: Path, threads: int | None) -> GraphFolder:
        """Map the weights of a published model."""
        file = path / WEIGHTS_FILE
        if not file.is_file() or may_run_on_gpu() or Version(ort.__version__) < _SINCE:
            return cls(path, threads, None)
        with file.open("rb") as stream:
            return cls(path, threads, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))

    def session_options(self) -> ort.SessionOptions:
        """Options of a session over one of the folder's graphs."""
        options = session_options(self.threads)
        if self.weights is not None:
            options.add_session_config_entry(_READ_IN_PLACE, "1")
            options.add_external_initializers_from_files_in_memory([WEIGHTS_FILE], [self.weights], [len(self.weights)])
        return options

    def return_pages(self) -> None:
        """Give back the pages that opening a session read, of which it may have made copies; others come back."""
        if self.weights is not None and hasattr(self.weights, "madvise"):
            self.weights.madvise(mmap.MADV_DONTNEED)
