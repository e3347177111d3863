"""The log-in: a token in a header or a form, a cookie after it, or the name that a trusted proxy gives a user."""

from __future__ import annotations

import hashlib
import hmac
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs

from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from dashboard.api.errors import ApiError
from dashboard.app import ASSETS
from dashboard.serving.errors import error_response
from dashboard.site import Access
from exported_models.contract.errors import shorten

COOKIE: Final = "beamscope"
COOKIE_SECONDS: Final = 30 * 24 * 3600
USER: Final = "beamscope.user"
"""Key of a request's scope, for a dict with the ``name`` of the user who logged in."""
_OPEN_PATHS: Final = ("/healthz",)
_FORM: Final = "application/x-www-form-urlencoded"
_BEARER: Final = "Bearer "
_TOKEN_USER: Final = "token"

_PAGE: Final = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Beamscope: log in</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>
{palette}
body {{ background: var(--bg); color: var(--ink); font: 400 15px/1.5 Inter, system-ui, sans-serif; margin: 0; }}
main {{ background: var(--card); border: 1px solid var(--line); border-radius: 12px; margin: 14vh auto 0;
  max-width: 22rem; padding: 1.5rem; }}
h1 {{ font-size: 1.2rem; margin: 0 0 1rem; }}
label {{ color: var(--mute); display: block; }}
input, button {{ border: 1px solid var(--line); border-radius: 8px; box-sizing: border-box; font: inherit;
  margin-top: .4rem; padding: .5rem .7rem; width: 100%; }}
input {{ background: var(--bg); color: var(--ink); }}
button {{ background: var(--acc); color: var(--card); cursor: pointer; margin-top: 1rem; }}
p {{ color: var(--hot); margin: .8rem 0 0; }}
</style></head><body><main><h1>Beamscope</h1><form method="post">
<label for="token">Token</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
<button>Log in</button>{complaint}</form></main></body></html>
"""


class LogIn:
    """Answer those who may; ask the others to log in. The probe ``/healthz`` is answered to all."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access
        self._cookie = _sign(access.token)
        self._page = _lay_out_page("")
        self._page_again = _lay_out_page("<p role='alert'>This is not the token.</p>")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, with its user in the scope; refuse it with 401 where it has none."""
        if scope["type"] != "http" or self._access.is_open or scope["path"] in _OPEN_PATHS:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        user = self._find_user(scope, headers)
        if user is not None:
            scope.setdefault(USER, {})["name"] = user
            await self._app(scope, receive, send)
        elif self._is_log_in(scope, headers):
            await (await self._answer_form(Request(scope, receive)))(scope, receive, send)
        else:
            await self._refuse(scope, headers)(scope, receive, send)

    def _find_user(self, scope: Scope, headers: Headers) -> str | None:
        client = scope.get("client")
        if self._access.user_header and client and self._access.trusts(client[0]):
            named = headers.get(self._access.user_header, "").strip()
            if named:
                return shorten(named)
        return _TOKEN_USER if self._access.token and self._knows_token(scope, headers) else None

    def _knows_token(self, scope: Scope, headers: Headers) -> bool:
        sent = headers.get("authorization", "")
        if sent.startswith(_BEARER):
            return _equal(sent.removeprefix(_BEARER).strip(), self._access.token)
        return _equal(HTTPConnection(scope).cookies.get(COOKIE, ""), self._cookie)

    def _is_log_in(self, scope: Scope, headers: Headers) -> bool:
        form = headers.get("content-type", "").partition(";")[0].strip().lower() == _FORM
        return bool(self._access.token) and form and (scope["method"], scope["path"]) == ("POST", "/")

    async def _answer_form(self, request: Request) -> Response:
        """The page with a cookie for whoever knows the token; a link's fragment stays in the browser."""
        sent = parse_qs((await request.body()).decode("utf-8", "replace"))
        if not _equal("".join(sent.get("token", [])).strip(), self._access.token):
            return HTMLResponse(self._page_again, HTTPStatus.UNAUTHORIZED)
        secure = request.headers.get("x-forwarded-proto", request.url.scheme) == "https"
        response = RedirectResponse(".", HTTPStatus.SEE_OTHER)
        response.set_cookie(COOKIE, self._cookie, COOKIE_SECONDS, httponly=True, samesite="lax", secure=secure)
        return response

    def _refuse(self, scope: Scope, headers: Headers) -> Response:
        page = scope["method"] in ("GET", "HEAD") and "text/html" in headers.get("accept", "")
        if self._access.token and page:
            return HTMLResponse(self._page, HTTPStatus.UNAUTHORIZED)
        sentence = (
            f"Log in: send the token as `Authorization: {_BEARER}TOKEN`, or open the page in a browser."
            if self._access.token
            else "Come through the proxy that logs people in; this address answers nobody else."
        )
        response = error_response(ApiError(sentence, HTTPStatus.UNAUTHORIZED))
        response.headers["WWW-Authenticate"] = _BEARER.strip()
        return response


def _sign(token: str) -> str:
    """The value of the cookie: it proves knowledge of the token without holding it, and ends with it."""
    return hmac.new(token.encode(), b"beamscope log-in", hashlib.sha256).hexdigest()


def _equal(sent: str, secret: str) -> bool:
    """Whether two texts are equal, in a time that says nothing about the place where they part."""
    return hmac.compare_digest(sent.encode("utf-8", "replace"), secret.encode())


def _lay_out_page(complaint: str) -> str:
    light, dark = (ASSETS / "palette.css").read_text(encoding="utf-8").split("[data-theme=dark]", 1)
    palette = f"{light}@media (prefers-color-scheme: dark) {{ :root{dark} }}"
    return _PAGE.format(palette=palette, complaint=complaint)
