"""The colors of `assets/palette.css`, for what CSS does not reach: canvases and figures."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Literal

Theme = Literal["light", "dark"]

_FILE = Path(__file__).parent.parent / "assets" / "palette.css"
_BLOCK = re.compile(r"(:root|\[data-theme=dark\])\{([^}]*)\}")


@cache
def colors(theme: Theme) -> dict[str, str]:
    """Name (without the leading hyphens) -> color of one theme."""
    blocks = dict(_BLOCK.findall(_FILE.read_text(encoding="utf-8")))
    block = blocks[":root" if theme == "light" else "[data-theme=dark]"]
    return dict(re.findall(r"--([\w-]+):\s*([^;]+)", block))
