"""Decoding with a Transformer, against CTranslate2 and against the library the checkpoint came from.

python -m benchmarks.decode CHECKPOINT SOURCES    a Marian checkpoint, and a file with a sentence a line

CTranslate2 is measured where it is installed: `pip install ctranslate2`. Everything runs on one thread.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from benchmarks import ctranslate2_peer
from benchmarks.ctranslate2_peer import Translator
from benchmarks.library import TokenPair, forward
from benchmarks.measure import compare, describe_machine, one_thread
from benchmarks.random_checkpoint import FEED_FORWARD, HEADS, LAYERS, SIZE, export_unverified, write_random_checkpoint
from benchmarks.report import Figure, Report
from benchmarks.traced import BEAM_SIZE, Traced
from exported_models.contract.workspace import Workspace
from exported_models.runtime.model import ExportedModel
from exported_models.search.recording import Recording
from exported_models.search.scoring import force_batch
from exported_models.search.self_attention import find_self_attention
from pipeline.adapters.huggingface.checkpoint import read_checkpoint
from pipeline.export.checkpoints import export_model
from pipeline.export.twins import Comparison, export_twin
from pipeline.progress import open_progress

SENTENCES = 200
BATCH = 32
LARGE_SENTENCES = 30
LARGE_LENGTH = 20
MODEL_ID = "benchmark"
WORKSPACE = Path(__file__).resolve().parent.parent / "build" / "benchmarks"


class Bench:
    """The checkpoint and its int8 twin exported, and beside them as each peer runs it."""

    def __init__(self, checkpoint: Path, sources: Path) -> None:
        workspace = Workspace(WORKSPACE)
        export_model(checkpoint, None, MODEL_ID, workspace, progress=open_progress())
        twin = export_twin(MODEL_ID, "int8", Comparison(), workspace, progress=open_progress())
        self.checkpoint = checkpoint
        self.model = ExportedModel.open(workspace.model_folder(MODEL_ID), threads=1)
        self.ours = Traced(self.model)
        self.twin = Traced(ExportedModel.open(workspace.model_folder(twin.model_id), threads=1))
        self.lines = sources.read_text(encoding="utf-8").split("\n")[:SENTENCES]

    @cached_property
    def library(self) -> Any:
        """The checkpoint as the library runs it."""
        return read_checkpoint(self.checkpoint).model

    def generate(self, line: str) -> object:
        return self.library.generate(
            torch.tensor([self.ours.ids(line)]),
            num_beams=BEAM_SIZE,
            num_return_sequences=BEAM_SIZE,
            return_dict_in_generate=True,
            output_scores=True,
            output_attentions=True,
            output_hidden_states=True,
        )


def measure_ctranslate2(bench: Bench) -> Iterator[dict[str, Figure]]:
    """A sentence's full trace against CTranslate2: in floats, in integers, and of a larger model."""
    if not ctranslate2_peer.is_installed():
        return
    for ours, kind in ((bench.ours, "float32"), (bench.twin, "int8")):
        peer = Translator(bench.checkpoint, WORKSPACE / "ctranslate2", kind)
        figures = _against(ours, peer, bench.lines)
        yield {"": f"full trace : CTranslate2 {kind}", **figures}
    with tempfile.TemporaryDirectory(prefix="beamscope-large-") as name:
        folder = Path(name)
        write_random_checkpoint(bench.checkpoint, folder / "checkpoint")
        large = Traced(export_unverified(folder / "checkpoint", folder / "large"), LARGE_LENGTH)
        peer = Translator(folder / "checkpoint", folder / "ctranslate2", "float32", LARGE_LENGTH)
        figures = _against(large, peer, bench.lines[:LARGE_SENTENCES])
        yield {"": "full trace, large : CTranslate2 float32", **figures}


def _against(ours: Traced, peer: Translator, lines: Sequence[str]) -> dict[str, float]:
    return compare(lines, ours.trace, lambda line: peer.translate(ours.tokens(line))).figures("peer")


def measure_generate(bench: Bench) -> dict[str, Figure]:
    """A sentence's full trace against the library."""
    return {"": "full trace : generate", **compare(bench.lines, bench.ours.trace, bench.generate).figures("peer")}


def measure_what_ifs(bench: Bench) -> Iterator[dict[str, Figure]]:
    """The runner-up chosen in the middle of the best answer, against the same request from nothing."""
    prefixes: dict[str, tuple[str, ...]] = {}
    recordings: dict[str, Recording] = {}
    for line in bench.lines:
        recordings[line] = bench.ours.record(line)
        trace = bench.ours.go_on(line, (), recordings[line])
        half = len(trace.best.tokens) // 2
        prefixes[line] = (*trace.best.tokens[:half], trace.top_k(trace.best)[half][1].token)

    def change(line: str) -> object:
        return bench.ours.go_on(line, prefixes[line], recordings[line])

    def start_over(line: str) -> object:
        return bench.ours.trace(line, prefixes[line])

    yield {"": "what-if half way : same from nothing", **compare(bench.lines, change, start_over).figures("peer")}
    yield {"": "what-if half way : full trace", **compare(bench.lines, change, bench.ours.trace).figures("peer")}


def measure_self_attention(bench: Bench) -> dict[str, Figure]:
    """All self-attention of the best answer, which is computed when asked for, against the search."""
    traces = {line: bench.ours.trace(line) for line in bench.lines}

    def attend(line: str) -> object:
        return find_self_attention(bench.model, traces[line], traces[line].best)

    return {"": "self-attention : full trace", **compare(bench.lines, attend, bench.ours.trace).figures("peer")}


def measure_encoding(bench: Bench) -> dict[str, Figure]:
    """States and attention of sentence pairs in batches, against the library's forward pass."""
    model = bench.model
    pairs = sorted(
        ((bench.ours.ids(line), bench.ours.trace(line).best.token_ids) for line in bench.lines),
        key=lambda pair: len(pair[0]),
    )
    batches = [pairs[start : start + BATCH] for start in range(0, len(pairs), BATCH)]

    def ours(batch: Sequence[TokenPair]) -> object:
        return force_batch(model, [source for source, _ in batch], [target for _, target in batch])

    def theirs(batch: Sequence[TokenPair]) -> object:
        return forward(bench.library, model.manifest, batch)

    return {"": f"states of {BATCH} pairs : forward", **compare(batches, ours, theirs).figures("peer")}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.decode", description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("sources", type=Path)
    options = parser.parse_args(arguments)
    bench = Bench(options.checkpoint, options.sources)
    with one_thread():
        rows = [
            *measure_ctranslate2(bench),
            measure_generate(bench),
            *measure_what_ifs(bench),
            measure_self_attention(bench),
            measure_encoding(bench),
        ]
    note = (
        "One thread. A full trace is every candidate, attention of every layer and head, top k, states and n-best.\n"
        f"Large: {LAYERS}+{LAYERS} layers, {SIZE} units, {HEADS} heads, {FEED_FORWARD} inner units, random weights, "
        f"{LARGE_LENGTH} steps of {LARGE_SENTENCES} sentences."
    )
    print(f"{Report(f'Decode, beam {BEAM_SIZE}', rows, note).to_text()}\n[{describe_machine()}]")
    return 0


if __name__ == "__main__":
    sys.exit(main())
