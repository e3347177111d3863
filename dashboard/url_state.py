"""The page's state in the fragment of its address: JSON, deflated, base64url."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from typing import Final

from dashboard.errors import LinkError
from dashboard.page_state import PageState

MAX_FRAGMENT: Final = 8 * 1024
_MAX_JSON: Final = 256 * 1024
_PREFIX: Final = "1."
"""Revision of the form; another one will get another number."""


def encode_fragment(state: PageState) -> str:
    """The fragment, without ``#``.

    Raises:
        LinkError: it would be longer than `MAX_FRAGMENT`.
    """
    text = json.dumps(state.to_json(), ensure_ascii=False, separators=(",", ":"))
    fragment = _PREFIX + base64.urlsafe_b64encode(zlib.compress(text.encode(), 9)).decode().rstrip("=")
    if len(fragment) > MAX_FRAGMENT:
        raise LinkError(
            f"This request makes a link of {len(fragment) // 1024 + 1} kB, and links end at 8 kB; "
            "shorten the source, or export it as JSON."
        )
    return fragment


def decode_fragment(fragment: str) -> PageState:
    """Read what `encode_fragment` wrote; a leading ``#`` is allowed.

    Raises:
        LinkError: the fragment is damaged, too long, or holds something else.
    """
    body = fragment.removeprefix("#")
    if len(body) > MAX_FRAGMENT or not body.startswith(_PREFIX):
        raise _unreadable()
    try:
        return PageState.from_json(json.loads(_inflate(body.removeprefix(_PREFIX))))
    except (ValueError, TypeError, KeyError, zlib.error, RecursionError) as error:
        raise _unreadable() from error


def _inflate(text: str) -> str:
    """The JSON text; refuses a small fragment that unpacks to something huge."""
    padded = text + "=" * (-len(text) % 4)
    try:
        packed = base64.b64decode(padded, altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError(text) from error
    inflater = zlib.decompressobj()
    unpacked = inflater.decompress(packed, _MAX_JSON)
    if not inflater.eof or inflater.unused_data:
        raise ValueError("the data end early or go on too long")
    return unpacked.decode()


def _unreadable() -> LinkError:
    return LinkError("This link does not hold a Beamscope request; copy it again with Share, whole.")
