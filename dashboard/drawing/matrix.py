"""Attention as a heat map: a row a source word, and columns that stand under or over the target words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dashboard.drawing.geometry import GAP, Column
from dashboard.drawing.picture import GUTTER
from dashboard.drawing.typography import shorten, text_width
from dashboard.drawing.words import as_plain_text
from exported_models.contract.arrays import Floats

Figure = dict[str, Any]
MATRIX_MARGIN = 3
LABEL_SIZE = 12
LABEL_GAP = 8
"""Pixels between the label of a row and the row."""
WIDEST_LABEL = 260.0
"""Pixels of a row label; a longer one is cut at its end and shown whole on hover."""


@dataclass(frozen=True, slots=True)
class Scale:
    """The colors of a matrix.

    Attributes:
        low, high: the values at both ends.
        colors: of evenly spaced values, the lowest first.
        percent: format of a value on hover, as d3 has it.
    """

    low: float
    high: float
    colors: tuple[str, ...]
    percent: str = ".0%"


def fit_gutter(names: Sequence[str]) -> float:
    """Pixels left of the matrix: as wide as the longest row label, at least the gutter of the other drawings."""
    longest = max((text_width(name, LABEL_SIZE) for name in names), default=0.0)
    return max(float(GUTTER), min(longest, WIDEST_LABEL) // 1 + 1 + 2 * LABEL_GAP)


def draw_heat_map(
    weights: Floats,
    names: tuple[Sequence[str], Sequence[str]],
    boxes: Sequence[Column],
    row: float,
    scale: Scale,
    ink: str,
) -> Figure:
    """The figure.

    Args:
        weights: [target, source].
        names: of the rows, which are source words, and of the columns.
        boxes: of the columns.
        row: pixels a row is high.
        ink: color of the labels.
    """
    sources, targets = names
    return {
        "data": [
            {
                "type": "heatmap",
                "x": [box.left - GAP / 2 for box in boxes] + [boxes[-1].right + GAP / 2],
                "y": [place - 0.5 for place in range(len(sources) + 1)],
                "z": [[round(float(value), 3) for value in values] for values in weights.T],
                "text": [[as_plain_text(f"{source} → {target}") for target in targets] for source in sources],
                "hovertemplate": f"%{{text}}  %{{z:{scale.percent}}}<extra></extra>",
                "colorscale": [[place / (len(scale.colors) - 1), tone] for place, tone in enumerate(scale.colors)],
                "zmin": scale.low,
                "zmax": scale.high,
                "xgap": GAP,
                "ygap": 1,
                "showscale": False,
            }
        ],
        "layout": _lay_out(sources, boxes[-1].right, row, ink),
    }


def _lay_out(names: Sequence[str], right: float, row: float, ink: str) -> Figure:
    gutter = fit_gutter(names)
    return {
        "width": gutter + right,
        "height": len(names) * row + 2 * MATRIX_MARGIN,
        "margin": {"l": gutter, "r": 0, "t": MATRIX_MARGIN, "b": MATRIX_MARGIN},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "xaxis": {"visible": False, "fixedrange": True, "range": [0, right]},
        "yaxis": {
            "fixedrange": True,
            "range": [len(names) - 0.5, -0.5],
            "showgrid": False,
            "zeroline": False,
            "ticks": "",
            "ticklabelstandoff": LABEL_GAP,
            "tickvals": list(range(len(names))),
            "ticktext": [as_plain_text(shorten(name, LABEL_SIZE, WIDEST_LABEL)) for name in names],
            "tickfont": {"size": LABEL_SIZE},
        },
        "font": {"family": "Inter, system-ui, sans-serif", "size": 12, "color": ink},
        "hoverlabel": {"font": {"family": "Inter, system-ui, sans-serif"}},
    }
