"""The page's state in the fragment of its address."""

from __future__ import annotations

from typing import Final

from dashboard.errors import LinkError
from dashboard.state.packing import pack, unpack
from dashboard.state.page_state import PageState

MAX_FRAGMENT: Final = 8 * 1024
_MAX_JSON: Final = 256 * 1024
_PREFIX: Final = "1."
"""Revision of the form; another one will get another number."""


def encode_fragment(state: PageState) -> str:
    """The fragment, without ``#``.

    Raises:
        LinkError: it would be longer than `MAX_FRAGMENT`.
    """
    fragment = _PREFIX + pack(state.to_json())
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
        return PageState.from_json(unpack(body.removeprefix(_PREFIX), _MAX_JSON))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise _unreadable() from error


def _unreadable() -> LinkError:
    return LinkError("This link does not hold a Beamscope request; copy it again with Share, whole.")
