"""Guards around page and API: headers against foreign pages, the host check, and bodies within their limits."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard.api.errors import ApiError
from dashboard.serving.errors import error_response
from dashboard.serving.limits import Limits, max_body_bytes

_HEADERS: Final = {
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
_SAFE_METHODS: Final = ("GET", "HEAD", "OPTIONS")


def write_policy(script_hashes: Iterable[str]) -> str:
    """The Content-Security-Policy: everything from this server, inline scripts only with these hashes.

    Mantine and plotly write styles of their own, which need no script.
    """
    return "; ".join(
        (
            "default-src 'self'",
            " ".join(("script-src 'self'", *script_hashes)),
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


class SecurityHeaders:
    """Keep other sites from framing an answer, foreign scripts from it, and browsers from guessing at its type."""

    def __init__(self, app: ASGIApp, policy: str) -> None:
        self._app = app
        self._headers = {**_HEADERS, "Content-Security-Policy": policy}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add the headers to each answer."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self._headers)
            await send(message)

        await self._app(scope, receive, send_with_headers)


class PathPrefix:
    """Serve the application under a path: the prefix is taken off, whether or not a proxy did so already."""

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with the rest of its path; lead the prefix alone to the page below it."""
        if self._prefix and scope["type"] == "http":
            if scope["path"] == self._prefix:
                to_page = RedirectResponse(f"{self._prefix}/", HTTPStatus.PERMANENT_REDIRECT)
                await to_page(scope, receive, send)
                return
            if scope["path"].startswith(f"{self._prefix}/"):
                raw = scope["raw_path"].removeprefix(self._prefix.encode())
                scope = {**scope, "path": scope["path"].removeprefix(self._prefix), "raw_path": raw}
        await self._app(scope, receive, send)


class OriginCheck:
    """Refuse what a page of another site asks in the name of its visitor, but for looking."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it with 403."""
        if scope["type"] != "http" or scope["method"] in _SAFE_METHODS or _is_own(Headers(scope=scope)):
            await self._app(scope, receive, send)
            return
        reason = "A page of another site asked this; only pages of this server may."
        await error_response(ApiError(reason, HTTPStatus.FORBIDDEN))(scope, receive, send)


class HeadAsGet:
    """Answer HEAD as GET, for probes that want no body; the server itself leaves the body out."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, with GET in place of HEAD."""
        await self._app({**scope, "method": "GET"} if scope.get("method") == "HEAD" else scope, receive, send)


class HostCheck:
    """Answer only calls addressed to this machine: a name that DNS rebinds to it reaches nothing.

    A server bound to every interface was opened on purpose, under names that are not known here: it answers all.
    """

    def __init__(self, app: ASGIApp, bound_host: str, names: Iterable[str] = ()) -> None:
        self._app = app
        self._names = {bound_host.lower(), *map(str.lower, names)}
        self._answers_all = _is_unspecified(bound_host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request with 421 where its Host header names another machine."""
        if scope["type"] != "http" or self._knows(Headers(scope=scope).get("host", "")):
            await self._app(scope, receive, send)
            return
        reason = "This server answers only on the address that it printed at its start, and on names it was given."
        await error_response(ApiError(reason, HTTPStatus.MISDIRECTED_REQUEST))(scope, receive, send)

    def _knows(self, host: str) -> bool:
        name = _name_of(host)
        return self._answers_all or name in self._names or _is_loopback(name)


class BodyLimit:
    """Read the body of a request before anything works on it: within its size and its time, or not at all."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self._app = app
        self._seconds = limits.body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with its whole body, or refuse it with 413 or 408 and close the connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            body = await _read_body(scope, receive, self._seconds)
        except ClientDisconnect:
            return
        except ApiError as error:
            refusal = error_response(error)
            refusal.headers["Connection"] = "close"
            await refusal(scope, receive, send)
            return
        await self._app(scope, replay({"type": "http.request", "body": body, "more_body": False}, receive), send)


async def _read_body(scope: Scope, receive: Receive, seconds: float) -> bytes:
    """The whole body of a request.

    Raises:
        ApiError: it is larger than its path may be sent (413), or did not arrive in time (408).
        ClientDisconnect: the client left.
    """
    limit = max_body_bytes(scope["path"])
    _check_size(int(Headers(scope=scope).get("content-length", 0)), limit)
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                body += message.get("body", b"")
                _check_size(len(body), limit)
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        sentence = f"The body did not arrive within {seconds:g} seconds; send it again."
        raise ApiError(sentence, HTTPStatus.REQUEST_TIMEOUT) from None


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise ApiError(
            f"The body is larger than {limit // 1000} kB; send one sentence at a time.",
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        )


def replay(first: Message, receive: Receive) -> Receive:
    """A channel that gives a message that was received already, then those that follow it."""
    left: Iterable[Message] = iter([first])

    async def receive_again() -> Message:
        for message in left:
            return message
        return await receive()

    return receive_again


def _is_own(headers: Headers) -> bool:
    """Whether a page of this server asks, or a program, which has no page.

    Browsers say so in ``Sec-Fetch-Site``, whatever a proxy does to names; older ones name the page's host alone.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is None or origin.partition("://")[2] == headers.get("host", "")


def _name_of(host: str) -> str:
    """The name in a Host header: without port, brackets and a final dot."""
    name = host.rpartition("]")[0].lstrip("[") if host.startswith("[") else host.partition(":")[0]
    return name.rstrip(".").lower()


def _is_loopback(name: str) -> bool:
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _is_unspecified(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_unspecified
    except ValueError:
        return False
