"""The command line with a model that has no attention."""

from __future__ import annotations

import json

import pytest

from beamscope import BeamscopeError
from beamscope import open as open_workspace
from exported_models.contract.workspace import Workspace
from tests.beamscope.shell import Beamscope, one_sentence

pytestmark = pytest.mark.slow


def test_the_text_says_so_and_leaves_the_column_out(beamscope: Beamscope, phonemes_workspace: Workspace) -> None:
    outcome = beamscope("translate", "g2p", "beamscope", "--workspace", str(phonemes_workspace.root))
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    best, _, steps, ending = outcome.stdout.rstrip().split("\n\n")
    assert best.startswith("B IY1 ")
    assert "attends to" not in steps
    assert ending == "The model g2p has no attention."


def test_the_document_has_none(beamscope: Beamscope, phonemes_workspace: Workspace) -> None:
    outcome = beamscope("translate", "g2p", "beamscope", "--json", "--workspace", str(phonemes_workspace.root))
    assert json.loads(outcome.stdout)["attention"] is None


def test_an_override_is_refused(beamscope: Beamscope, phonemes_workspace: Workspace) -> None:
    where = ("--workspace", str(phonemes_workspace.root))
    outcome = beamscope("translate", "g2p", "beamscope", "--attend", "1:0", *where)
    assert outcome.exit_code == 1
    assert one_sentence(outcome.stderr) == "The model g2p has no attention, so it cannot be overridden."


def test_python_draws_the_words_and_refuses_the_matrix(phonemes_workspace: Workspace) -> None:
    t = open_workspace(phonemes_workspace.root).translate("g2p", "beamscope")

    assert t.attention is None
    assert t.tokens[0] in t.plot().to_svg(fonts=False)
    with pytest.raises(BeamscopeError, match="no attention"):
        t.plot("matrix")
