"""Fail when tests that had to run were skipped, judged by pytest's JUnit report.

    check_skips.py reports/pytest.xml --required browser --unskipped shared

Marks reach the report as properties (see `tests/conftest.py`). A module that was skipped while it was
collected has no properties; it counts for the mark its folder is named after.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree


@dataclass(frozen=True, slots=True)
class TestOutcome:
    """One test of the report: its name, its marks, and why it was skipped (None if it ran)."""

    name: str
    marks: frozenset[str]
    skipped_because: str | None


def read_outcomes(report: Path) -> Iterator[TestOutcome]:
    """Read every test case of a JUnit report."""
    for case in ElementTree.parse(report).iter("testcase"):
        name = ".".join(filter(None, (case.get("classname"), case.get("name"))))
        marks = {str(found.get("value")) for found in case.iterfind("properties/property[@name='mark']")}
        folders = name.split(".")[:-1]
        skip = case.find("skipped")
        reason = None if skip is None else skip.get("message") or "no reason given"
        yield TestOutcome(name, frozenset(marks.union(folders)), reason)


def find_faults(outcomes: Sequence[TestOutcome], required: set[str], unskipped: set[str]) -> list[str]:
    """Name each required mark that no test ran under, and each test that was skipped though it had to run."""
    missing = [
        f"no test marked '{mark}' ran"
        for mark in sorted(required)
        if not any(mark in outcome.marks and outcome.skipped_because is None for outcome in outcomes)
    ]
    skipped = [
        f"{outcome.name} was skipped: {outcome.skipped_because}"
        for outcome in outcomes
        if outcome.skipped_because is not None and outcome.marks & (required | unskipped)
    ]
    return missing + skipped


def main(arguments: Sequence[str] | None = None) -> int:
    """Check one report; return 0 if every test that had to run did, else 1."""
    parser = argparse.ArgumentParser(description="Fail when tests that had to run were skipped.")
    parser.add_argument("report", type=Path, help="pytest's JUnit XML report")
    parser.add_argument("--required", action="append", default=[], help="a mark with tests, none skipped")
    parser.add_argument("--unskipped", action="append", default=[], help="a mark without skipped tests")
    options = parser.parse_args(arguments)
    if not options.report.is_file():
        print(f"check_skips: {options.report} does not exist: run `make test` first", file=sys.stderr)
        return 1
    faults = find_faults(list(read_outcomes(options.report)), set(options.required), set(options.unskipped))
    for fault in faults:
        print(f"check_skips: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
