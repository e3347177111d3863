"""Values of the page as short text: JSON, deflated, base64url."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from typing import Any

from exported_models.contract.json_text import parse_json


def pack(value: object) -> str:
    """The text of a JSON value; it may stand in an address."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(zlib.compress(text.encode(), 9)).decode().rstrip("=")


def unpack(text: str, most: int) -> Any:
    """Read what `pack` wrote, if its JSON has at most ``most`` bytes: a small text can unpack to something huge.

    Raises:
        ValueError, RecursionError: it is damaged, too large, or something else.
    """
    padded = text + "=" * (-len(text) % 4)
    inflater = zlib.decompressobj()
    try:
        unpacked = inflater.decompress(base64.b64decode(padded, altchars=b"-_", validate=True), most)
    except (binascii.Error, zlib.error) as error:
        raise ValueError(f"{text[:20]!r} is not packed") from error
    if not inflater.eof or inflater.unused_data:
        raise ValueError("the data end early or go on too long")
    return parse_json(unpacked.decode())
