"""Train a small MarianMT model on a German-English corpus: about an hour on one core for Multi30k.

python -m examples.multi30k_de_en.train CORPUS --out examples/multi30k_de_en/checkpoint

CORPUS is a folder with train.de, train.en, val.de and val.en, a sentence a line.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from examples.multi30k_de_en.vocabulary import Vocabulary, save_vocabulary, train_vocabulary
from exported_models.contract.errors import BeamscopeError
from pipeline.corpus.readers import open_corpus
from pipeline.errors import CorpusError

SOURCE, TARGET = "de", "en"
POSITIONS = 256
NOT_COUNTED = -100
"""Padding among the expected tokens."""

Pair = tuple[list[int], list[int]]
"""Ids of a source and a target, ends of sentence included."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides the model.

    Attributes:
        size, heads, feed_forward: of every layer; ``layers`` of the encoder and as many of the decoder.
        vocabulary: joint; embeddings of both sides and the output projection are one table.
        batch_tokens: target tokens of a batch, padding included.
        learning_rate: the highest of a one-cycle schedule (Smith and Topin 2018).
        steps: stop after so many batches; None for ``epochs`` of the corpus.
    """

    vocabulary: int = 8_000
    layers: int = 4
    size: int = 192
    heads: int = 6
    feed_forward: int = 512
    dropout: float = 0.25
    attention_dropout: float = 0.1
    label_smoothing: float = 0.1
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    batch_tokens: int = 3_000
    epochs: int = 20
    steps: int | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained model and what it was like: the perplexity of the validation pairs, and the loss of every step."""

    model: Any
    perplexity: float
    losses: tuple[float, ...]


def train(corpus: Path, out: Path, recipe: Recipe) -> Trained:
    """Train on ``corpus`` and save the checkpoint.

    AdamW (Loshchilov and Hutter 2019), label smoothing, products in bfloat16, clipped gradients.

    Raises:
        CorpusError: a file is missing or broken.
    """
    torch.manual_seed(recipe.seed)
    train_texts, validation_texts = (read_texts(corpus, split) for split in ("train", "val"))
    vocabulary = train_vocabulary((text for pair in train_texts for text in pair), recipe.vocabulary)
    model = make_model(recipe, vocabulary)
    pairs, held_out = (encode_pairs(texts, vocabulary) for texts in (train_texts, validation_texts))
    losses = _fit(model, pairs, recipe, vocabulary)
    perplexity = measure_perplexity(model, held_out, recipe, vocabulary)
    save_vocabulary(vocabulary, out, SOURCE, TARGET)
    model.save_pretrained(str(out))
    return Trained(model, perplexity, losses)


def read_texts(corpus: Path, split: str) -> list[tuple[str, str]]:
    """The sentence pairs of a split.

    Raises:
        CorpusError: a file is missing, empty or broken.
    """
    reader = open_corpus(corpus / f"{split}.{SOURCE}", corpus / f"{split}.{TARGET}")
    pairs = [(pair.source, pair.target or "") for pair in reader]
    if not pairs:
        raise CorpusError(f"{corpus / split}.{SOURCE} holds no sentence.")
    return pairs


def make_model(recipe: Recipe, vocabulary: Vocabulary) -> Any:
    """An untrained model with the generation settings it will be used with."""
    library: Any = transformers
    stacks = {
        f"{owner}_{name}": value
        for owner in ("encoder", "decoder")
        for name, value in (
            ("layers", recipe.layers),
            ("attention_heads", recipe.heads),
            ("ffn_dim", recipe.feed_forward),
        )
    }
    config = library.MarianConfig(
        **stacks,
        vocab_size=vocabulary.size,
        d_model=recipe.size,
        dropout=recipe.dropout,
        attention_dropout=recipe.attention_dropout,
        activation_dropout=0.0,
        activation_function="swish",
        init_std=0.05,
        scale_embedding=True,
        max_position_embeddings=POSITIONS,
        pad_token_id=vocabulary.pad_id,
        eos_token_id=vocabulary.end_id,
        forced_eos_token_id=vocabulary.end_id,
        decoder_start_token_id=vocabulary.pad_id,
        bos_token_id=None,
    )
    model = library.MarianMTModel(config)
    model.generation_config.update(
        num_beams=5, max_length=POSITIONS, length_penalty=1.0, bad_words_ids=[[vocabulary.pad_id]]
    )
    return model


