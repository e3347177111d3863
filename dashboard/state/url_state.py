"""The page's state in the fragment of its address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from pydantic import Field

from dashboard.errors import LinkError
from dashboard.state.packing import pack, unpack
from dashboard.state.page_state import PageState, StateDocument

MAX_FRAGMENT: Final = 8 * 1024
_MAX_JSON: Final = 256 * 1024
_PREFIX: Final = "1."
"""Revision of the form; another one will get another number."""
_HASH_LENGTH: Final = 12
"""Characters of a model's hash in a link."""


@dataclass(frozen=True, slots=True)
class Link:
    """The content of a link.

    Attributes:
        models: hash, or its beginning, of each model that answered; empty in links made before hashes were kept.
    """

    state: PageState
    models: Mapping[str, str] = field(default_factory=dict)


class _LinkDocument(StateDocument):
    models: dict[str, str] = Field(default={}, max_length=2)


def encode_fragment(state: PageState, models: Mapping[str, str] | None = None) -> str:
    """The fragment, without ``#``.

    Args:
        models: hash of each model that answers the state, so that whoever opens the link is told of a change.

    Raises:
        LinkError: it would be longer than `MAX_FRAGMENT`.
    """
    hashes = {model_id: model_hash[:_HASH_LENGTH] for model_id, model_hash in (models or {}).items()}
    fragment = _PREFIX + pack(state.to_json() | ({"models": hashes} if hashes else {}))
    if len(fragment) > MAX_FRAGMENT:
        raise LinkError(
            f"This request makes a link of {len(fragment) // 1024 + 1} kB, and links end at 8 kB; "
            "shorten the source, or export it as JSON."
        )
    return fragment


def decode_fragment(fragment: str) -> PageState:
    """The state in what `encode_fragment` wrote.

    Raises:
        LinkError: the fragment is damaged, too long, or holds something else.
    """
    return decode_link(fragment).state


def decode_link(fragment: str) -> Link:
    """Read what `encode_fragment` wrote; a leading ``#`` is allowed.

    Raises:
        LinkError: the fragment is damaged, too long, or holds something else.
    """
    body = fragment.removeprefix("#")
    if len(body) > MAX_FRAGMENT or not body.startswith(_PREFIX):
        raise _unreadable()
    try:
        document = _LinkDocument.model_validate(unpack(body.removeprefix(_PREFIX), _MAX_JSON))
        return Link(document.to_state(), document.models)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise _unreadable() from error


def _unreadable() -> LinkError:
    return LinkError("This link does not hold a Beamscope request; copy it again with Share, whole.")
