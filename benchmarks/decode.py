"""Decoding with a Transformer, against CTranslate2 and against the library the checkpoint came from.

python -m benchmarks.decode CHECKPOINT SOURCES    a Hugging Face checkpoint, and a file with a sentence a line

CTranslate2 is measured where it is installed: `pip install ctranslate2`. Everything runs on one thread.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from benchmarks.measure import compare, describe_machine, one_thread
from benchmarks.report import Figure, Report
from exported_models.engine import Engine, complete_request, search_settings, tokenize_source
from exported_models.model import ExportedModel
from exported_models.recording import Recording
from exported_models.request import Request
from exported_models.scoring import force_batch
from exported_models.search import record_source, search
from exported_models.self_attention import find_self_attention
from exported_models.trace import Trace
from exported_models.workspace import Workspace
from pipeline.adapters.huggingface.checkpoint import quiet_library, read_checkpoint
from pipeline.build import export_model
from pipeline.progress import open_progress

SENTENCES = 200
BEAM_SIZE = 5
BATCH = 32
MODEL_ID = "benchmark"
WORKSPACE = Path(__file__).resolve().parent.parent / "build" / "benchmarks"


class Bench:
    """The checkpoint exported, and beside it as each peer runs it."""

    def __init__(self, checkpoint: Path, sources: Path) -> None:
        workspace = Workspace(WORKSPACE)
        export_model(checkpoint, None, MODEL_ID, workspace, progress=open_progress())
        self.checkpoint = checkpoint
        self.model: ExportedModel = Engine(workspace, threads=1).model(MODEL_ID)
        self.lines = sources.read_text(encoding="utf-8").split("\n")[:SENTENCES]

    @cached_property
    def library(self) -> Any:
        """The checkpoint as the library runs it."""
        return read_checkpoint(self.checkpoint).model

    @cached_property
    def ctranslate2(self) -> Any:
        """The checkpoint converted for CTranslate2, in 32-bit floats."""
        folder = WORKSPACE / "ctranslate2"
        library = importlib.import_module("ctranslate2")
        with quiet_library():
            library.converters.TransformersConverter(str(self.checkpoint)).convert(str(folder), force=True)
        return library.Translator(str(folder), compute_type="float32", inter_threads=1, intra_threads=1)

    def ids(self, line: str) -> tuple[int, ...]:
        return self.model.source_tokenizer.encode(line, end=True).ids

    def trace(self, line: str, prefix: Sequence[str] = ()) -> Trace:
        """A sentence decoded from nothing."""
        return self.go_on(line, prefix, self.record(line))

    def record(self, line: str) -> Recording:
        """A sentence encoded."""
        return record_source(self.model, tokenize_source(line, self.model))

    def go_on(self, line: str, prefix: Sequence[str], recording: Recording) -> Trace:
        """A sentence decoded with what is recorded of it, nothing being remembered of whole answers."""
        request = complete_request(Request(MODEL_ID, line, tuple(prefix), beam_size=BEAM_SIZE), self.model)
        settings = search_settings(request, self.model)
        return search(self.model, request, settings, tokenize_source(line, self.model), recording)

    def translate_with_ctranslate2(self, line: str) -> object:
        tokens = list(self.model.source_tokenizer.encode(line, end=True).tokens)
        return self.ctranslate2.translate_batch(
            [tokens], beam_size=BEAM_SIZE, num_hypotheses=BEAM_SIZE, return_scores=True, return_attention=True
        )

    def generate(self, line: str) -> object:
        return self.library.generate(
            torch.tensor([self.ids(line)]),
            num_beams=BEAM_SIZE,
            num_return_sequences=BEAM_SIZE,
            return_dict_in_generate=True,
            output_scores=True,
            output_attentions=True,
            output_hidden_states=True,
        )


def measure_peers(bench: Bench) -> Iterator[dict[str, Figure]]:
    """A sentence's full trace against each peer."""
    if importlib.util.find_spec("ctranslate2"):
        figures = compare(bench.lines, bench.trace, bench.translate_with_ctranslate2).figures("peer")
        yield {"": "full trace : CTranslate2 float32", **figures}
    yield {"": "full trace : generate", **compare(bench.lines, bench.trace, bench.generate).figures("peer")}


def measure_what_ifs(bench: Bench) -> Iterator[dict[str, Figure]]:
    """The runner-up chosen in the middle of the best answer, against the same request from nothing."""
    prefixes: dict[str, tuple[str, ...]] = {}
    recordings: dict[str, Recording] = {}
    for line in bench.lines:
        recordings[line] = bench.record(line)
        trace = bench.go_on(line, (), recordings[line])
        half = len(trace.best.tokens) // 2
        prefixes[line] = (*trace.best.tokens[:half], trace.top_k(trace.best)[half][1].token)

    def change(line: str) -> object:
        return bench.go_on(line, prefixes[line], recordings[line])

    def start_over(line: str) -> object:
        return bench.trace(line, prefixes[line])

    yield {"": "what-if half way : same from nothing", **compare(bench.lines, change, start_over).figures("peer")}
    yield {"": "what-if half way : full trace", **compare(bench.lines, change, bench.trace).figures("peer")}


def measure_self_attention(bench: Bench) -> dict[str, Figure]:
    """All self-attention of the best answer, which is computed when asked for, against the search."""
    traces = {line: bench.trace(line) for line in bench.lines}

    def attend(line: str) -> object:
        return find_self_attention(bench.model, traces[line], traces[line].best)

    return {"": "self-attention : full trace", **compare(bench.lines, attend, bench.trace).figures("peer")}


def measure_encoding(bench: Bench) -> dict[str, Figure]:
    """States and attention of sentence pairs in batches, against the library's forward pass."""
    model = bench.model
    pairs = sorted(
        ((bench.ids(line), bench.trace(line).best.token_ids) for line in bench.lines),
        key=lambda pair: len(pair[0]),
    )
    batches = [pairs[start : start + BATCH] for start in range(0, len(pairs), BATCH)]

    def ours(batch: Sequence[tuple[Sequence[int], Sequence[int]]]) -> object:
        return force_batch(model, [source for source, _ in batch], [target for _, target in batch])

    def theirs(batch: Sequence[tuple[Sequence[int], Sequence[int]]]) -> object:
        sources = _pad([source for source, _ in batch], model.manifest.pad_id)
        targets = _pad([(model.manifest.start_id, *target[:-1]) for _, target in batch], model.manifest.pad_id)
        mask = (sources != model.manifest.pad_id).long()
        return bench.library(
            input_ids=sources,
            attention_mask=mask,
            decoder_input_ids=targets,
            output_attentions=True,
            output_hidden_states=True,
        )

    return {"": f"states of {BATCH} pairs : forward", **compare(batches, ours, theirs).figures("peer")}


def _pad(rows: Sequence[Sequence[int]], pad_id: int) -> torch.Tensor:
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[pad_id] * (longest - len(row))] for row in rows])


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.decode", description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("sources", type=Path)
    options = parser.parse_args(arguments)
    bench = Bench(options.checkpoint, options.sources)
    with one_thread():
        rows = [
            *measure_peers(bench),
            *measure_what_ifs(bench),
            measure_self_attention(bench),
            measure_encoding(bench),
        ]
    note = "One thread. A full trace is every candidate, attention of every layer and head, top k, states and n-best."
    print(f"{Report(f'Decode, beam {BEAM_SIZE}', rows, note).to_text()}\n[{describe_machine()}]")
    return 0


if __name__ == "__main__":
    sys.exit(main())
