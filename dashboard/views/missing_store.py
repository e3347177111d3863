"""What the neighborhood views say where a model has no state store that can be shown beside it."""

from __future__ import annotations

from dash import html
from dash.development.base_component import Component

from dashboard.services import Services


def explain_missing_store(services: Services, model_id: str) -> list[Component | str]:
    """What is missing or wrong, why it is needed, and the one command that makes it."""
    _, reason = services.store_or_reason(model_id)
    return [
        html.P(
            f"{reason or f'There is no state store for {model_id} in this workspace.'} Its states have no training "
            "examples to stand beside. Translations, attention and search need none."
        ),
        html.P(["Make it with ", html.Code("beamscope build project.toml"), " and reload this page."]),
    ]
