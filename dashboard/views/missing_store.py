"""The text of the neighborhood views where a model has no state store that can be shown beside it."""

from __future__ import annotations

from dash import html
from dash.development.base_component import Component


def explain_missing_store(model_id: str, reason: str) -> list[Component | str]:
    """Say what is missing, or with ``reason`` what is wrong, why it is needed, and the one command that makes it."""
    return [
        html.P(
            f"{reason or f'There is no state store for {model_id} in this workspace.'} Its states have no training "
            "examples to stand beside. Translations, attention and search need none."
        ),
        html.P(["Make it with ", html.Code("beamscope build project.toml"), " and reload this page."]),
    ]
