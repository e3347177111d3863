"""Compared lines as a session of the page: a note a line, and both answers side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from beamscope.comparison_text import RankedLine
from beamscope.written_files import write_file
from dashboard.services import Services
from dashboard.state.page_state import PageState
from dashboard.state.session import MAX_MOMENTS, MomentDocument, SessionDocument
from dashboard.views.history import remember

MOST_LINES: Final = MAX_MOMENTS // 2
"""Lines that a session has room for."""


def write_session(services: Services, lines: Sequence[RankedLine], path: Path) -> None:
    """Write the first `MOST_LINES` lines to a session file, which `beamscope open` opens at the first of them.

    Raises:
        CommandError: the file cannot be written.
        BeamscopeError: a line cannot be decoded again.
    """
    moments: list[MomentDocument] = []
    for line in lines[:MOST_LINES]:
        moments += _keep(services, line, len(moments))
    # The first line has two answers where its requests differ.
    second = len(moments) > 1 and moments[1].beside == 0
    session = SessionDocument(title="Compared lines", moments=moments, current=int(second), pinned=0)
    write_file(path, session.to_json())


def _keep(services: Services, line: RankedLine, place: int) -> Iterator[MomentDocument]:
    """Both answers of a line, at ``place`` in the session, the second beside the first; one where both are the same."""
    before, after = (PageState(request) for request in line.requests)
    told = {
        "name": f"Line {line.line}",
        "note": f"{line.changed_share:.0%} of the words differ, score {line.score_change:+.4f} a token.",
    }
    *origin, shown = remember(services, None, after.pin(before))
    beside = {"parent": place, "beside": place} if origin else {}
    yield from map(MomentDocument.model_validate, origin)
    yield MomentDocument.model_validate({**shown, **told, **beside})