def encode_pairs(texts: Sequence[tuple[str, str]], vocabulary: Vocabulary) -> list[Pair]:
    """Ids of the pairs that there are positions for."""
    sources, targets = (vocabulary.encode(side) for side in zip(*texts, strict=True))
    pairs = zip(sources, targets, strict=True)
    return [(source, target) for source, target in pairs if max(len(source), len(target)) <= POSITIONS]


def make_batches(pairs: Sequence[Pair], tokens: int, generator: random.Random) -> list[Sequence[Pair]]:
    """Pairs of nearly equal length, up to ``tokens`` target tokens a batch, in random order."""
    ordered = sorted(generator.sample(pairs, len(pairs)), key=lambda pair: (len(pair[1]), len(pair[0])))
    batches, start = [], 0
    for end in range(1, len(ordered) + 1):
        if end == len(ordered) or (end + 1 - start) * len(ordered[end][1]) > tokens:
            batches.append(ordered[start:end])
            start = end
    return generator.sample(batches, len(batches))


def measure_perplexity(model: Any, pairs: Sequence[Pair], recipe: Recipe, vocabulary: Vocabulary) -> float:
    """Perplexity of the targets by tokens, ends of sentence included."""
    model.eval()
    total, tokens = 0.0, 0
    with torch.inference_mode():
        for batch in make_batches(pairs, recipe.batch_tokens, random.Random(0)):
            logits, expected = _predict(model, batch, vocabulary)
            total += F.cross_entropy(logits, expected, ignore_index=NOT_COUNTED, reduction="sum").item()
            tokens += int((expected != NOT_COUNTED).sum())
    return math.exp(total / tokens)


def _fit(model: Any, pairs: Sequence[Pair], recipe: Recipe, vocabulary: Vocabulary) -> tuple[float, ...]:
    generator = random.Random(recipe.seed)
    steps = recipe.steps or recipe.epochs * len(make_batches(pairs, recipe.batch_tokens, random.Random(0)))
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=recipe.learning_rate, betas=(0.9, 0.98), weight_decay=recipe.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.learning_rate, total_steps=steps + 1, pct_start=0.1
    )
    model.train()
    losses = []
    with tqdm(total=steps, unit="batch", mininterval=2.0) as progress:
        for _, batch in zip(range(steps), _repeat(pairs, recipe, generator), strict=False):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                logits, expected = _predict(model, batch, vocabulary)
            loss = F.cross_entropy(
                logits.float(), expected, ignore_index=NOT_COUNTED, label_smoothing=recipe.label_smoothing
            )
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
            progress.update()
            progress.set_postfix(loss=f"{losses[-1]:.3f}", refresh=False)
    return tuple(losses)


def _repeat(pairs: Sequence[Pair], recipe: Recipe, generator: random.Random) -> Iterator[Sequence[Pair]]:
    """Batches without end, made anew every epoch."""
    while True:
        yield from make_batches(pairs, recipe.batch_tokens, generator)


def _predict(model: Any, batch: Sequence[Pair], vocabulary: Vocabulary) -> tuple[Tensor, Tensor]:
    """Logits of every target token [tokens, vocabulary], and the tokens, padding not counted [tokens]."""
    pad_id = vocabulary.pad_id
    sources = _pad([source for source, _ in batch], pad_id)
    previous = _pad([[pad_id, *target[:-1]] for _, target in batch], pad_id)
    expected = _pad([target for _, target in batch], NOT_COUNTED)
    found = model(input_ids=sources, attention_mask=(sources != pad_id).long(), decoder_input_ids=previous)
    return found.logits.flatten(0, 1), expected.flatten()


def _pad(rows: Sequence[Sequence[int]], value: int) -> Tensor:
    return nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True, padding_value=value)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train and save the checkpoint."""
    parser = argparse.ArgumentParser(prog="python -m examples.multi30k_de_en.train", description=__doc__)
    parser.add_argument("corpus", type=Path, help="folder with train.de, train.en, val.de and val.en")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where the checkpoint goes")
    parser.add_argument("--epochs", type=int, default=Recipe().epochs)
    parser.add_argument("--steps", type=int, help="stop after so many batches")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    started = time.perf_counter()
    try:
        trained = train(options.corpus, options.out, Recipe(epochs=options.epochs, steps=options.steps))
    except BeamscopeError as error:
        print(error, file=sys.stderr)
        return 1
    minutes = (time.perf_counter() - started) / 60
    print(f"validation perplexity {trained.perplexity:.2f}; saved to {options.out} after {minutes:.0f} min")
    return 0


if __name__ == "__main__":
    sys.exit(main())
