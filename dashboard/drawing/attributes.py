"""Attributes that the components of Dash accept but do not name in their signatures."""

from __future__ import annotations

from typing import Any


def wild(**attributes: str) -> dict[str, Any]:
    """Attributes with hyphens in place of underscores: ``data_side="target"`` gives ``{"data-side": "target"}``."""
    return {name.replace("_", "-"): value for name, value in attributes.items()}
