"""Memory of a process that serves one model, after each kind of request, anonymous and mapped memory told apart.

python -m benchmarks.resident WORKSPACE MODEL      as JSON: a row for each kind of request
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.child import read_sizes
from benchmarks.report import Figure
from exported_models.contract.request import AttentionOverride, Request
from exported_models.contract.workspace import Workspace
from exported_models.engine import Engine
from exported_models.search.self_attention import find_self_attention

SOURCE = "two dogs play in the snow"
STEPS = 12
_ATTEND_TO_FIRST = AttentionOverride(3, ((0, 1.0),))


def measure(workspace: Workspace, model_id: str) -> Iterator[dict[str, Figure]]:
    """Open a model and ask it for one answer of each kind, in this process.

    Sizes are bytes, and include the interpreter and its libraries (about 75 MB).
    """
    for kind, ask in _list_requests(Engine(workspace), model_id):
        started = time.perf_counter()
        ask()
        seconds = time.perf_counter() - started
        sizes = read_sizes(os.getpid())
        yield {"after": kind, "s": seconds, "anonymous": sizes["RssAnon"], "mapped": sizes["RssFile"]}


def _list_requests(engine: Engine, model_id: str) -> Iterator[tuple[str, Callable[[], object]]]:
    request = Request(model_id, SOURCE, max_length=STEPS)
    yield "opening", lambda: engine.model(model_id)
    yield "a translation", lambda: engine.translate(request)
    yield "an override", lambda: engine.translate(replace(request, overrides=(_ATTEND_TO_FIRST,)))
    trace = engine.translate(request)
    yield "self-attention", lambda: find_self_attention(engine.model(model_id), trace, trace.best)
    yield "forced scoring", lambda: engine.score(request, SOURCE)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the rows of one model."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.resident", description=measure.__doc__)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("model")
    options = parser.parse_args(arguments)
    print(json.dumps(list(measure(Workspace(options.workspace), options.model))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
