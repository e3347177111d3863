"""The page and the HTTP API over a model that has no attention."""

from __future__ import annotations

import pytest

from dashboard.drawing.picture import DEFAULT_ROOM
from dashboard.services import Services
from dashboard.state.page_state import PageState
from dashboard.state.question import Options
from dashboard.views.ids import TranslationRole
from dashboard.views.shown import look
from dashboard.views.translation import NO_ATTENTION, draw, pruned_links
from exported_models.contract.request import Request
from exported_models.contract.workspace import Workspace
from tests.dashboard.serving import client_of

pytestmark = pytest.mark.slow

REQUEST = Request("g2p", "beamscope", beam_size=2)


@pytest.fixture(scope="module")
def services(phonemes_workspace: Workspace) -> Services:
    return Services.open(phonemes_workspace)


def test_every_drawing_of_attention_is_a_sentence(services: Services) -> None:
    picture = services.picture(PageState(REQUEST), DEFAULT_ROOM)
    assert pruned_links(picture, 75, None, None) == ()
    for drawing in ("links", "matrix", "text"):
        shown = look(services, PageState(REQUEST), Options.model_validate({"drawing": drawing}))
        drawn = draw(shown)
        assert drawn[TranslationRole.TWIN].content["html"] == [["p", {"class": "note"}, [NO_ATTENTION]]]
        assert not {TranslationRole.LINKS, TranslationRole.MATRIX} & set(drawn)


def test_the_api_answers_without_attention_and_refuses_to_override_it(phonemes_workspace: Workspace) -> None:
    asked = {"model_id": "g2p", "source": "beamscope"}
    with client_of(phonemes_workspace) as client:
        reply = client.post("/api/v1/translate", json=asked)
        assert reply.status_code == 200
        assert reply.json()["attention"] is None
        override = {"step": 0, "weights": [[1, 1.0]]}
        refused = client.post("/api/v1/translate", json={**asked, "overrides": [override]})
        assert refused.status_code == 422
        assert "has no attention" in refused.text
