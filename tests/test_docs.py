"""Links and pictures of the documents."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts.screenshots import JOURNEYS, THEMES

ROOT = Path(__file__).parents[1]
DOCUMENTS = [
    ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md") if (ROOT / name).exists()
] + sorted((ROOT / "docs").glob("*.md"))
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_to_a_file(document: Path) -> None:
    linked = [document.parent / target for target in LINK.findall(document.read_text(encoding="utf-8"))]

    assert [str(path) for path in linked if not path.exists()] == []


@pytest.mark.parametrize("theme", THEMES)
def test_every_task_has_a_picture(theme: str) -> None:
    text = (ROOT / "docs" / "tasks.md").read_text(encoding="utf-8")

    assert [name for name in JOURNEYS if f"(workbench-{name}-{theme}.png)" not in text] == []
