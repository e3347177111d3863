"""The page as a whole: wired, local, and every app with callbacks of its own."""

from __future__ import annotations

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
from dashboard.views.notices import UNEXPECTED, describe_error
from dashboard.views.page import BUILD_COMMAND, lay_out_page, lay_out_workbench
from exported_models.contract.errors import RequestError
from exported_models.contract.workspace import Workspace
from tests.dashboard.serving import client_of

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
    return [str(getattr(component, "id")) for component in walk(parts) if getattr(component, "id", None)]  # noqa: B009


def ids_of(callback: dict[str, Any]) -> set[str]:
    wired = [*callback["inputs"], *callback["state"]]
    return {entry["id"] for entry in wired} | set(re.findall(r"([\w-]+)\.\w+(?:@\w+)?", str(callback["output"])))


def test_a_second_app_has_all_callbacks_too(tmp_path: Path) -> None:
    first, second = (create_page(Services.open(Workspace(tmp_path))) for _ in range(2))

    assert len(first.callback_map) > 20
    assert set(first.callback_map) == set(second.callback_map)
    assert first.server is not second.server


def test_everything_a_callback_names_is_on_the_page(app: dash.Dash, tmp_path: Path) -> None:
    services = Services.open(Workspace(tmp_path))
    parts = [lay_out_page(services), lay_out_workbench(("dates",))]
    present = set(ids_in(parts))

    for callback in app._callback_list:
        assert ids_of(callback) <= present


def test_ids_are_unique() -> None:
    ids = ids_in(lay_out_workbench(("dates",)))

    assert len(ids) == len(set(ids))


def test_every_button_has_a_name() -> None:
    buttons = [component for component in walk(lay_out_workbench(("dates",))) if isinstance(component, html.Button)]

    assert len(buttons) > 10
    assert all(button.children for button in buttons)


def test_every_function_the_browser_is_asked_for_is_there(app: dash.Dash) -> None:
    offered = "\n".join(path.read_text(encoding="utf-8") for path in sorted(ASSETS.glob("*.js")))
    asked = {
        callback["clientside_function"]["function_name"]
        for callback in app._callback_list
        if callback.get("clientside_function")
    }

    assert len(asked) > 8
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
    assert client.post("/_dash-update-component", content=flood, headers=headers).status_code == 413


def test_an_empty_workspace_says_how_to_fill_it(app: dash.Dash, tmp_path: Path) -> None:
    texts = str(app.server.test_client().get("/_dash-layout").json)

    assert BUILD_COMMAND in texts
    assert str(tmp_path.resolve()) in texts


def test_the_font_comes_with_its_license() -> None:
    assert (ASSETS / "fonts" / "InterVariable.woff2").is_file()
    assert "SIL OPEN FONT LICENSE" in (ASSETS / "fonts" / "Inter-LICENSE.txt").read_text(encoding="utf-8").upper()


def test_people_read_sentences_and_never_tracebacks() -> None:
    assert describe_error(RequestError("The text is empty.")) == "The text is empty."
    assert describe_error(KeyError("secret")) == UNEXPECTED
