"""Files that are written from what a pane shows."""

from __future__ import annotations

from dashboard.drawing.translation_svg import draw_svg
from dashboard.state.page_state import Json
from dashboard.state.question import Export
from dashboard.views.shown import Shown
from dashboard.views.translation import pruned_links
from exported_models.contract.documents import TraceDocument


def write(shown: Shown, wish: Export) -> Json:
    """The trace as JSON, or the translation with its links as SVG."""
    if wish.value == "trace":
        return _download(write_trace(shown), "trace.json", "application/json")
    links = pruned_links(shown.picture, shown.options.mass, shown.layer, shown.head)
    return _download(draw_svg(shown.picture, links, shown.options.theme), "translation.svg", "image/svg+xml")


def write_trace(shown: Shown) -> str:
    """The trace as JSON, with the chosen hypothesis in view."""
    trace = shown.picture.trace
    return TraceDocument.of(trace, trace.hypotheses.index(shown.picture.hypothesis)).to_json()


def _download(content: str, filename: str, kind: str) -> Json:
    return {"content": content, "filename": filename, "type": kind}
