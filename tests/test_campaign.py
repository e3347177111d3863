"""A sample of the parts of the campaign, in seconds; docs/reliability.md says what the whole found."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.crowd import Question
from campaign.__main__ import PARTS
from campaign.builds import project_of
from campaign.clock import set_clock_back
from campaign.damage import corrupt_files
from campaign.disks import fill_disk
from campaign.inputs import fuzz_api, fuzz_command_line, fuzz_page
from campaign.kills import kill_builds
from campaign.load import Answers, hold_connections, soak, swap_builds
from campaign.outcome import Outcome, Setting
from campaign.publishing import kill_publishing
from exported_models.contract.workspace import Workspace

GUIDE = Path(__file__).resolve().parent.parent / "docs" / "reliability.md"


@pytest.fixture
def setting(dates_workspace: Workspace, tmp_path: Path) -> Callable[..., Setting]:
    def make(cases: int = 0, seconds: float = 0.0) -> Setting:
        return Setting(dates_workspace, project_of(tmp_path), tmp_path, cases, seconds)

    return make


@pytest.mark.parametrize(
    ("part", "cases"), [(fuzz_api, 60), (fuzz_page, 12), (fuzz_command_line, 24), (corrupt_files, 3)]
)
def test_inputs_and_damage_break_nothing(
    setting: Callable[..., Setting], part: Callable[[Setting], Outcome], cases: int
) -> None:
    outcome = part(setting(cases))

    assert outcome.broken == []
    assert outcome.cases >= cases // 2


def test_publishing_may_be_killed_anywhere(setting: Callable[..., Setting]) -> None:
    outcome = kill_publishing(setting(20))

    assert outcome.broken == []
    assert set(outcome.counts) == {"readers saw the old build", "readers saw the new build"}


def test_builds_are_swapped_under_load(setting: Callable[..., Setting]) -> None:
    outcome = swap_builds(setting(seconds=1.5))

    assert outcome.broken == []
    assert outcome.counts["200"] > 0
    assert outcome.figures["swaps"] >= 1


def test_answers_that_were_mixed_up_are_found() -> None:
    answers, outcome = Answers(), Outcome()
    for kind, source, body in (
        ("translate", "a", '{"request": {"source": "a"}, "text": "A"}'),
        ("translate", "a", '{"request": {"source": "a"}, "text": "A"}'),
        ("translate", "a", '{"request": {"source": "a"}, "text": "B"}'),
        ("translate", "b", '{"request": {"source": "a"}, "text": "A"}'),
        ("project", "a", '{"space": "decoder"}'),
        ("project", "b", '{"space": "encoder"}'),
    ):
        answers.hear(Question(kind, source), body.encode())
    answers.report(outcome)

    assert outcome.broken == ["translate of 'a' has two answers", "'b' was answered with 'a'"]
    assert outcome.figures == {"answers compared": 2}


@pytest.mark.slow
def test_connections_and_hours_of_requests_fail_nobody(setting: Callable[..., Setting]) -> None:
    held, soaked = hold_connections(setting(20)), soak(setting(seconds=3.0))

    assert set(held.counts) <= {"200", "503"}
    assert set(soaked.counts) <= {"200", "503"}


@pytest.mark.slow
@pytest.mark.parametrize("part", [kill_builds, fill_disk, set_clock_back])
def test_builds_go_on(setting: Callable[..., Setting], part: Callable[[Setting], Outcome]) -> None:
    outcome = part(setting(1))

    assert outcome.broken == []
    assert outcome.counts["same hashes"] == 1


def test_the_guide_has_every_part() -> None:
    what_must_be, _, _ = GUIDE.read_text(encoding="utf-8").partition("\n## Seen\n")
    assert re.findall(r"^\| `([a-z-]+)` \|", what_must_be, re.MULTILINE) == list(PARTS)
