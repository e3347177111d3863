"""`beamscope compare` on the dates model."""

import csv
import json
from pathlib import Path

import pytest

from dashboard.state.session import read_session
from exported_models.comparison.documents import ComparisonDocument
from exported_models.contract.workspace import Workspace
from tests.beamscope.shell import Beamscope, one_sentence

SOURCE = "March 3, 1999"
SECOND = '{"verb": "choose", "step": 3, "rank": 1}'
LINES = ("compare", "dates", "--file", "-", "--change", '{"verb": "substitute", "word": 0, "text": "May"}')


@pytest.fixture
def workspace(dates_workspace: Workspace) -> tuple[str, str]:
    return "--workspace", str(dates_workspace.root)


def test_the_text_marks_differences(beamscope: Beamscope, workspace: tuple[str, str]) -> None:
    outcome = beamscope("compare", "dates", SOURCE, "--other-text", "March 3, 1998", *workspace)

    assert (outcome.exit_code, outcome.stderr) == (0, "")
    lines = outcome.stdout.splitlines()
    assert lines[:3] == ["- 1999-03-03", "+ 1998-03-03", "1 of 1 word differ."]
    assert [line.split()[1:4:2] for line in lines if line.startswith("~")] == [["9", "8"]]
    assert "They part:" in lines


def test_json_is_the_comparison_with_a_change(beamscope: Beamscope, workspace: tuple[str, str]) -> None:
    outcome = beamscope(
        "compare", "dates", SOURCE, "--change", SECOND, "--reference", "1999-03-03", "--json", *workspace
    )

    document = ComparisonDocument.model_validate_json(outcome.stdout)
    assert document.split is not None
    assert document.split.step_before == 3
    assert document.after.request.prefix == document.after.tokens[:4]
    assert document.reference is not None
    assert document.reference.before.bleu == pytest.approx(100)


def test_lines_of_a_file_are_ranked_by_their_difference(beamscope: Beamscope, workspace: tuple[str, str]) -> None:
    stdin = f"{SOURCE}\n<\nMay 4, 2001\n"
    outcome = beamscope(*LINES, "--json", *workspace, stdin=stdin)

    found = [json.loads(line) for line in outcome.stdout.splitlines()]
    assert [one["line"] for one in found] == [1, 3]
    assert found[0]["changed_share"] > found[1]["changed_share"] == 0
    assert outcome.exit_code == 1
    assert one_sentence(outcome.stderr).startswith("Line 2: ")
    text = beamscope(*LINES, *workspace, stdin=stdin)
    assert text.stdout.startswith("1 of 2 lines differ.\n\n1. line 1: 100% of words")


def test_aligned_tokens_are_written_as_a_table(
    beamscope: Beamscope, workspace: tuple[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "comparison.csv"
    asked = (*LINES, "--csv", str(file), *workspace)
    outcome = beamscope(*asked, stdin=f"{SOURCE}\n<\nMay 4, 2001\n")
    rows = list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))

    # A line that fails is left out, and the others are kept.
    assert outcome.exit_code == 1
    assert {(row["sentence"], row["text"], row["other_text"]) for row in rows} == {
        ("1", "1999-03-03", "1999-05-03"),
        ("3", "2001-05-04", "2001-05-04"),
    }
    assert [(row["step"], row["token"], row["other_token"]) for row in rows if row["change"] == "changed"] == [
        ("6", "3", "5")
    ]


def test_ranked_lines_are_written_as_a_session(
    beamscope: Beamscope, workspace: tuple[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "lines.json"
    asked = (*LINES, "--session", str(file), *workspace)
    outcome = beamscope(*asked, stdin=f"May 4, 2001\n{SOURCE}\n")
    session = read_session(file.read_bytes())

    assert outcome.stderr.startswith(f"Wrote {file}, 2 lines; ")
    assert [(one.text, one.name, one.beside) for one in session.moments] == [
        ("1999-03-03", "", None),
        ("1999-05-03", "Line 2", 0),
        ("2001-05-04", "Line 1", None),
    ]
    assert session.moments[1].note.startswith("100% of the words differ, score ")
    assert (session.current, session.pinned) == (1, 0)
    unwritable = beamscope(*asked, "--session", str(tmp_path), stdin=SOURCE)
    assert "is a directory" in unwritable.stderr
    assert "No line was compared" in one_sentence(beamscope(*asked, stdin="").stderr)


@pytest.mark.parametrize(
    ("options", "expected"),
    [(["--other-model", "gone"], "no exported model named 'gone'"), (["--prefix", "ß"], "In the prefix: ")],
)
def test_a_mistake_in_the_options_is_said_once_and_not_once_a_line(
    beamscope: Beamscope, workspace: tuple[str, str], options: list[str], expected: str
) -> None:
    outcome = beamscope("compare", "dates", "--file", "-", *options, *workspace, stdin="1\n2\n")

    assert (outcome.exit_code, outcome.stdout) == (1, "")
    assert expected in one_sentence(outcome.stderr)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ('{"verb": "dance"}', "is no change: "),
        ('{"verb": "choose"', "is not JSON"),
        ('{"verb": "choose", "step": 99, "rank": 0}', "There is no step 99"),
    ],
)
def test_a_change_that_cannot_be_made_is_one_sentence(
    beamscope: Beamscope, workspace: tuple[str, str], change: str, expected: str
) -> None:
    outcome = beamscope("compare", "dates", SOURCE, "--change", change, *workspace)

    assert outcome.exit_code in (1, 2)
    assert expected in one_sentence(outcome.stderr)
