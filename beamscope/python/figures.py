"""Views of the page as figures."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from pydantic import ValidationError

from beamscope.written_files import write_file
from dashboard.drawing.palette import colors
from dashboard.drawing.picture import DEFAULT_ROOM
from dashboard.drawing.svg.document import Drawing, write_svg
from dashboard.services import Services
from dashboard.state.page_state import PageState, Selection
from dashboard.state.question import Options
from dashboard.views import prints
from dashboard.views.compared import Compared, look_at_both
from dashboard.views.scene import spaces_of
from dashboard.views.shown import CORPUS_METHODS, Shown, Surroundings, look, look_around
from exported_models.contract.errors import RequestError

if TYPE_CHECKING:
    from plotly.graph_objects import Figure as PlotlyFigure

View = Literal["translation", "matrix", "tree", "map", "neighbors"]
ComparedView = Literal["comparison", "matrix", "tree", "map"]

OPTIONS = ("layer", "head", "mass", "extent", "comparison", "space", "method", "offset")
"""Options that are the page's own, see `dashboard.state.question.Options`."""
_MORE = ("step", "width", "title")


@dataclass(frozen=True, slots=True)
class Figure:
    """A view for print: dark on white, fonts and colors embedded. A notebook shows it as it is.

    Attributes:
        drawing: its marks.
        plotly: the figure as plotly has it (``data`` and ``layout``); None for views that plotly does not draw.
    """

    drawing: Drawing
    plotly: Mapping[str, Any] | None = None

    @property
    def title(self) -> str:
        """The line above the figure."""
        return self.drawing.title

    def to_svg(self, *, fonts: bool = True) -> str:
        """The figure as an SVG document; without ``fonts`` it is smaller, and the viewer needs the font Inter."""
        return write_svg(self.drawing, colors(prints.THEME), fonts=fonts)

    def to_plotly(self) -> PlotlyFigure:
        """The figure of a matrix or a map, to be zoomed and changed.

        Raises:
            BeamscopeError: plotly does not draw this view.

        >>> type(t.plot("matrix").to_plotly()).__name__
        'Figure'
        """
        if self.plotly is None:
            raise RequestError(f"{self.title!r} is no figure of plotly; those of a matrix and a map are.", field="view")
        from plotly.graph_objects import Figure as PlotlyFigure

        return PlotlyFigure(self.plotly)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the figure as an SVG file.

        Raises:
            BeamscopeError: the name does not end in ``.svg``, or the file cannot be written.
        """
        written = Path(path)
        if written.suffix.lower() != ".svg":
            raise RequestError(
                f"{written.name} does not end in .svg; figures are written as SVG, and the page saves PNG too.",
                field="path",
            )
        write_file(written, self.to_svg())
        return written

    def _repr_html_(self) -> str:
        return f'<div style="overflow-x:auto">{self.to_svg(fonts=False)}</div>'


def plot(services: Services, state: PageState, view: View, options: Mapping[str, Any]) -> Figure:
    """A view of one answer; see `beamscope.Translation.plot`."""
    draw = _find(view, {name: _VIEWS[name] for name in get_args(View)})
    return _entitle(draw(services, state, options), options)


def plot_comparison(services: Services, state: PageState, view: ComparedView, options: Mapping[str, Any]) -> Figure:
    """A view of an answer beside the pinned one; see `beamscope.Comparison.plot`."""
    draw = _find(view, {name: _COMPARED_VIEWS[name] for name in get_args(ComparedView)})
    return _entitle(draw(services, state, options), options)


def _find(view: str, known: Mapping[str, Callable[..., Figure]]) -> Callable[..., Figure]:
    if view not in known:
        raise RequestError(f"There is no view {view!r}; choose from {', '.join(known)}.", field="view")
    return known[view]


def _entitle(figure: Figure, options: Mapping[str, Any]) -> Figure:
    title = options.get("title")
    return Figure(figure.drawing.entitle(title), figure.plotly) if title else figure


def _read_options(given: Mapping[str, Any]) -> Options:
    """The values of the page's controls."""
    unknown = [name for name in given if name not in (*OPTIONS, *_MORE)]
    if unknown:
        raise RequestError(
            f"There is no option {unknown[0]!r}; choose from {', '.join((*OPTIONS, *_MORE))}.", field=unknown[0]
        )
    own = {name: value for name, value in given.items() if name in OPTIONS}
    extent = "corpus" if given.get("method") in CORPUS_METHODS else "local"
    try:
        return Options.model_validate({**own, "map": extent, "room": given.get("width") or DEFAULT_ROOM})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        raise RequestError(f"The option {name}: {first['msg']}.", field=name) from None


