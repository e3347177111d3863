"""The page as a whole: wired, local, and every app with callbacks of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dash
import pytest
from dash import html
from dash.development.base_component import Component

from dashboard.app import ASSETS, create_page
from dashboard.services import Services
from dashboard.serving.limits import MAX_PAGE_BODY_BYTES
from dashboard.views import ids
from dashboard.views.answers import ANSWER
from dashboard.views.ids import MAIN_PANE
from dashboard.views.notices import describe_error
from dashboard.views.page import BUILD_COMMAND, lay_out_pane, lay_out_workbench
from exported_models.contract.errors import RequestError
from exported_models.contract.workspace import Workspace
from tests.dashboard.serving import client_of

ROLES = [value for name, value in vars(ids).items() if name.endswith("Role")]
EXTERNAL = re.compile(r"""["'(](?:https?:)?//(?!www\.w3\.org)""")


@pytest.fixture
def app(tmp_path: Path) -> dash.Dash:
    return create_page(Services.open(Workspace(tmp_path)))


def walk(component: Any) -> Iterator[Component]:
    """A component and all below it."""
    if isinstance(component, Component):
        yield component
        yield from walk(getattr(component, "children", None))
    elif isinstance(component, (list, tuple)):
        for child in component:
            yield from walk(child)


def ids_in(parts: Any) -> list[str]:
    """Every id, as Dash writes it."""
    ids = [getattr(component, "id", None) for component in walk(parts)]
    return [json.dumps(one) if isinstance(one, dict) else one for one in ids if one]


def roles_in(parts: Any) -> list[str]:
    """Every role."""
    return [role for component in walk(parts) if (role := getattr(component, "data-role", None))]


def id_of(wired: dict[str, Any]) -> str:
    """An id as the page has it: the pattern for every pane names the one pane there is."""
    return json.dumps(json.loads(wired["id"]) | {"pane": MAIN_PANE}) if wired["id"].startswith("{") else wired["id"]


def ids_of(callback: dict[str, Any]) -> set[str]:
    return {id_of(entry) for entry in [*callback["inputs"], *callback["state"]]}


def test_a_second_app_has_all_callbacks_too(tmp_path: Path) -> None:
    first, second = (create_page(Services.open(Workspace(tmp_path))) for _ in range(2))

    assert [callback["inputs"] for callback in first._callback_list] == [
        callback["inputs"] for callback in second._callback_list
    ]
    assert len(first._callback_list) == 4
    assert first.server is not second.server


def test_everything_a_callback_names_is_on_the_page(app: dash.Dash) -> None:
    present = set(ids_in(lay_out_workbench(("dates",))))

    for callback in app._callback_list:
        assert ids_of(callback) <= present


def test_ids_are_unique() -> None:
    ids = ids_in(lay_out_workbench(("dates",)))

    assert len(ids) == len(set(ids))


def test_a_pane_can_stand_twice_on_a_page() -> None:
    one, other = (lay_out_pane(name) for name in ("one", "other"))

    assert set(ids_in(one)).isdisjoint(ids_in(other))
    assert roles_in(one) == roles_in(other)
    assert len(roles_in(one)) == len(set(roles_in(one))) > 30


def test_scripts_name_roles_and_no_ids() -> None:
    roles = {str(role) for enum in ROLES for role in enum}
    for path in ASSETS.glob("*.js"):
        text = path.read_text(encoding="utf-8")
        assert "getElementById(" not in text.replace("cy.getElementById(", ""), path
        assert (
            set(re.findall(r'"((?:page|header|translation|attention|tree|history|neighbor)[a-z]*-[a-z-]*[a-z])"', text))
            <= roles
        )


def drawn_later(button: Component) -> bool:
    """Whether the name of a button comes with the first answer; until then it is hidden."""
    return bool(getattr(button, "hidden", False)) and bool(getattr(button, "data-role", None))


def test_every_button_has_a_name() -> None:
    buttons = [component for component in walk(lay_out_workbench(("dates",))) if isinstance(component, html.Button)]

    assert len(buttons) > 10
    assert all(button.children or drawn_later(button) for button in buttons)


def test_every_function_the_browser_is_asked_for_is_there(app: dash.Dash) -> None:
    offered = "\n".join(path.read_text(encoding="utf-8") for path in sorted(ASSETS.glob("*.js")))
    asked = {
        callback["clientside_function"]["function_name"]
        for callback in app._callback_list
        if callback.get("clientside_function")
    }

    assert len(asked) == 4
    assert {name for name in asked if f"{name}: function" not in offered} == set()


def test_the_page_asks_no_other_host(app: dash.Dash) -> None:
    page = app.server.test_client().get("/").text

    assert '<html lang="en">' in page
    assert "<title>Beamscope</title>" in page
    assert EXTERNAL.search(page) is None
    for path in (*ASSETS.glob("*.css"), *ASSETS.glob("*.js"), *ASSETS.glob("*.svg")):
        assert EXTERNAL.search(path.read_text(encoding="utf-8")) is None, path


def test_other_sites_may_not_frame_the_page_nor_send_it_floods(tmp_path: Path) -> None:
    client = client_of(Workspace(tmp_path))
    assert client.get("/").headers["X-Frame-Options"] == "DENY"
    flood = b"x" * (MAX_PAGE_BODY_BYTES + 1)
    headers = {"Content-Type": "application/json"}
    assert client.post(ANSWER, content=flood, headers=headers).status_code == 413


def test_an_empty_workspace_says_how_to_fill_it(app: dash.Dash, tmp_path: Path) -> None:
    texts = str(app.server.test_client().get("/_dash-layout").json)

    assert BUILD_COMMAND in texts
    assert str(tmp_path.resolve()) in texts


def test_the_font_comes_with_its_license() -> None:
    assert (ASSETS / "fonts" / "InterVariable.woff2").is_file()
    assert "SIL OPEN FONT LICENSE" in (ASSETS / "fonts" / "Inter-LICENSE.txt").read_text(encoding="utf-8").upper()


def test_people_read_sentences_and_never_tracebacks() -> None:
    assert describe_error(RequestError("The text is empty.")) == "The text is empty."
    unexpected = describe_error(KeyError("secret"))
    assert "the server's log says what" in unexpected
    assert "secret" not in unexpected
