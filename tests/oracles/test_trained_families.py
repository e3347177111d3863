"""Every family, trained for a minute to read dates so that its beams are real, searches as ``generate`` does."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from examples.dates.corpus import make_corpus
from exported_models.contract.arrays import Ids, Mask
from exported_models.contract.manifest import CheckpointOrigin
from exported_models.contract.request import Request
from exported_models.contract.workspace import Workspace
from exported_models.engine import Engine
from exported_models.runtime.model import load_tokenizer
from exported_models.search.scoring import pad
from exported_models.tokenizers.vocabulary import Tokenizer
from pipeline.adapters import load_adapter
from pipeline.adapters.huggingface.checkpoint import quiet_library
from pipeline.export.checkpoints import export_model
from pipeline.graphs.export import describe_model, write_tokenizers
from pipeline.progress import SilentProgress
from tests.oracles.library import Library, compare_searches
from tests.pipeline.adapters.huggingface.tiny_checkpoints import FAMILIES, save_tiny_checkpoint

pytestmark = [pytest.mark.slow, pytest.mark.oracle, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

SETTINGS: tuple[dict[str, Any], ...] = (
    {},
    {"beam_size": 1},
    {"beam_size": 4, "length_penalty": 0.6, "early_stopping": "first"},
    {"beam_size": 5, "length_penalty": 1.4, "early_stopping": "never"},
    {"beam_size": 10, "length_penalty": 1.4},
)
BATCH = 64
LEARNING_RATE = 4e-3
Pair = tuple[str, str]


@pytest.fixture(scope="module")
def pairs() -> tuple[list[Pair], list[Pair]]:
    """Dates in small Latin letters, which a vocabulary of eighty pieces can write: to train on, and others."""
    corpus = make_corpus()
    parts = (corpus.train, corpus.test)
    train, test = ([(p.source.lower(), p.target) for p in part if p.source.isascii()] for part in parts)
    return train, test


def train(family: str, folder: Path, pairs: Sequence[Pair], steps: int) -> None:
    """Write the family's checkpoint and train it."""
    texts = [text for pair in pairs[:2000] for text in pair]
    save_tiny_checkpoint(family, folder, texts=texts, deviation=0.15, max_length=40, forced_eos_token_id=None)
    source, target, start_id, pad_id = _read_tokenizers(folder)
    trained = Library(folder)
    optimizer = torch.optim.AdamW(trained.model.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
    generator = random.Random(7)
    trained.model.train()
    for _ in range(steps):
        batch = generator.sample(pairs, BATCH)
        sources = pad([source.encode(text, end=True).ids for text, _ in batch], pad_id)
        targets = pad([target.encode(text, end=True).ids for _, text in batch], pad_id)
        loss = _find_loss(trained.model, _as_tensors(sources), _as_tensors(targets), start_id)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    with quiet_library():
        trained.model.eval().save_pretrained(folder)


def _read_tokenizers(folder: Path) -> tuple[Tokenizer, Tokenizer, int, int]:
    """The tokenizers that an export takes along, and the ids of start and padding."""
    model = load_adapter("huggingface").load(folder)
    out = folder / "tokenizers"
    write_tokenizers(model, out)
    manifest = describe_model(model, "tiny", CheckpointOrigin(adapter="huggingface", name="tiny", digest="0"))
    source, target = (load_tokenizer(out, spec, manifest) for spec in (model.source_tokenizer, model.target_tokenizer))
    return source, target, model.start_id, model.pad_id


def _as_tensors(padded: tuple[Ids, Mask]) -> tuple[Tensor, Tensor]:
    ids, mask = padded
    return torch.from_numpy(ids), torch.from_numpy(mask)


def _find_loss(
    model: Any, padded_sources: tuple[Tensor, Tensor], padded_targets: tuple[Tensor, Tensor], start_id: int
) -> Tensor:
    (sources, source_mask), (targets, target_mask) = padded_sources, padded_targets
    previous = torch.cat([torch.full((len(targets), 1), start_id), targets[:, :-1]], 1)
    logits = model(input_ids=sources, attention_mask=source_mask.long(), decoder_input_ids=previous).logits
    return F.cross_entropy(logits[target_mask], targets[target_mask])


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_a_trained_family(family: str, tmp_path: Path, pairs: tuple[list[Pair], list[Pair]]) -> None:
    train(family, tmp_path / "checkpoint", pairs[0], steps=2500)
    workspace = Workspace(tmp_path)
    export_model(tmp_path / "checkpoint", None, family, workspace, progress=SilentProgress())
    engine, library = Engine(workspace, threads=1), Library(tmp_path / "checkpoint")
    lines = [source for source, _ in pairs[1][:20]]
    assert sum(_reads(engine, family, pair) for pair in pairs[1][:20]) >= 3, (
        "trained too little for its beams to be real"
    )
    ties = sum(compare_searches(engine, family, library, lines, **settings) for settings in SETTINGS)
    assert ties <= 10
    _penalize_repetition(library, tmp_path / "checkpoint")
    export_model(tmp_path / "checkpoint", None, f"{family}-penalized", workspace, progress=SilentProgress())
    ties = sum(
        compare_searches(engine, f"{family}-penalized", library, lines[:10], **settings) for settings in SETTINGS
    )
    assert ties <= 5


def _penalize_repetition(library: Library, checkpoint: Path) -> None:
    library.model.generation_config.repetition_penalty = 1.3
    library.model.generation_config.save_pretrained(checkpoint)


def _reads(engine: Engine, family: str, pair: Pair) -> bool:
    """Whether the best hypothesis is the target; as tokens, since not every tokenizer gives the same text back."""
    best = engine.translate(Request(family, pair[0])).best
    return best.token_ids == engine.model(family).target_tokenizer.encode(pair[1], end=True).ids
