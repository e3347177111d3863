"""The trained Marian model of the materials, and its test set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from exported_models.engine import Engine
from tests.oracles.library import Library, compare_searches

MODEL_ID = "multi30k-de-en"
CHECKPOINT = Path("models/marian-multi30k-de-en")


def read_lines(materials: Path, count: int, side: str = "de") -> list[str]:
    """The first sentences of the test set."""
    path = materials / "data" / "multi30k" / f"test_2016_flickr.{side}"
    return path.read_text(encoding="utf-8").split("\n")[:count]


def compare_lines(
    engine: Engine, library: Library, lines: Sequence[str], rules: Mapping[str, Any] | None = None, **settings: Any
) -> int:
    """`compare_searches` of this model."""
    return compare_searches(engine, MODEL_ID, library, lines, rules, **settings)
