"""A switch for every head of attention that a model has."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dashboard.services import Services
from dashboard.state.page_state import PageState
from dashboard.state.question import Options
from dashboard.views.head_grid import draw
from dashboard.views.ids import TranslationRole
from dashboard.views.shown import Shown, look
from exported_models.contract.manifest import HeadGrid
from exported_models.contract.request import HeadAblation, Request
from exported_models.contract.workspace import Workspace
from tests.dashboard.test_word_menu import wishes_in

GRIDS = {
    "cross_attention_layers": 2,
    "cross_attention_heads": 2,
    "encoder_self_attention": HeadGrid(layers=1, heads=3),
}
ABLATED = (HeadAblation("cross", 1, 0), HeadAblation("cross", 1, 1))


@pytest.fixture(scope="module")
def shown(dates_workspace: Workspace) -> Shown:
    return look(Services.open(dates_workspace), PageState(Request("dates", "03/04/05")), Options())


def test_every_head_and_every_layer_is_ablated_or_restored_by_its_own_switch(shown: Shown) -> None:
    trace = shown.picture.trace
    ablated = replace(shown.picture, trace=replace(trace, request=replace(trace.request, ablations=ABLATED)))
    many = replace(shown, picture=ablated, manifest=shown.manifest.model_copy(update=GRIDS))
    wishes = wishes_in(draw(many)[TranslationRole.HEADS].content["html"])

    assert len(wishes) == 2 * (1 + 2) + (1 + 3)
    assert [wish["verb"] for wish in wishes[3:6]] == ["restore"] * 3
    assert {wish["verb"] for wish in wishes[:3] + wishes[6:]} == {"ablate"}
    assert wishes[0]["heads"] == [{"kind": "cross", "layer": 0, "head": head} for head in (0, 1)]
    assert wishes[-1]["heads"] == [{"kind": "encoder", "layer": 0, "head": 2}]


def test_a_single_head_has_no_grid(shown: Shown) -> None:
    assert draw(shown)[TranslationRole.HEADS].content == {"html": [], "set": {"hidden": ""}}
