"""Share of the held-out dates that the model writes exactly right, with greedy decoding.

python -m examples.dates.evaluate
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from examples.dates.batches import decode_targets, encode_sources, number_tokens
from examples.dates.corpus import ensure_corpus
from exported_models.contract.errors import BeamscopeError
from pipeline.corpus.readers import TsvReader
from pipeline.models.luong import LuongCheckpoint, LuongModel, load_checkpoint

HERE = Path(__file__).parent
CHECKPOINT, DATA = HERE / "checkpoint", HERE / "data"
LONGEST_TARGET = 16
BATCH = 250
THREADS = 1
"""One is nearly as fast as two on batches this small, and on a busy machine many times faster."""


@dataclass(frozen=True, slots=True)
class Score:
    """Number of ``pairs`` that are exactly right."""

    right: int
    pairs: int

    @property
    def percent(self) -> float:
        return 100 * self.right / self.pairs

    def __str__(self) -> str:
        return f"{self.percent:6.2f} %  ({self.right} of {self.pairs})"


@torch.inference_mode()
def decode_greedily(model: LuongModel, source_ids: Tensor, source_mask: Tensor) -> Tensor:
    """The likeliest token at every step, for ``LONGEST_TARGET`` steps: ids [N, T]."""
    states, memory, _ = model.encode(source_ids, source_mask)
    source = model.read_source(states, source_mask)
    previous = torch.full_like(source_ids[:, 0], model.sizes.start_id)
    chosen = []
    for _ in range(LONGEST_TARGET):
        stepped = model.step(previous, memory, source, None)
        memory, previous = stepped.memory, stepped.logits.argmax(dim=-1)
        chosen.append(previous)
    return torch.stack(chosen, dim=1)


def translate(checkpoint: LuongCheckpoint, sources: Sequence[str]) -> list[str]:
    """The model's ISO dates for the sources, in their order; sorted by length inside, to pad little."""
    ids = number_tokens(checkpoint.source_vocabulary)
    order = sorted(range(len(sources)), key=lambda index: len(sources[index]))
    texts = [""] * len(sources)
    for start in range(0, len(order), BATCH):
        batch = order[start : start + BATCH]
        rows = decode_greedily(checkpoint.model, *encode_sources([sources[index] for index in batch], ids))
        for index, text in zip(batch, decode_targets(rows, checkpoint.target_vocabulary), strict=True):
            texts[index] = text
    return texts


def score_split(checkpoint: LuongCheckpoint, data: Path, split: str) -> tuple[Score, dict[str, Score]]:
    """The score of a test set, and of every locale in it."""
    pairs = list(TsvReader(data / f"{split}.tsv"))
    locales = [form.source for form in TsvReader(data / f"{split}.forms.tsv")]
    texts = translate(checkpoint, [pair.source for pair in pairs])
    right = [text == pair.target for text, pair in zip(texts, pairs, strict=True)]
    pairs_of = Counter(locales)
    right_of = Counter(locale for locale, is_right in zip(locales, right, strict=True) if is_right)
    by_locale = {locale: Score(right_of[locale], pairs_of[locale]) for locale in sorted(pairs_of)}
    return Score(sum(right), len(right)), by_locale


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the scores of both test sets."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.dates.evaluate", description="Score the dates model on both test sets."
    )
    parser.add_argument("--checkpoint", type=Path, default=CHECKPOINT, metavar="FOLDER")
    parser.add_argument("--data", type=Path, default=DATA, metavar="FOLDER", help="the corpus; written if absent")
    parser.add_argument("--json", action="store_true", help="print the scores as JSON")
    options = parser.parse_args(arguments)
    torch.set_num_threads(THREADS)
    try:
        checkpoint = load_checkpoint(options.checkpoint)
        ensure_corpus(options.data)
        scores = {split: score_split(checkpoint, options.data, split) for split in ("test", "test_ambiguous")}
    except BeamscopeError as error:
        print(error, file=sys.stderr)
        return 1
    print(_as_json(scores) if options.json else _as_text(scores))
    return 0


def _as_json(scores: dict[str, tuple[Score, dict[str, Score]]]) -> str:
    return json.dumps(
        {
            split: {
                **asdict(score),
                "percent": score.percent,
                "locales": {k: asdict(v) for k, v in parts.items()},
            }
            for split, (score, parts) in scores.items()
        }
    )


def _as_text(scores: dict[str, tuple[Score, dict[str, Score]]]) -> str:
    lines = []
    for split, (score, by_locale) in scores.items():
        lines.append(f"{split.replace('_', ' '):16}{score}")
        lines += [f"  {locale:14}{part}" for locale, part in by_locale.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
