"""Progress in a log."""

from __future__ import annotations

import io

from pipeline.progress import LineProgress


def test_a_log_has_a_line_when_a_step_begins() -> None:
    log = io.StringIO()
    with LineProgress(log).track("encode", 12_000, "sentences") as advance:
        assert log.getvalue() == "encode: 12,000 sentences\n"
        advance(12_000)
    with LineProgress(log).track("project", 0, "maps"):
        pass
    assert log.getvalue() == "encode: 12,000 sentences\n"
