"""The page: header, stages, the views, history; or what to do where there is no model yet."""

from __future__ import annotations

from dash import dcc, html
from dash.development.base_component import Component

from dashboard.drawing.attributes import wild
from dashboard.services import Services
from dashboard.views import header, history, neighborhood, neighbors, stages, translation, tree
from dashboard.views.ids import PageId
from exported_models.contract.workspace import Workspace

BUILD_COMMAND = "beamscope build examples/dates/project.toml"


def lay_out_page(services: Services) -> Component:
    """The whole page. Made anew for each visitor, so that a model published since is listed."""
    models = services.workspace.model_ids()
    content = lay_out_workbench(models) if models else [lay_out_empty_workspace(services.workspace)]
    return html.Div([*_stores(), *content, _notice_region()], id=PageId.BODY, className="page")


def lay_out_workbench(models: tuple[str, ...]) -> list[Component]:
    """Everything on one screen: translation and tree at the left, states at the right, history at the bottom."""
    left = html.Div([translation.layout(), tree.layout()], className="column")
    right = html.Div([neighborhood.layout(), neighbors.layout()], className="column")
    return [
        header.layout(models),
        stages.layout(),
        html.Main([left, right], className="views"),
        history.layout(),
    ]


def lay_out_empty_workspace(workspace: Workspace) -> Component:
    """What is missing, why, and the command that makes it."""
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


def _stores() -> list[Component]:
    return [
        dcc.Store(id=PageId.ADDRESS),
        dcc.Store(id=PageId.REQUEST),
        dcc.Store(id=PageId.SELECTION),
        dcc.Store(id=PageId.STAGE),
        dcc.Store(id=PageId.THEME, data="light"),
        dcc.Store(id=PageId.NOTICE),
        dcc.Store(id=PageId.LINK),
    ]


def _notice_region() -> Component:
    return html.Div(id=PageId.NOTICE_REGION, role="status", className="notice", **wild(aria_live="polite"))
