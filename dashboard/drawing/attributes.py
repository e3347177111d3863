"""Attributes that Dash's components take but their signatures do not name."""

from __future__ import annotations

from typing import Any


def wild(**attributes: str) -> dict[str, Any]:
    """``data_side="target"`` becomes ``{"data-side": "target"}``: for `data-*` and `aria-*`."""
    return {name.replace("_", "-"): value for name, value in attributes.items()}
