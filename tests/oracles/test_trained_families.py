"""Every family, trained for a minute to read dates so that its beams are real, searches as ``generate`` does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from exported_models.contract.request import Request
from exported_models.contract.workspace import Workspace
from exported_models.engine import Engine
from pipeline.export.checkpoints import export_model
from pipeline.progress import SilentProgress
from tests.oracles.library import Library, compare_searches
from tests.oracles.training import Pair, read_dates, train_checkpoint
from tests.pipeline.adapters.huggingface.tiny_checkpoints import FAMILIES, save_tiny_checkpoint

pytestmark = [pytest.mark.slow, pytest.mark.oracle, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

SETTINGS: tuple[dict[str, Any], ...] = (
    {},
    {"beam_size": 1},
    {"beam_size": 4, "length_penalty": 0.6, "early_stopping": "first"},
    {"beam_size": 5, "length_penalty": 1.4, "early_stopping": "never"},
    {"beam_size": 10, "length_penalty": 1.4},
    {"beam_size": 1, "repetition_penalty": 1.3},
    {"beam_size": 4, "repetition_penalty": 1.3},
)
LEARNING_RATE = 4e-3


@pytest.fixture(scope="module")
def pairs() -> tuple[list[Pair], list[Pair]]:
    """Pairs to train on, and others."""
    return read_dates()


def train(family: str, folder: Path, pairs: Sequence[Pair], steps: int) -> None:
    """Write the family's checkpoint and train it."""
    texts = [text for pair in pairs[:2000] for text in pair]
    save_tiny_checkpoint(family, folder, texts=texts, deviation=0.15, max_length=40, forced_eos_token_id=None)
    train_checkpoint(folder, pairs, steps=steps, learning_rate=LEARNING_RATE)


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
