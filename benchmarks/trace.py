"""Decoding with a full trace against torch eager, sentence by sentence."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks import eager
from benchmarks.dates import Dates
from benchmarks.measure import compare, one_thread
from benchmarks.report import Figure, Report
from exported_models.contract.request import Request

SENTENCES = 200
BEAM_SIZE = 5


def run(dates: Dates) -> Report:
    """Time the engine, tokens and records included, against beam search over the checkpoint's torch modules."""
    tokenizer, source, engine = dates.model.source_tokenizer, dates.checkpoint, dates.new_engine()
    generation = source.generation.model_copy(update={"beam_size": BEAM_SIZE})
    model_id = dates.project.model_id

    def ours(text: str) -> Sequence[int]:
        return engine.translate(Request(model_id, text, beam_size=BEAM_SIZE)).best.token_ids

    def theirs(text: str) -> Sequence[int]:
        return eager.search(source, tokenizer.encode(text, end=True).ids, generation)[0].token_ids

    texts = [pair.source for pair in dates.pairs("test")[:SENTENCES]]
    with one_thread():
        figures = compare(texts, ours, theirs).figures("torch")
        equal = sum(tuple(ours(text)) == tuple(theirs(text)) for text in texts)
    row: dict[str, Figure] = {
        "": f"a sentence, beam {BEAM_SIZE}",
        **figures,
        "equal answers": f"{equal} of {len(texts)}",
    }
    return Report(
        "Decode with a full trace, against torch eager",
        [row],
        "Both record attention and states of every row. The engine's time also holds tokenizing and every candidate.",
    )
