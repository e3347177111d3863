"""What the neighborhood views say where a model has no state store."""

from __future__ import annotations

from dash import html
from dash.development.base_component import Component


def explain_missing_store(model_id: str) -> list[Component | str]:
    """What is missing, why it is needed, and the one command that makes it."""
    return [
        html.P(
            f"There is no state store for {model_id} in this workspace, so its states have no training examples to "
            "stand beside. Translations, attention and search need none."
        ),
        html.P(["Make it with ", html.Code("beamscope build project.toml"), " and reload this page."]),
    ]