def _show(services: Services, state: PageState, given: Mapping[str, Any]) -> Shown:
    return look(services, state.bare, _read_options(given))


def _look_around(services: Services, state: PageState, given: Mapping[str, Any]) -> Surroundings:
    """The states of an answer; ``step`` selects the word, on the side that the space belongs to."""
    options, spaces = _read_options(given), spaces_of(services, state)
    if options.space and options.space not in [space.name for space in spaces]:
        known = ", ".join(space.name for space in spaces)
        raise RequestError(f"There is no space {options.space!r} to draw; choose from {known}.", field="space")
    step = given.get("step")
    owners = {space.name: space.owner for space in spaces}
    selection = None if step is None else Selection(owners.get(options.space, "target"), int(step))
    if selection and selection.within(*services.chosen(state)) is None:
        raise RequestError(f"There is no {selection.side} token {step}; they count from 0.", field="step")
    return look_around(services, state, options, selection, follows=False)


def _look_at_both(services: Services, state: PageState, given: Mapping[str, Any]) -> Compared:
    return look_at_both(services, _show(services, state, given), state.pinned or state)


def _plot_translation(services: Services, state: PageState, given: Mapping[str, Any]) -> Figure:
    return Figure(prints.print_translation(_show(services, state, given)))


def _plot_matrix(services: Services, state: PageState, given: Mapping[str, Any]) -> Figure:
    shown = _show(services, state, given)
    return Figure(prints.print_matrix(shown), prints.matrix_figure(shown))


def _plot_tree(services: Services, state: PageState, given: Mapping[str, Any]) -> Figure:
    return Figure(prints.print_tree(_show(services, state, given)))


def _plot_map(services: Services, state: PageState, given: Mapping[str, Any]) -> Figure:
    around = _look_around(services, state, given)
    return Figure(prints.print_map(around), prints.map_figure(around))


def _plot_neighbors(services: Services, state: PageState, given: Mapping[str, Any]) -> Figure:
    return Figure(prints.print_neighbors(_look_around(services, state, given)))


def _plot_both(services: Services, state: PageState, given: Mapping[str, Any]) -> Figure:
    return Figure(prints.print_comparison(_look_at_both(services, state, given)))


def _plot_difference(services: Services, state: PageState, given: Mapping[str, Any]) -> Figure:
    compared = _look_at_both(services, state, given)
    return Figure(prints.print_difference(compared), prints.difference_figure(compared))


def _plot_trees(services: Services, state: PageState, given: Mapping[str, Any]) -> Figure:
    return Figure(prints.print_overlay(_look_at_both(services, state, given)))


_Plot = Callable[[Services, PageState, Mapping[str, Any]], Figure]

_VIEWS: Mapping[str, _Plot] = {
    "translation": _plot_translation,
    "matrix": _plot_matrix,
    "tree": _plot_tree,
    "map": _plot_map,
    "neighbors": _plot_neighbors,
}
_COMPARED_VIEWS: Mapping[str, _Plot] = {
    "comparison": _plot_both,
    "matrix": _plot_difference,
    "tree": _plot_trees,
    "map": _plot_map,
}
