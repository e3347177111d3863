"""Skips that matter are told from skips that do not, by pytest's own report of a real run."""

import os
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from scripts.check_skips import main

ROOT = Path(__file__).resolve().parents[2]
CONFTEST = ROOT / "tests" / "conftest.py"
QUIETLY = ["-p", "no:dash", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestUnknownMarkWarning"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Run a suite of one test file with this text; its JUnit report."""

    @cache
    def run(text: str) -> Path:
        folder = tmp_path_factory.mktemp("suite")
        (folder / "conftest.py").write_bytes(CONFTEST.read_bytes())
        (folder / "test_it.py").write_text(f"import pytest\n{text}\n", encoding="utf-8")
        report = folder / "pytest.xml"
        command = [sys.executable, "-m", "pytest", *QUIETLY, "--rootdir", str(folder), f"--junitxml={report}"]
        # The copied conftest names a plugin that lies beside the original.
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        subprocess.run(command, cwd=folder, env=environment, check=False, capture_output=True)
        return report

    return run


@pytest.fixture
def report(run: Callable[[str], Path], request: pytest.FixtureRequest) -> Path:
    """The report of a suite whose one test file has the parametrized text."""
    return run(request.param)


RAN = "@pytest.mark.browser\ndef test_page(): pass"
SKIPPED = "@pytest.mark.browser\n@pytest.mark.skip(reason='no browser here')\ndef test_page(): pass"
SKIPPED_BY_FIXTURE = "@pytest.mark.browser\ndef test_page(missing): pass\n" + (
    "@pytest.fixture\ndef missing(): pytest.skip('no browser here')"
)
UNRELATED = "def test_unrelated(): pytest.skip('not on this machine')"


@pytest.mark.parametrize("report", [f"{RAN}\n{UNRELATED}"], indirect=True)
def test_a_skip_under_another_mark_does_not_matter(report: Path) -> None:
    assert main([str(report), "--required", "browser", "--unskipped", "shared"]) == 0


@pytest.mark.parametrize("report", [f"{UNRELATED}\n{SKIPPED}", SKIPPED, SKIPPED_BY_FIXTURE], indirect=True)
@pytest.mark.parametrize("option", ["--required", "--unskipped"])
def test_a_skip_under_the_mark_is_named_with_its_reason(
    report: Path, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(report), option, "browser"]) == 1
    complaint = capsys.readouterr().err
    assert "test_page" in complaint
    assert "no browser here" in complaint


@pytest.mark.parametrize("report", [UNRELATED], indirect=True)
def test_a_required_mark_needs_a_test_and_an_unskipped_one_does_not(report: Path) -> None:
    assert main([str(report), "--required", "browser"]) == 1
    assert main([str(report), "--unskipped", "browser"]) == 0


def test_a_module_skipped_while_collected_counts_for_its_folder(tmp_path: Path) -> None:
    report = tmp_path / "pytest.xml"
    report.write_text(
        '<testsuites><testsuite><testcase classname="" name="tests.browser.test_page">'
        '<skipped message="collection skipped"/></testcase></testsuite></testsuites>',
        encoding="utf-8",
    )

    assert main([str(report), "--unskipped", "browser"]) == 1


def test_a_missing_report_is_a_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "pytest.xml"), "--required", "browser"]) == 1
    assert "does not exist" in capsys.readouterr().err
