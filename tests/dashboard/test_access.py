"""Access: a token, a cookie after it, or the name a trusted proxy gives; requests other sites make in that name."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from dashboard.site import Access, Site, SiteError, read_network
from exported_models.contract.workspace import Workspace
from tests.dashboard.serving import client_at, client_of

TOKEN = "a secret of the whole team"
PATHS = ["/", "/api/v1/models", "/api/docs", "/readyz", "/assets/app.js", "/_dash-layout"]


@pytest.fixture
def behind_token(dates_workspace: Workspace) -> TestClient:
    return client_at(dates_workspace, Site(access=Access(TOKEN)))


@pytest.fixture
def behind_proxy(dates_workspace: Workspace) -> TestClient:
    return client_at(dates_workspace, _proxied(), "10.1.2.3")


def _proxied() -> Site:
    return Site(access=Access(user_header="X-Forwarded-User", proxies=(read_network("10.0.0.0/8"),)))


@pytest.mark.parametrize("path", PATHS)
def test_nothing_is_served_without_a_log_in(behind_token: TestClient, path: str) -> None:
    reply = behind_token.get(path)

    assert reply.status_code == 401
    assert reply.headers["www-authenticate"] == "Bearer"
    assert reply.json()["error"].startswith("Log in")


def test_the_probe_is_answered_to_all(behind_token: TestClient) -> None:
    assert behind_token.get("/healthz").status_code == 200


@pytest.mark.parametrize("path", ["/", "/api/v1/models", "/api/docs"])
@pytest.mark.parametrize(("token", "status"), [(TOKEN, 200), (f"{TOKEN}s", 401), ("", 401), ("Ünknown", 401)])
def test_a_program_sends_the_token(behind_token: TestClient, path: str, token: str, status: int) -> None:
    headers = {b"Authorization": f"Bearer {token}".encode("latin-1")}

    assert behind_token.get(path, headers=headers).status_code == status


def test_a_browser_asks_once_and_has_a_cookie_that_does_not_hold_the_token(behind_token: TestClient) -> None:
    asked = behind_token.get("/", headers={"Accept": "text/html"})
    assert (asked.status_code, "password" in asked.text) == (401, True)

    refused = behind_token.post("/", data={"token": "guessed"})
    assert (refused.status_code, "not the token" in refused.text, len(refused.cookies)) == (401, True, 0)

    answered = behind_token.post("/", data={"token": f" {TOKEN}\n"}, follow_redirects=False)
    assert answered.status_code == 303
    kept = answered.headers["set-cookie"]
    assert "HttpOnly" in kept
    assert "SameSite=lax" in kept
    assert TOKEN not in kept
    assert behind_token.get("/api/v1/models").status_code == 200


def test_another_token_ends_the_cookies_of_the_one_before(dates_workspace: Workspace, behind_token: TestClient) -> None:
    behind_token.post("/", data={"token": TOKEN})
    renewed = client_at(dates_workspace, Site(access=Access("another secret of the team")))
    renewed.cookies = behind_token.cookies

    assert renewed.get("/api/v1/models").status_code == 401


def test_cookies_of_other_applications_on_the_host_do_not_end_a_log_in(behind_token: TestClient) -> None:
    kept = behind_token.post("/", data={"token": TOKEN}, follow_redirects=False).headers["set-cookie"].partition(";")[0]

    assert behind_token.get("/readyz", headers={"Cookie": f'layout={{"a": 1, "b": 2}}; {kept}'}).status_code != 401
    assert behind_token.get("/readyz", headers={"Cookie": 'layout={"a": 1}'}).status_code == 401


def test_two_users_of_a_proxy_are_let_in_and_others_are_not(behind_proxy: TestClient) -> None:
    for user in ("ada", "grace"):
        assert behind_proxy.get("/api/v1/models", headers={"X-Forwarded-User": user}).status_code == 200
    assert behind_proxy.get("/api/v1/models").status_code == 401
    assert behind_proxy.get("/api/v1/models", headers={"X-Forwarded-User": " "}).status_code == 401


def test_a_header_of_anybody_else_is_not_believed(dates_workspace: Workspace) -> None:
    client = client_at(dates_workspace, _proxied(), "192.168.7.7")

    assert client.get("/api/v1/models", headers={"X-Forwarded-User": "ada"}).status_code == 401


def test_an_access_that_lets_in_too_many_is_refused() -> None:
    with pytest.raises(SiteError, match="at least 16"):
        Access("short")
    with pytest.raises(SiteError, match="address of the proxy"):
        Access(user_header="X-User")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "http://127.0.0.1"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://["}, 403),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://lab.example"}, 200),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
    ],
)
def test_pages_of_other_sites_ask_nothing(dates_workspace: Workspace, headers: dict[str, str], status: int) -> None:
    asked = {"model_id": "dates", "source": "May 5, 1971"}
    assert client_of(dates_workspace).post("/api/v1/translate", json=asked, headers=headers).status_code == status


def test_the_policy_allows_no_inline_script_but_those_of_the_page(dates_workspace: Workspace) -> None:
    reply = client_of(dates_workspace).get("/")

    policy = dict(part.split(" ", 1) for part in reply.headers["content-security-policy"].split("; "))
    assert "unsafe" not in policy["script-src"]
    assert policy["script-src"].count("'sha256-") == 2
    assert (policy["object-src"], policy["frame-ancestors"]) == ("'none'", "'none'")
    assert reply.headers["referrer-policy"] == "same-origin"


@pytest.mark.parametrize("path", ["/lab/healthz", "/healthz", "/lab/api/v1/models", "/lab/"])
def test_a_path_prefix_is_taken_off_whether_or_not_the_proxy_did(dates_workspace: Workspace, path: str) -> None:
    assert client_at(dates_workspace, Site(path_prefix="/lab")).get(path).status_code == 200


def test_under_a_path_prefix_every_address_has_it(dates_workspace: Workspace) -> None:
    client = client_at(dates_workspace, Site(path_prefix="/lab"))

    assert client.get("/lab", follow_redirects=False).headers["location"] == "/lab/"
    assert 'src="/lab/assets/app.js' in client.get("/lab/").text
    assert client.get("/api/v1/openapi.json").json()["servers"] == [{"url": "/lab"}]


def test_a_name_of_the_proxy_is_answered(dates_workspace: Workspace) -> None:
    client = client_at(dates_workspace, Site(names=("Lab.example",)))

    assert client.get("/healthz", headers={"Host": "lab.example"}).status_code == 200
    assert client.get("/healthz", headers={"Host": "other.example"}).status_code == 421


def test_serving_writes_nothing_into_the_workspace(dates_workspace: Workspace) -> None:
    folders = (dates_workspace.models_folder, dates_workspace.stores_folder)
    before = {path: path.lstat().st_mtime_ns for folder in folders for path in folder.rglob("*")}
    client = client_of(dates_workspace)
    asked = {"request": {"model_id": "dates", "source": "May 6, 1972"}, "space": "decoder"}

    assert client.post("/api/v1/project", json=asked).status_code == 200

    assert {path: path.lstat().st_mtime_ns for folder in folders for path in folder.rglob("*")} == before
