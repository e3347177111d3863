"""Training a checkpoint of transformers on pairs of texts, the same way on every run."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from examples.dates.corpus import make_corpus
from exported_models.contract.arrays import Ids, Mask
from exported_models.contract.manifest import CheckpointOrigin
from exported_models.runtime.model import load_tokenizer
from exported_models.search.scoring import pad
from exported_models.tokenizers.vocabulary import Tokenizer
from pipeline.adapters import load_adapter
from pipeline.adapters.huggingface.checkpoint import quiet_library
from pipeline.graphs.export import describe_model, write_tokenizers
from tests.oracles.library import Library

BATCH = 64
Pair = tuple[str, str]


def read_dates() -> tuple[list[Pair], list[Pair]]:
    """Dates in small Latin letters, which a vocabulary of eighty pieces can write: to train on, and others."""
    corpus = make_corpus()
    parts = (corpus.train, corpus.test)
    train, test = ([(p.source.lower(), p.target) for p in part if p.source.isascii()] for part in parts)
    return train, test


def train_checkpoint(folder: Path, pairs: Sequence[Pair], *, steps: int, learning_rate: float) -> None:
    """Train the checkpoint in a folder and write it back."""
    source, target, start_id, pad_id = _read_tokenizers(folder)
    trained = Library(folder)
    optimizer = torch.optim.AdamW(trained.model.parameters(), lr=learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=steps)
    generator = random.Random(7)
    trained.model.train()
    for _ in range(steps):
        batch = generator.sample(pairs, BATCH)
        sources = pad([source.encode(text, end=True).ids for text, _ in batch], pad_id)
        targets = pad([target.encode(text, end=True).ids for _, text in batch], pad_id)
        loss = _find_loss(trained, _as_tensors(sources), _as_tensors(targets), start_id)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    with quiet_library():
        trained.model.eval().save_pretrained(folder)


def _read_tokenizers(folder: Path) -> tuple[Tokenizer, Tokenizer, int, int]:
    """The tokenizers that an export takes along, and the ids of start and padding."""
    checkpoint = load_adapter("huggingface").load(folder)
    out = folder / "tokenizers"
    write_tokenizers(checkpoint, out)
    manifest = describe_model(checkpoint, "tiny", CheckpointOrigin(adapter="huggingface", name="tiny", digest="0"))
    specs = (checkpoint.source_tokenizer, checkpoint.target_tokenizer)
    source, target = (load_tokenizer(out, spec, manifest) for spec in specs)
    return source, target, checkpoint.start_id, checkpoint.pad_id


def _as_tensors(padded: tuple[Ids, Mask]) -> tuple[Tensor, Tensor]:
    ids, mask = padded
    return torch.from_numpy(ids), torch.from_numpy(mask)


def _find_loss(
    trained: Library, padded_sources: tuple[Tensor, Tensor], padded_targets: tuple[Tensor, Tensor], start_id: int
) -> Tensor:
    (sources, source_mask), (targets, target_mask) = padded_sources, padded_targets
    previous = torch.cat([torch.full((len(targets), 1), start_id), targets[:, :-1]], 1)
    # With a cache an FSMT sees the future of a target that is given at once.
    logits = trained.model(
        input_ids=sources,
        attention_mask=source_mask.long(),
        **trained.mark_global(sources),
        decoder_input_ids=previous,
        use_cache=False,
    ).logits
    return F.cross_entropy(logits[target_mask], targets[target_mask])
