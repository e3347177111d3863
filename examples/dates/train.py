"""Train the dates model: about three minutes on two cores.

python -m examples.dates.train --out examples/dates/checkpoint
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from examples.dates.batches import build_vocabulary, encode_sources, encode_targets, number_tokens
from examples.dates.corpus import SEED, ensure_corpus
from examples.dates.evaluate import DATA, THREADS, translate
from exported_models.contract.errors import BeamscopeError
from pipeline.corpus.readers import SentencePair, TsvReader
from pipeline.models.luong import LuongCheckpoint, LuongConfig, LuongModel, save_checkpoint

EPOCHS = 8
BATCH = 128
LEARNING_RATE = 6e-3
GRADIENT_NORM = 1.0
UNKNOWN_SHARE = 0.005
"""Share of source characters hidden in training, so that the unknown token has a trained embedding."""

Batch = tuple[Tensor, Tensor, Tensor, Tensor]
"""Source ids, source mask, decoder input, expected output."""


def train(data: Path, epochs: int = EPOCHS, seed: int = SEED) -> LuongCheckpoint:
    """Train on ``data/train.tsv``; prints progress, and the validation accuracy at the end.

    Adam with a one-cycle learning rate (Smith and Topin 2018), batches by length, clipped gradients.
    """
    torch.manual_seed(seed)
    pairs = list(TsvReader(data / "train.tsv"))
    source_vocabulary = build_vocabulary(pair.source for pair in pairs)
    target_vocabulary = build_vocabulary(pair.target or "" for pair in pairs)
    batches = make_batches(pairs, source_vocabulary, target_vocabulary, random.Random(seed))
    model = LuongModel(LuongConfig(len(source_vocabulary), len(target_vocabulary)))
    _fit(model, batches, epochs, random.Random(seed))
    checkpoint = LuongCheckpoint(model.eval(), source_vocabulary, target_vocabulary)
    print(f"validation: {_accuracy(checkpoint, data / 'validation.tsv'):.2%} exactly right")
    return checkpoint


def make_batches(
    pairs: Sequence[SentencePair],
    source_vocabulary: Sequence[str],
    target_vocabulary: Sequence[str],
    generator: random.Random,
) -> list[Batch]:
    """Batches of sources of nearly equal length, each of random content."""
    source_ids, target_ids = number_tokens(source_vocabulary), number_tokens(target_vocabulary)
    shuffled = generator.sample(pairs, len(pairs))
    shuffled.sort(key=lambda pair: len(pair.source))
    batches = []
    for start in range(0, len(shuffled), BATCH):
        group = shuffled[start : start + BATCH]
        sources = encode_sources([pair.source for pair in group], source_ids)
        targets = encode_targets([pair.target or "" for pair in group], target_ids)
        batches.append((*sources, *targets))
    return batches


def hide_characters(source_ids: Tensor, config: LuongConfig) -> Tensor:
    """``source_ids`` [N, S] with a few random characters replaced by the unknown token."""
    is_character = (source_ids != config.pad_id) & (source_ids != config.end_id)
    hidden = is_character & (torch.rand(source_ids.shape) < UNKNOWN_SHARE)
    return source_ids.masked_fill(hidden, config.unknown_id)


def _fit(model: LuongModel, batches: list[Batch], epochs: int, generator: random.Random) -> None:
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    steps = epochs * len(batches)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
    loss_of = nn.NLLLoss(ignore_index=model.sizes.pad_id)
    with tqdm(total=steps, unit="batch", mininterval=1.0) as progress:
        for epoch in range(epochs):
            for source_ids, source_mask, previous, expected in generator.sample(batches, len(batches)):
                log_probs = model(hide_characters(source_ids, model.sizes), source_mask, previous)
                loss = loss_of(log_probs.flatten(0, 1), expected.flatten())
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), GRADIENT_NORM)
                optimizer.step()
                schedule.step()
                progress.update()
            progress.set_postfix(epoch=epoch + 1, loss=f"{loss.item():.4f}")


def _accuracy(checkpoint: LuongCheckpoint, path: Path) -> float:
    pairs = list(TsvReader(path))
    texts = translate(checkpoint, [pair.source for pair in pairs])
    return sum(text == pair.target for text, pair in zip(texts, pairs, strict=True)) / len(pairs)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the corpus if it is not there, train, and save the checkpoint."""
    parser = argparse.ArgumentParser(prog="python -m examples.dates.train", description="Train the dates model.")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where the checkpoint goes")
    parser.add_argument("--data", type=Path, default=DATA, metavar="FOLDER", help="the corpus; written if absent")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args(arguments)
    torch.set_num_threads(THREADS)
    started = time.perf_counter()
    try:
        ensure_corpus(options.data)
        checkpoint = train(options.data, options.epochs, options.seed)
        save_checkpoint(options.out, checkpoint.model, checkpoint.source_vocabulary, checkpoint.target_vocabulary)
    except BeamscopeError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"saved to {options.out} after {time.perf_counter() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
