"""Reports as people and programs read them."""

import json

import pytest

from benchmarks.__main__ import BENCHMARKS, main
from benchmarks.report import Report

REPORT = Report("Find things", [{"space": "encoder", "ms": 0.25}, {"space": "context", "ms": 1234.5}], "One at a time.")


def test_the_table_is_aligned_between_title_and_note() -> None:
    title, *table, note = REPORT.to_text().splitlines()

    assert (title, note) == ("Find things", "One at a time.")
    assert [line.split() for line in table] == [["space", "ms"], ["encoder", "0.25"], ["context", "1,234.5"]]
    assert len({len(line) for line in table}) == 1


def test_the_document_is_json() -> None:
    assert json.loads(json.dumps(REPORT.to_document()))["rows"][1] == {"space": "context", "ms": 1234.5}


def test_an_unknown_benchmark_is_refused_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ending:
        main(["decoding"])

    assert ending.value.code == 2
    complaint = capsys.readouterr().err
    assert "'decoding'" in complaint
    assert all(name in complaint for name in BENCHMARKS)
