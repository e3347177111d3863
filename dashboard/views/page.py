"""The page: header, stages, the views, history; or what to do where there is no model yet."""

from __future__ import annotations

from dash import html
from dash.development.base_component import Component

from dashboard.drawing.attributes import wild
from dashboard.services import Services
from dashboard.views import (
    changes,
    comparison,
    conditions,
    header,
    history,
    neighborhood,
    neighbors,
    pane,
    sessions,
    stages,
    translation,
    tree,
    what_ifs,
    word_menu,
)
from dashboard.views.ids import MAIN_PANE, PageRole, as_role
from dashboard.views.mantine import provide
from exported_models.contract.workspace import Workspace

BUILD_COMMAND = "beamscope build examples/dates/project.toml"


def lay_out_page(services: Services) -> Component:
    """The whole page. Made anew for each visitor, so that a model published since is listed."""
    models = services.workspace.model_ids()
    content = lay_out_workbench(models) if models else [lay_out_empty_workspace(services.workspace)]
    page = html.Div(
        [*content, lay_out_notice(), sessions.layout_welcome(services)], className="page", **as_role(PageRole.BODY)
    )
    return provide([page])


def lay_out_workbench(models: tuple[str, ...]) -> list[Component]:
    """Everything on one screen: header and stages, a pane, and the history at the bottom."""
    return [
        header.layout(models),
        stages.layout(),
        html.Main(lay_out_pane(MAIN_PANE), className="views", **wild(data_pane=MAIN_PANE)),
        history.layout(),
    ]


def lay_out_pane(name: str) -> list[Component]:
    """The views of one request: translation and tree at the left, states at the right."""
    words = [translation.layout(name), comparison.layout(name), conditions.layout()]
    left = html.Div([*words, tree.layout(name)], className="column")
    right = html.Div([changes.layout(name), neighborhood.layout(name), neighbors.layout(name)], className="column")
    return [left, right, word_menu.layout(), what_ifs.layout(), *pane.layout(name)]


def lay_out_empty_workspace(workspace: Workspace) -> Component:
    """Say what is missing, why, and the command that makes it."""
    return html.Main(
        [
            html.H1("No model here yet"),
            html.P(
                [
                    "Beamscope shows models that were exported into a workspace. ",
                    html.Code(str(workspace.root.resolve())),
                    " holds none.",
                ]
            ),
            html.P("Build the example of dates, which takes a few minutes, and reload this page:"),
            html.Pre(BUILD_COMMAND),
        ],
        className="empty-page",
    )


def lay_out_notice() -> Component:
    """The region of notifications."""
    return html.Div(role="status", className="notice", **(as_role(PageRole.NOTICE) | wild(aria_live="polite")))
