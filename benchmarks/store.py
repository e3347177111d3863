"""The encoding of a corpus as a build does it, against the library's forward pass over the same batches.

python -m benchmarks.store CHECKPOINT SOURCES TARGETS    a Hugging Face checkpoint, and files with a sentence a line

Ours is the whole step of a build: tokens, states batch by batch, shards written through to the disk, centers, rows
merged and digested, held-out pairs included. The library's is its forward pass with hidden states and attention alone:
its batches are tokenized beforehand, and nothing is written. After every batch of ours the library has its turn.
Everything runs on one thread.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.library import TokenPair, forward
from benchmarks.measure import Timing, describe_machine, one_thread, shorten
from benchmarks.report import Figure, Report
from exported_models.contract.workspace import Workspace
from pipeline.adapters.huggingface.checkpoint import read_checkpoint
from pipeline.build.build_run import BuildRun
from pipeline.build.building import open_build
from pipeline.build.pair_steps import PlannedPairs, plan_pairs
from pipeline.build.project_file import CorpusSection, ModelSection, Project, ProjectFile
from pipeline.build.state_steps import encode_pairs
from pipeline.build.steps import make_model
from pipeline.corpus.pair_tokens import PairTokenizer
from pipeline.graphs.states import StateEncoder
from pipeline.progress import Advance, open_progress
from pipeline.store.encode import EncodeItem, StateSettings, encode_block, list_items, plan_block
from pipeline.work.executors import ItemType, Work

MODEL_ID = "benchmark"


class Turns:
    """A progress of a step that gives another way its turn whenever a batch is done, and times both.

    ``batches`` are those of the step, in its order; ``theirs`` is the other way to do one.
    """

    def __init__(self, batches: Sequence[Sequence[TokenPair]], theirs: Callable[[Sequence[TokenPair]], object]) -> None:
        self._batches = iter(batches)
        self._theirs = theirs
        self.peer = Timing(0, 0)

    def note(self, message: str) -> None:
        """Nothing is shown."""

    @contextmanager
    def track(self, title: str, total: int, unit: str) -> Iterator[Advance]:  # noqa: ARG002 (the protocol's names)
        yield self._advance

    def _advance(self, count: int) -> None:
        batch = next(self._batches)
        if len(batch) != count:
            raise ValueError(f"a batch of {count} pairs was encoded where one of {len(batch)} is planned")
        self.peer = _add(self.peer, _time(lambda: self._theirs(batch)))


class OneThread:
    """An executor over a model that is opened on one thread before the time is taken."""

    def __init__(self, encoder: StateEncoder, settings: StateSettings) -> None:
        self._encoder = encoder
        self._settings = settings

    def run(self, work: Work[ItemType], items: Sequence[ItemType], advance: Advance) -> None:  # noqa: ARG002 (the protocol's names)
        for item in items:
            assert isinstance(item, EncodeItem)
            encode_block(self._encoder, self._settings, item, advance)


def measure(run: BuildRun, library: Any) -> dict[str, Figure]:
    """Encode the corpus of a build, the library taking turns."""
    planned = plan_pairs(run, None).result
    model = make_model(run, None, planned.store)
    encoder, settings = StateEncoder.open(model.folder, threads=1), run.store.state_settings(model)
    batches = list(_plan_tokens(run, PairTokenizer.of(encoder.model), settings, planned))
    turns = Turns(batches, lambda batch: forward(library, model.manifest, batch))
    timed = replace(run, progress=turns, executor=OneThread(encoder, settings))
    with one_thread():
        forward(library, model.manifest, batches[0])  # what is made on first use is not timed
        both = _time(lambda: encode_pairs(timed, model, planned))
    ours = Timing(both.clock - turns.peer.clock, both.processor - turns.peer.processor)
    pairs = sum(map(len, batches))
    return {
        "": f"{pairs:,} pairs in {len(batches)} batches : forward",
        "s": shorten(ours.clock),
        "peer s": shorten(turns.peer.clock),
        "speedup": shorten(turns.peer.clock / ours.clock),
        "cpu speedup": shorten(turns.peer.processor / ours.processor),
        "pairs/s": round(pairs / ours.clock),
    }


def _plan_tokens(
    run: BuildRun, tokenizer: PairTokenizer, settings: StateSettings, planned: PlannedPairs
) -> Iterator[list[TokenPair]]:
    """The batches of the build in its order, as ids."""
    folder = run.store.folder
    for table, blocks in ((folder.staged, planned.store.blocks), (folder.held_out, planned.held_out.blocks)):
        for item in list_items(folder.shards, settings, table, blocks):
            for batch in plan_block(tokenizer, settings, item):
                yield [(pair.source_ids, pair.target_ids) for pair in batch.values()]


def _time(way: Callable[[], object]) -> Timing:
    clock, processor = time.perf_counter(), time.process_time()
    way()
    return Timing(time.perf_counter() - clock, time.process_time() - processor)


def _add(one: Timing, other: Timing) -> Timing:
    return Timing(one.clock + other.clock, one.processor + other.processor)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.store", description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("sources", type=Path)
    parser.add_argument("targets", type=Path)
    parser.add_argument("--pairs", type=int, help="only so many, from the start of the files")
    options = parser.parse_args(arguments)
    corpus = CorpusSection(train=options.sources.resolve(), train_target=options.targets.resolve(), limit=options.pairs)
    content = ProjectFile(model=ModelSection(id=MODEL_ID, checkpoint=options.checkpoint.resolve()), corpus=corpus)
    with tempfile.TemporaryDirectory(prefix="beamscope-store-") as name:
        project = Project(Path(name) / "project.toml", content)
        with open_build(project, Workspace(Path(name)), progress=open_progress()) as run:
            row = measure(run, read_checkpoint(options.checkpoint).model)
    note = "One thread. Ours: tokens, states, shards, centers, merging, digests; the library: the forward pass alone."
    print(f"{Report('Encode a corpus into a store', [row], note).to_text()}\n[{describe_machine()}]")
    return 0


if __name__ == "__main__":
    sys.exit(main())
