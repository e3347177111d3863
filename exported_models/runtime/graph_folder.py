"""The folder of a model's graphs, with their weights mapped into memory once for all of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from exported_models.contract.graphs import WEIGHTS_FILE
from exported_models.runtime.providers import may_run_on_gpu, session_options

_READ_IN_PLACE = "session.use_external_initializer_file_buffers_directly"


@dataclass(frozen=True, slots=True, eq=False)
class GraphFolder:
    """A folder of graphs whose sessions share one mapping of the weights.

    A session that opens the file by itself maps it again. The pages in memory are the same, but the resident memory of
    the process counts them once a session.

    Attributes:
        threads: cores that one call may use; None leaves the number to ONNX Runtime.
        weights: the mapped file, which must outlive the sessions; None where there is none, or a GPU copies it.
    """

    path: Path
    threads: int | None
    weights: NDArray[np.uint8] | None

    @classmethod
    def open(cls, path: Path, threads: int | None) -> GraphFolder:
        """Map the weights of a published model."""
        file = path / WEIGHTS_FILE
        shared = file.is_file() and not may_run_on_gpu()
        return cls(path, threads, np.memmap(file, np.uint8, "r") if shared else None)

    def session_options(self) -> ort.SessionOptions:
        """Options of a session over one of the folder's graphs."""
        options = session_options(self.threads)
        if self.weights is not None:
            options.add_session_config_entry(_READ_IN_PLACE, "1")
            options.add_external_initializers_from_files_in_memory([WEIGHTS_FILE], [self.weights], [len(self.weights)])
        return options
