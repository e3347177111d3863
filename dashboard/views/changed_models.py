"""Models that are not what they were when an answer was kept: in the history, a session file or a link."""

from __future__ import annotations

from dashboard.services import Services
from exported_models.contract.manifest import load_model_manifest


def warn_of_change(services: Services, model_id: str, model_hash: str) -> str:
    """A sentence where the model has another hash now; empty where it has this one.

    Args:
        model_hash: the hash then, or its beginning; empty where it is not known.

    Raises:
        WorkspaceError, ArtefactError, ModelError: the workspace has no such model, or it cannot be opened.
    """
    now = services.engine.model(model_id).content_hash
    return "" if now.startswith(model_hash) else say_changed(model_id)


def find_changed(services: Services, model_id: str, model_hash: str) -> bool:
    """Whether a model has another hash now than ``model_hash`` or what begins with it; the model is not opened."""
    now = load_model_manifest(services.workspace.model_folder(model_id)).content_hash
    return not now.startswith(model_hash)


def say_changed(model_id: str) -> str:
    """The sentence about a model that was published anew."""
    return (
        f"The model {model_id} has changed since this was kept: words and scores are decoded anew, "
        "by the model as it is now."
    )


def say_missing(model_id: str) -> str:
    """The sentence about a model that is gone."""
    return f"The model {model_id} is not in this workspace: its answers cannot be decoded again."
