"""What a server on a person's own machine must refuse: pages of other sites, and bodies beyond reason."""

from __future__ import annotations

import ipaddress
from http import HTTPStatus
from typing import Final

from flask import Flask, Request, Response, jsonify, request
from werkzeug.exceptions import RequestEntityTooLarge

from dashboard.api.errors import ApiError
from dashboard.api.types import ErrorDocument

MAX_BODY_BYTES: Final = 64_000


def read_json_body(incoming: Request) -> bytes:
    """The bytes of a JSON body.

    Only `application/json` is read: a page of another site can post forms and plain text without asking the browser's
    preflight first, but not JSON.

    Raises:
        ApiError: another content type (415), or more than `MAX_BODY_BYTES` (413).
    """
    if incoming.mimetype != "application/json":
        raise ApiError(
            f"Send the body as application/json, not {incoming.mimetype or 'without a content type'}.",
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        )
    incoming.max_content_length = MAX_BODY_BYTES
    try:
        return incoming.get_data()
    except RequestEntityTooLarge:
        raise ApiError(
            f"The body is larger than {MAX_BODY_BYTES // 1000} kB; send one sentence at a time.",
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        ) from None


def register_host_check(server: Flask, bound_host: str) -> None:
    """Answer only calls addressed to this machine, so that a name that is rebound to it by DNS reaches nothing.

    A server bound to every interface was opened on purpose, under names that are not known here: it answers all.
    """
    if _is_unspecified(bound_host):
        return

    @server.before_request
    def refuse_other_hosts() -> tuple[Response, HTTPStatus] | None:
        name = _name_of(request.host)
        if name == bound_host.lower() or _is_loopback(name):
            return None
        reason = ErrorDocument(error="This server answers only on the address that it printed at its start.")
        return jsonify(reason.model_dump()), HTTPStatus.MISDIRECTED_REQUEST


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
