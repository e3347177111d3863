"""Files that are written from what a pane shows."""

from __future__ import annotations

from dashboard.drawing.palette import colors
from dashboard.drawing.svg.document import write_svg
from dashboard.state.page_state import Json
from dashboard.state.question import Export
from dashboard.views import prints
from dashboard.views.shown import Shown
from exported_models.contract.documents import TraceDocument


def write(shown: Shown, wish: Export) -> Json:
    """The trace as JSON, or the translation with its links as SVG."""
    if wish.value == "trace":
        return _download(write_trace(shown), "trace.json", "application/json")
    svg = write_svg(prints.print_translation(shown), colors(prints.THEME))
    return _download(svg, "translation.svg", "image/svg+xml")


def write_trace(shown: Shown) -> str:
    """The trace as JSON, with the chosen hypothesis in view."""
    trace = shown.picture.trace
    return TraceDocument.of(trace, trace.hypotheses.index(shown.picture.hypothesis)).to_json()


def _download(content: str, filename: str, kind: str) -> Json:
    return {"content": content, "filename": filename, "type": kind}
