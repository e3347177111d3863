"""Both cards over a real workspace: what they say of translations, what-ifs, other models and missing stores."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import pytest
from dash import html
from dash.development.base_component import Component

from dashboard.drawing.map_figure import draw_map
from dashboard.drawing.palette import colors
from dashboard.services import Services
from dashboard.state.page_state import PageState, Selection
from dashboard.state.question import Options
from dashboard.views.ids import NeighborsRole
from dashboard.views.neighborhood import (
    drawing_of,
    focus_index,
    lay_out_pictograms,
    mark_focus,
    summarize,
    tabulate,
)
from dashboard.views.neighbors import describe, describe_neighbors, draw
from dashboard.views.scene import Scene, choose_space, find_map, open_scene
from dashboard.views.shown import Surroundings, find_stage_spaces, fit_maps, look_around, methods_of
from dashboard.views.wishes import Turn, open_neighbor
from exported_models.contract.manifest import SpaceSpec
from exported_models.contract.request import HeadAblation, Request
from exported_models.contract.workspace import Workspace
from exported_models.runtime.model import ExportedModel

REQUEST = Request("dates", "March 3, 1999", beam_size=3)
SPACES = ("encoder", "decoder", "context")


@pytest.fixture(scope="module")
def services(dates_workspace: Workspace) -> Services:
    return Services.open(dates_workspace)


def open_dates(services: Services, space: str = "decoder", request: Request = REQUEST) -> Scene:
    scene = open_scene(services, PageState(request), space)
    assert scene is not None
    return scene


def look_at(services: Services) -> Surroundings:
    """The surroundings of the request, in the decoder's states."""
    return look_around(services, PageState(REQUEST), Options(space="decoder"), None, follows=False)


def components(value: Any) -> Iterator[Component]:
    """Every component in a tree."""
    if isinstance(value, Component):
        yield value
        yield from components(getattr(value, "children", None))
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from components(part)


def text_of(value: Any) -> str:
    """All the text in a tree, as a reader meets it."""
    if isinstance(value, Component):
        return text_of(getattr(value, "children", None))
    if isinstance(value, (list, tuple)):
        return "".join(text_of(part) for part in value)
    return "" if value is None else str(value)


@pytest.mark.parametrize("space", SPACES)
def test_the_map_shows_every_state_and_every_neighbor(services: Services, space: str) -> None:
    scene = open_dates(services, space)

    drawing = drawing_of(scene, find_map(services, scene, "pca"))

    go.Figure(draw_map(drawing, focus_index(scene, None), colors("light")))
    assert len(drawing.path) == len(drawing.words) == len(scene.evidence)
    assert [len(group) for group in drawing.neighbors] == [len(token.neighbors) for token in scene.evidence]


@pytest.mark.parametrize("method", ["umap", "landmark_mds"])
def test_on_the_corpus_map_a_sample_of_the_corpus_lies_behind(services: Services, method: str) -> None:
    scene = open_dates(services)
    found = find_map(services, scene, method)

    assert 0 < len(drawing_of(scene, found).background) <= 5000
    assert "corpus states" in summarize(scene, found)


def test_a_method_or_space_the_store_lacks_is_replaced(services: Services) -> None:
    scene = open_dates(services, space="attentional")

    assert scene.space in SPACES
    assert find_map(services, scene, "isomap").map_kind == "mds"


def test_only_maps_that_the_store_keeps_are_offered() -> None:
    assert fit_maps("corpus", "mds", ("landmark_mds",)) == {"map": "corpus", "method": "landmark_mds"}
    assert list(methods_of("corpus", ("landmark_mds",))) == ["landmark_mds"]

    assert fit_maps("corpus", "umap", ()) == {"map": "local", "method": "mds"}
    assert list(methods_of("local", ())) == ["mds", "pca", "tsne"]

    assert fit_maps("local", "tsne", ("umap", "landmark_mds")) == {"map": "local", "method": "tsne"}


def test_a_change_of_the_chosen_word_sends_only_colors_and_sizes(services: Services) -> None:
    scene = open_dates(services)
    drawing = drawing_of(scene, find_map(services, scene, "pca"))

    patch = json.dumps(mark_focus(drawing, 2, "light"))

    whole = json.dumps(draw_map(drawing, 2, colors("light")))
    assert len(patch) < len(whole) / 2


