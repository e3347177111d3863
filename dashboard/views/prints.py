"""Every view as a drawing for print, made from the values that the views of the page draw."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from dashboard.drawing.comparison_links import compare_links, draw_difference, trace_paths
from dashboard.drawing.evidence import MarkedText, compare_predictions, describe_author, describe_distance, mark_token
from dashboard.drawing.findings import find_focus
from dashboard.drawing.map_figure import HEIGHT, WIDTH, Json, draw_map
from dashboard.drawing.palette import Theme, colors
from dashboard.drawing.picture import GUTTER
from dashboard.drawing.svg.comparison import draw_comparison
from dashboard.drawing.svg.document import Drawing
from dashboard.drawing.svg.figure import draw_heat_map, draw_scatter
from dashboard.drawing.svg.graph import draw_graph
from dashboard.drawing.svg.neighbors import ListedPair, NeighborList, draw_neighbor_list
from dashboard.drawing.svg.translation import draw_translation
from dashboard.drawing.translation_parts import draw_matrix
from dashboard.drawing.tree_graph import tree_elements
from dashboard.drawing.tree_layout import Extent, grow, place_twigs
from dashboard.drawing.tree_overlay import draw_overlay
from dashboard.drawing.words import END_MARK
from dashboard.views.compared import Compared
from dashboard.views.neighborhood import drawing_of, focus_index
from dashboard.views.neighbors import describe_focus
from dashboard.views.scene import Scene
from dashboard.views.shown import Shown, Surroundings
from dashboard.views.translation import NO_ATTENTION, pruned_links
from exported_models.contract.errors import RequestError
from state_store.neighbors import Neighbor

THEME: Final[Theme] = "light"
"""Paper is white, whatever the page wears."""
ENLARGED: Final = 1.6
"""Size of a printed map, over that of its panel on the page; labels keep theirs."""


def print_translation(shown: Shown) -> Drawing:
    """Words, links and top k."""
    options = shown.options
    links = pruned_links(shown.picture, options.mass, shown.layer, shown.head)
    return draw_translation(shown.picture, links, colors(THEME), _name("Translation", shown))


def matrix_figure(shown: Shown) -> Json:
    """Attention as plotly draws it.

    Raises:
        RequestError: the model has no attention.
    """
    if shown.attention is None:
        raise RequestError(NO_ATTENTION, field="view")
    return draw_matrix(shown.picture, shown.attention, colors(THEME))


def print_matrix(shown: Shown) -> Drawing:
    """Attention as a heat map; raises as `matrix_figure`."""
    palette, picture = colors(THEME), shown.picture
    chips = palette["dec"], palette["dec-ink"]
    figure, title = matrix_figure(shown), _name("Attention", shown)
    return draw_heat_map(figure, picture.target_words, picture.targets, chips, title)


def print_tree(shown: Shown) -> Drawing:
    """The beam tree: the prefixes that were kept, or all."""
    extent: Extent = "all" if shown.options.extent == "all" else "kept"
    picture = shown.picture
    twigs = grow(picture.trace, picture.hypothesis, extent, picture.target_text)
    elements = tree_elements(place_twigs(twigs, shown.options.room + GUTTER))
    return draw_graph(elements, colors(THEME), _name("Beam tree", shown))


def map_figure(around: Surroundings) -> Json:
    """The states as plotly draws them; beside a pinned answer those of both.

    Raises:
        RequestError: there is no store to use.
    """
    scene = find_scene(around)
    assert around.found is not None
    drawing = drawing_of(scene, around.found, around.merged)
    return draw_map(drawing, focus_index(scene, around.selection), colors(THEME))


def print_map(around: Surroundings) -> Drawing:
    """The states among their neighbors; raises as `map_figure`."""
    figure, options = map_figure(around), around.options
    kind = f"{options.space.capitalize()} states ({'corpus' if options.map == 'corpus' else 'local'} map)"
    title = f"{kind} of {_say(around.state.request.model_id, around.state.request.source)}"
    return draw_scatter(figure, WIDTH * ENLARGED, HEIGHT * ENLARGED, colors(THEME)["card"], title)


def print_neighbors(around: Surroundings) -> Drawing:
    """The neighbors of the chosen word; raises as `map_figure`."""
    scene = find_scene(around)
    content = _list_neighbors(scene, around)
    of = _say(scene.trace.request.model_id, scene.trace.source.payload)
    title = f"Training examples near a {scene.space} state of {of}"
    return draw_neighbor_list(content, colors(THEME), title)


def print_comparison(compared: Compared) -> Drawing:
    """Both answers in common columns."""
    picture, attention, options = compared.picture, compared.attention, compared.shown.options
    only = options.comparison == "moved"
    above, below = [], []
    if attention is not None:
        before, after = attention
        links = compare_links(before, after, options.mass / 100, only_moved=only)
        above = trace_paths(picture, links, after=False)
        links = compare_links(after, before, options.mass / 100, only_moved=only)
        below = trace_paths(picture, links, after=True)
    return draw_comparison(picture, above, below, colors(THEME), _name_both("Compare", compared))


def difference_figure(compared: Compared) -> Json:
    """Attention after minus before, as plotly draws it.

    Raises:
        RequestError: the models have no attention to compare.
    """
    both = compared.found.attention
    if both is None:
        raise RequestError("Attention of these two is not compared, so there is no matrix.", field="view")
    return draw_difference(compared.picture, both.difference(*compared.view), colors(THEME))


def print_difference(compared: Compared) -> Drawing:
    """Attention after minus before; raises as `difference_figure`."""
    palette, targets = colors(THEME), compared.picture.targets
    words, boxes = [column.name for column in targets], [column.box for column in targets]
    chips = palette["dec"], palette["dec-ink"]
    title = _name_both("Attention that moved", compared)
    return draw_heat_map(difference_figure(compared), words, boxes, chips, title)


def print_overlay(compared: Compared) -> Drawing:
    """Both beam trees in one; the shown one alone where the vocabularies differ."""
    trees = compared.found.trees
    if trees is None:
        return print_tree(compared.shown)
    room = compared.shown.options.room + GUTTER
    elements = draw_overlay(compared.found, trees, compared.texts[1].target, room)
    return draw_graph(elements, colors(THEME), _name_both("Beam trees", compared))


def find_scene(around: Surroundings) -> Scene:
    if around.scene is None:
        none = f"There is no state store for the model {around.state.request.model_id!r}: `beamscope build` makes one."
        raise RequestError(around.missing or none, field="view")
    return around.scene


def _list_neighbors(scene: Scene, around: Surroundings) -> NeighborList:
    focus = find_focus(scene.side, around.selection, scene.trace, scene.hypothesis)
    evidence = scene.evidence[focus.index]
    predictions = []
    if scene.side == "target":
        choices = scene.trace.top_k(scene.hypothesis)[focus.index]
        predictions = [(scene.words.show(row.token), row) for row in compare_predictions(choices, evidence.implied)]
    summary = [describe_focus(scene, focus)]
    if evidence.nearest is not None:
        summary.append("".join(describe_distance(evidence.nearest, evidence.typicality)))
    pairs = list(_list_pairs(scene, evidence.neighbors, around.options.offset))
    return NeighborList(" · ".join(summary), predictions, pairs)


def _list_pairs(scene: Scene, neighbors: Sequence[Neighbor], offset: int) -> Iterator[ListedPair]:
    for neighbor in neighbors:
        pair, place = neighbor.pair, neighbor.position + offset
        source, target = MarkedText(pair.source, "", ""), MarkedText(pair.target, "", "")
        if scene.side == "source":
            source = mark_token(pair.source, place, scene.model.source_tokenizer, END_MARK)
        else:
            target = mark_token(pair.target, place, scene.model.target_tokenizer, END_MARK)
        yield ListedPair(source, target, describe_author(pair), neighbor.distance)


def _name(what: str, shown: Shown) -> str:
    request = shown.picture.trace.request
    return f"{what} of {_say(request.model_id, request.source)}"


def _name_both(what: str, compared: Compared) -> str:
    requests = [side.trace.request for side in (compared.found.before, compared.found.after)]
    names = dict.fromkeys(_say(request.model_id, request.source) for request in requests)
    return f"{what} · {' and '.join(names)}"


def _say(model_id: str, source: str) -> str:
    return f"{model_id}: {' '.join(source.split())}"
