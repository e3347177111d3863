"""The colors of `assets/palette.css` for canvases and figures, which CSS does not reach."""

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
    """Color of each name (without its leading hyphens) in one theme."""
    blocks = dict(_BLOCK.findall(_FILE.read_text(encoding="utf-8")))
    block = blocks[":root" if theme == "light" else "[data-theme=dark]"]
    return dict(re.findall(r"--([\w-]+):\s*([^;]+)", block))