def test_there_is_a_pictogram_a_word_and_the_chosen_one_is_pressed(services: Services) -> None:
    scene = open_dates(services)

    buttons = lay_out_pictograms(scene, 3)

    assert [getattr(button, "data-index") for button in buttons] == [str(i) for i in range(len(buttons))]
    assert {getattr(button, "data-side") for button in buttons} == {"target"}
    assert [getattr(button, "aria-pressed") == "true" for button in buttons].index(True) == 3


def test_the_table_tells_every_token_its_nearest_training_pair(services: Services) -> None:
    scene = open_dates(services)

    rows = [row for row in components(tabulate(scene)) if isinstance(row, html.Tr)][1:]

    assert len(rows) == len(scene.evidence)
    for row, evidence in zip(rows, scene.evidence, strict=True):
        assert f"{evidence.nearest:.2f}" in text_of(row)
        assert evidence.neighbors[0].pair.source in text_of(row)


def test_the_card_lists_the_neighbors_of_the_selected_word(services: Services) -> None:
    scene = open_dates(services)

    content = describe_neighbors(scene, Selection("target", 4), 0)

    neighbors = scene.evidence[4].neighbors
    assert content.summary == f"step 5, before “{scene.evidence[4].token}”"
    assert len(content.pairs) == len(neighbors)
    for item, neighbor in zip(content.pairs, neighbors, strict=True):
        assert neighbor.pair.source in text_of(item)
        assert f"{neighbor.distance:.2f}" in text_of(item)
        (mark,) = [part for part in components(item) if isinstance(part, html.Mark)]
        assert text_of(mark) == scene.words.show(neighbor.token)


@pytest.mark.parametrize("space", ["decoder", "encoder"])
def test_the_offset_moves_the_mark_along_the_pair(services: Services, space: str) -> None:
    scene = open_dates(services, space)
    selected = Selection(scene.side, 2)

    before, after = (describe_neighbors(scene, selected, offset).pairs[0] for offset in (-1, 1))

    neighbor = scene.evidence[2].neighbors[0]
    text = neighbor.pair.target if space == "decoder" else neighbor.pair.source
    marks = [text_of([p for p in components(item) if isinstance(p, html.Mark)]) for item in (before, after)]
    assert marks[0] == text[neighbor.position - 1]
    assert marks[1] == (text[neighbor.position + 1 :][:1] or "⏎")


def test_the_sentence_counts_who_goes_on_with_the_word(services: Services) -> None:
    scene = open_dates(services)

    said = text_of(describe_neighbors(scene, Selection("target", 4), 0).implied)

    evidence = scene.evidence[4]
    agreeing = sum(neighbor.token == evidence.token for neighbor in evidence.neighbors)
    assert f"Nearest state at {evidence.nearest:.2f}" in said
    assert f"{agreeing} of {len(evidence.neighbors)} neighbors go on with “{evidence.token}”." in said


def test_targets_that_the_model_wrote_are_said_to_be(services: Services) -> None:
    scene = open_dates(services)
    selected = Selection("target", 4)
    assert "model" not in text_of(describe_neighbors(scene, selected, 0).pairs)

    written = describe_neighbors(as_model_output(scene), selected, 0)

    assert "neighbors, in the model’s own words, go on with" in text_of(written.implied)
    for item, neighbor in zip(written.pairs, scene.evidence[4].neighbors, strict=True):
        assert f"{neighbor.pair.target} written by the model" in text_of(item)
    assert f"{scene.evidence[0].neighbors[0].pair.target} written by the model" in text_of(
        tabulate(as_model_output(scene))
    )


def as_model_output(scene: Scene) -> Scene:
    """The scene as of a store whose targets the model wrote."""
    evidence = tuple(
        replace(
            token,
            neighbors=tuple(replace(n, pair=replace(n.pair, target_is_model_output=True)) for n in token.neighbors),
        )
        for token in scene.evidence
    )
    return replace(scene, evidence=evidence)


