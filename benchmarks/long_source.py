"""Peak memory of the encoder of an exported model, for sources of several lengths, each in a process of its own.

python -m benchmarks.long_source WORKSPACE MODEL --tokens 1024 2048 4096
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.child import run_child
from exported_models.contract.workspace import Workspace
from exported_models.runtime.model import ExportedModel


def measure(workspace: Workspace, model_id: str, tokens: int) -> str:
    """Encode one source of random tokens in this process: seconds, and megabytes that the peak grew by."""
    model = ExportedModel.open(workspace.model_folder(model_id), threads=1)
    ids = np.random.default_rng(0).integers(4, len(model.source_tokenizer.tokens), (1, tokens))
    before, started = _peak(), time.perf_counter()
    model.encoder.run(ids, np.ones((1, tokens), np.bool_))
    return f"{tokens:,} tokens: {time.perf_counter() - started:.2f} s, {_peak() - before:,.0f} MB"


def _peak() -> float:
    """Largest resident size of this process so far, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line for every length."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.long_source", description=__doc__)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("model")
    parser.add_argument("--tokens", type=int, nargs="+", default=[1024, 2048, 4096])
    options = parser.parse_args(arguments)
    if len(options.tokens) == 1:
        print(measure(Workspace(options.workspace), options.model, options.tokens[0]))
        return 0
    command = [sys.executable, "-m", "benchmarks.long_source", str(options.workspace), options.model, "--tokens"]
    for tokens in options.tokens:
        print(run_child([*command, str(tokens)]).output.strip(), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
