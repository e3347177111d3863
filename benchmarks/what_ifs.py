"""What-ifs of one sentence decoded together, against the same what-ifs one after the other.

python -m benchmarks.what_ifs WORKSPACE MODEL SENTENCE    a published model, and a sentence of some 12 words

Both ways run on one thread and take turns. The one after the other goes on from the recorded steps of the translation,
as a what-if of the page does.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import get_args

from benchmarks.measure import compare, describe_machine, one_thread
from benchmarks.report import Figure, Report
from exported_models.contract.request import HeadAblation, HeadKind, Request
from exported_models.contract.trace import Trace
from exported_models.contract.wishes import Substitute, Wish
from exported_models.contract.workspace import Workspace
from exported_models.edits import apply
from exported_models.engine import Engine
from exported_models.what_ifs.listing import list_heads, list_words

WHAT_IFS = 120
TOP_K = 10
TURNS = 5
GOAL = 0.5


class Bench:
    """One sentence, and a fresh engine for every turn: nothing but its translation is recorded yet."""

    def __init__(self, workspace: Path, model_id: str, sentence: str) -> None:
        self.workspace = Workspace(workspace)
        self.request = Request(model_id, sentence, top_k=TOP_K)
        self.trace = self.open().translate(self.request)

    def open(self) -> Engine:
        """An engine that has translated the sentence, its graphs opened."""
        engine = Engine(self.workspace, threads=1, cache_bytes=0)
        for kind in get_args(HeadKind):
            engine.translate_all([Request(*self._named(), ablations=(HeadAblation(kind, 0, 0),))])
        engine.translate(self.request)
        return engine

    def measure(self, name: str, wishes: Sequence[Wish]) -> dict[str, Figure]:
        """Times of both ways, and how many answers are the same."""
        asked = [apply(wish, self.trace, self.trace.best).request for wish in wishes]
        engines = [self.open() for _ in range(TURNS)]
        found = compare(engines, lambda engine: engine.translate_all(asked), lambda engine: _one_by_one(engine, asked))
        figures = found.figures("one by one")
        ratio = 1 / figures["speedup"]
        equal = _count_equal(engines[0], asked)
        note = f"equal answers: {equal} of {len(asked)}; ratio {ratio:.2f}, goal {GOAL}"
        return {"": f"{len(asked)} {name}", **figures, "note": note}

    def _named(self) -> tuple[str, str]:
        return self.request.model_id, self.request.source


def _one_by_one(engine: Engine, asked: Sequence[Request]) -> list[Trace]:
    return [engine.translate(request) for request in asked]


def _count_equal(engine: Engine, asked: Sequence[Request]) -> int:
    together = engine.translate_all(asked)
    alone = _one_by_one(engine, asked)
    return sum(
        not isinstance(many, Exception) and many[0].tokens == one.best.tokens
        for many, one in zip(together, alone, strict=True)
    )


def _list_substitutes(trace: Trace) -> Iterator[Substitute]:
    """Every word of the sentence in place of every other one."""
    words = trace.source.payload.split()
    for word in range(len(words)):
        yield from (Substitute(word, other) for other in dict.fromkeys(words) if other != words[word])


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.what_ifs", description=__doc__)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("model")
    parser.add_argument("sentence")
    options = parser.parse_args(arguments)
    bench = Bench(options.workspace, options.model, options.sentence)
    model = bench.open().model(options.model)
    kinds: list[tuple[str, Sequence[Wish]]] = [
        ("other words", list_words(bench.trace, bench.trace.best)[:WHAT_IFS]),
        ("substitutes", list(_list_substitutes(bench.trace))[:WHAT_IFS]),
        ("ablated heads", list_heads(model.manifest)[:WHAT_IFS]),
    ]
    with one_thread():
        rows = [bench.measure(name, wishes) for name, wishes in kinds if wishes]
    print(f"{Report('What-ifs of one sentence', rows, 'One thread.').to_text()}\n[{describe_machine()}]")
    return 0


if __name__ == "__main__":
    sys.exit(main())
