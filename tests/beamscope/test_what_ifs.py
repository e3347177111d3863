"""`beamscope what-ifs`, `find-attention` and `sweep` on the dates model."""

import json
from pathlib import Path

import pytest

from exported_models.contract.workspace import Workspace
from exported_models.what_ifs.documents import AttentionSearchDocument, SweepDocument, WhatIfsDocument
from tests.beamscope.shell import Beamscope, one_sentence
from tests.changed_exports import leave_out_normalizers, publish_changed

SOURCE = "March 3, 1999"


@pytest.fixture
def workspace(dates_workspace: Workspace) -> tuple[str, str]:
    return "--workspace", str(dates_workspace.root)


def test_what_ifs_are_listed_by_their_effect(beamscope: Beamscope, workspace: tuple[str, str]) -> None:
    outcome = beamscope("what-ifs", "dates", SOURCE, "--try", "words", "--try", "heads", "--limit", "3", *workspace)
    document = WhatIfsDocument.model_validate_json(beamscope("what-ifs", "dates", SOURCE, "--json", *workspace).stdout)

    assert (outcome.exit_code, outcome.stderr) == (0, "")
    lines = outcome.stdout.splitlines()
    assert lines[0] == "1999-03-03"
    assert lines[3].split()[0] == "100%"
    assert f"... and {document.total + 1 - 3} more" in lines
    assert document.trials[0].changed_share == 1


def test_substitutes_are_tried(beamscope: Beamscope, workspace: tuple[str, str]) -> None:
    outcome = beamscope("what-ifs", "dates", SOURCE, "--substitute", "0=May,June", *workspace)

    assert [line.split()[-1] for line in outcome.stdout.splitlines()[3:]] == ["1999-06-03", "1999-05-03"]
    words = ("--substitute", "0", "--substitute-target", "5=1", "--limit", "40")
    suggested = beamscope("what-ifs", "dates", SOURCE, *words, *workspace).stdout
    assert len(suggested.splitlines()) > 3 + 2
    assert "“March” → “Mar”" in suggested
    assert "“1999-03-03” → “1”" in suggested
    refused = beamscope("what-ifs", "dates", SOURCE, "--substitute", "May", *workspace)
    assert "'May' names no words" in one_sentence(refused.stderr)


@pytest.mark.parametrize("texts", ["", "=May"])
def test_a_word_that_is_not_there_is_refused_with_the_number_of_words(
    beamscope: Beamscope, workspace: tuple[str, str], texts: str
) -> None:
    source, target = (
        beamscope("what-ifs", "dates", SOURCE, option, f"77{texts}", *workspace)
        for option in ("--substitute", "--substitute-target")
    )

    assert (source.exit_code, target.exit_code) == (1, 1)
    assert "no source word 77" in one_sentence(source.stderr)
    assert "the source has 3 words, 0 to 2." in source.stderr
    assert "77: the translation has 11, counted from 0." in one_sentence(target.stderr)


def test_attention_is_found(beamscope: Beamscope, workspace: tuple[str, str]) -> None:
    asked = ("find-attention", "dates", SOURCE, "--step", "3", "--token")
    outcome = beamscope(*asked, "1", *workspace)
    document = AttentionSearchDocument.model_validate_json(beamscope(*asked, "0", "--json", *workspace).stdout)

    assert "It becomes the most probable token with attention on 1 (9)." in outcome.stdout
    assert (document.found, document.tried) == (False, document.total)
    assert "No attention on one position" in beamscope(*asked, "0", *workspace).stdout


def test_a_sweep_shows_which_sentence_wins_where(beamscope: Beamscope, workspace: tuple[str, str]) -> None:
    asked = ("sweep", "dates", SOURCE, "--beams", "1-3", "--length-penalties", "0,1")
    outcome = beamscope(*asked, *workspace)
    document = SweepDocument.model_validate_json(beamscope(*asked, "--json", *workspace).stdout)

    lines = outcome.stdout.splitlines()
    assert lines[1].split()[:2] == ["A", "1999-03-03"]
    assert [line.split() for line in lines if line.strip()[:1] in ("1", "2", "3")] == [
        [str(beam), "A", "A"] for beam in (1, 2, 3)
    ]
    assert (document.beam_sizes, document.hypotheses[0].wins) == ([1, 2, 3], 6)
    assert json.loads(document.to_json())["winners"] == [[0, 0]] * 3


def test_a_sweep_says_which_beam_it_leaves_out(
    beamscope: Beamscope, dates_workspace: Workspace, tmp_path: Path
) -> None:
    """A model of before export revision 12 gives no logits."""
    older = publish_changed(dates_workspace.model_folder("dates"), tmp_path, leave_out_normalizers)
    asked = ("sweep", "dates", SOURCE, "--beams", "1-2", "--length-penalties", "1", "--repetition-penalty", "1.2")
    outcome = beamscope(*asked, "--workspace", str(older.root))

    assert (outcome.exit_code, outcome.stderr) == (0, "")
    assert "\nbeam 1 is left out: A beam of 1 weighs repeated tokens by their logits" in outcome.stdout


def test_a_sweep_follows_a_kept_path(beamscope: Beamscope, workspace: tuple[str, str]) -> None:
    asked = ("sweep", "dates", SOURCE, "--beams", "1-2", "--length-penalties", "1", "--keep", "2001")
    outcome = beamscope(*asked, *workspace)
    document = SweepDocument.model_validate_json(beamscope(*asked, "--json", *workspace).stdout)

    assert outcome.stdout.splitlines()[2].split()[:4] == ["B", "2001-03-03", "(kept", "beside)"]
    assert (document.hypotheses[1].beside, document.hypotheses[1].ranks) == (True, [[None], [None]])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--beams", "few"], "'few' is no range"),
        (["--beams", "1-999999999999"], "999999999999 is not in the range"),
        (["--beams", "9" * 5000], "is not a valid integer range"),
        (["--length-penalties", "nan"], "'nan' is no list"),
    ],
)
def test_settings_that_cannot_be_read_are_named(
    beamscope: Beamscope, workspace: tuple[str, str], options: list[str], expected: str
) -> None:
    outcome = beamscope("sweep", "dates", SOURCE, *options, *workspace)

    assert outcome.exit_code == 2
    assert expected in one_sentence(outcome.stderr)
