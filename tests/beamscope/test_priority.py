"""Batches run at a lower priority than a server, and only in a process of their own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.artefacts import DATES
from tests.beamscope.shell import Beamscope, Program

pytestmark = pytest.mark.skipif(not hasattr(os, "nice"), reason="needs priorities as Unix has them")
SCRIPT = "import os; raise SystemExit(f'niceness {os.nice(0)}')"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Its generator, which runs in a process that the build starts, says at what priority."""
    (tmp_path / "corpus.py").write_text(SCRIPT, encoding="utf-8")
    path = tmp_path / "project.toml"
    corpus = "[corpus]\ngenerator = 'corpus.py'\ntrain = 'train.tsv'\n"
    path.write_text(f"[model]\nid = 'dates'\ncheckpoint = '{DATES / 'checkpoint'}'\n{corpus}", encoding="utf-8")
    return path


def test_a_build_steps_back(program: Program, project: Path) -> None:
    outcome = program("build", str(project), "--no-prefect")

    assert f"niceness {max(10, os.nice(0))}\n" in outcome.stderr


def test_inside_another_program_the_priority_stays(beamscope: Beamscope, project: Path) -> None:
    before = os.nice(0)

    outcome = beamscope("build", str(project), "--no-prefect", "--workspace", str(project.parent))

    assert f"niceness {before}" in outcome.stderr
    assert os.nice(0) == before