def test_nothing_selected_is_said(services: Services) -> None:
    assert describe_neighbors(open_dates(services), None, 0).summary.endswith("closest call")
    assert describe_neighbors(open_dates(services, "encoder"), None, 0).summary.endswith("first word")


def test_a_what_if_has_the_neighbors_of_its_own_states(services: Services) -> None:
    plain = open_dates(services)
    other = next(token for token in "0123456789" if token != plain.hypothesis.tokens[0])

    changed = open_dates(services, request=Request("dates", REQUEST.source, prefix=(other,), beam_size=3))

    assert changed.evidence[0].token == other
    store = changed.store
    state = changed.trace.states("decoder")[1:2]
    wanted = store.neighbors("decoder", state, k=20, exclude_source=REQUEST.source)[0]
    assert [n.row for n in changed.evidence[1].neighbors] == [n.row for n in wanted]
    assert changed.evidence[1].neighbors != plain.evidence[1].neighbors


def test_a_neighbors_pair_opens_as_a_request_of_its_own_with_the_word_selected(services: Services) -> None:
    scene = open_dates(services)
    neighbor = scene.evidence[0].neighbors[0]
    ablated = (HeadAblation("cross", 0, 0),)
    state = PageState(Request("dates", REQUEST.source, prefix=("1",), beam_size=3, ablations=ablated))

    turn = open_neighbor(services, Turn(state, None), "decoder", f"{neighbor.sentence}:{neighbor.position}")

    assert turn.state is not None
    assert turn.state.request == Request("dates", neighbor.pair.source, beam_size=3)
    assert turn.selection == Selection("target", neighbor.position)


def test_without_a_store_the_card_says_why_and_what_to_do(dates_workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "exported_models").symlink_to(dates_workspace.models_folder)
    around = look_at(Services.open(Workspace(tmp_path)))

    assert around.scene is None
    content = describe(around)
    assert draw(around)[NeighborsRole.CARD].content == {"set": {"data-empty": "yes"}}
    assert "no state store for dates" in text_of(content.implied)
    assert "beamscope build" in text_of(content.implied)


def test_a_store_of_another_build_is_explained_in_the_card(outdated_workspace: Workspace) -> None:
    services = Services.open(outdated_workspace)
    around = look_at(services)

    assert services.example("dates") is None
    assert around.scene is None
    content = describe(around)
    assert draw(around)[NeighborsRole.CARD].content == {"set": {"data-empty": "yes"}}
    assert "was built with the model 'dates'" in text_of(content.implied)
    assert "beamscope build" in text_of(content.implied)


def test_only_spaces_that_the_store_holds_are_offered(contexts_workspace: Workspace) -> None:
    around = look_at(Services.open(contexts_workspace))

    assert [space.name for space in around.spaces] == ["context"]
    assert around.options.space == "context"
    assert around.scene is not None
    assert around.scene.space == "context"


def make_space(name: str) -> SpaceSpec:
    return SpaceSpec(
        name=name, owner="source" if name == "encoder" else "target", output=name, size=4, meaning=f"{name} state"
    )


def test_a_stage_is_about_the_first_space_that_says_so(dates_model: ExportedModel) -> None:
    spaces = dates_model.manifest.spaces

    assert find_stage_spaces(spaces) == {1: "encoder", 2: "decoder", 3: "context", 4: "attentional"}
    assert find_stage_spaces(spaces[3:]) == {1: "source_embedding", 2: "target_embedding", 4: "attentional"}
    assert find_stage_spaces([make_space("elsewhere")]) == {}


@pytest.mark.parametrize(
    ("names", "current", "side", "wanted"),
    [
        (SPACES, "context", None, "context"),
        (SPACES, "context", "target", "context"),
        (SPACES, "context", "source", "encoder"),
        (SPACES, "encoder", "target", "decoder"),
        (("encoder", "decoder"), "context", None, "decoder"),
        (("encoder",), "context", "target", "encoder"),
        ((), "context", "target", None),
    ],
)
def test_the_space_follows_the_selected_word(
    names: tuple[str, ...], current: str, side: str | None, wanted: str | None
) -> None:
    assert choose_space([make_space(name) for name in names], current, side) == wanted
