"""Models that are going to be published, whatever they are made from: their folders, and whether they are there."""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path

from exported_models.contract.manifest import ModelManifest, load_model_manifest
from exported_models.contract.twins import TwinKind
from exported_models.contract.workspace import Workspace, check_artefact_name
from pipeline.work.digests import Digests
from pipeline.work.ledger import STAGED, Ledger
from pipeline.work.published import is_current, is_intact, publish_staged


@dataclass(frozen=True, slots=True)
class PlannedModel(ABC):
    """A model that is going to be published.

    A model is staged in ``<workspace>/.beamscope/models/<model_id>/staged``: first the graphs, then, once they are
    verified, the manifest, with which the folder opens as an exported model. It is published from there.

    Attributes:
        digests: of the files that this run read.
    """

    workspace: Workspace
    model_id: str
    digests: Digests = field(default_factory=Digests, kw_only=True, compare=False, repr=False)

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Equal for two plans when their models would be equal."""

    @abstractmethod
    def write_tokenizers(self, folder: Path) -> ModelManifest:
        """Write the model's tokenizers into a folder before it is made; return the manifest it is going to have."""

    @property
    def folder(self) -> Path:
        """The build folder."""
        return model_build_folder(self.workspace, self.model_id)

    @property
    def staged(self) -> Path:
        """The folder, inside the build folder, that gets published."""
        return self.folder / STAGED

    @property
    def link(self) -> Path:
        """The published model's place in the workspace."""
        return self.workspace.models_folder / self.model_id

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.folder, None, self.digests)

    @property
    def published(self) -> Path | None:
        """The folder of the published model of that name, whatever it was made of; None if there is none."""
        known = self.workspace.model_ids()
        return self.workspace.model_folder(self.model_id) if self.model_id in known else None


@dataclass(frozen=True, slots=True)
class FinishedModel:
    """A model that is verified, or compared, and sealed; ``folder`` is staged, or the published one."""

    folder: Path
    manifest: ModelManifest


@dataclass(frozen=True, slots=True)
class PublishedModel:
    """A published model; ``changed`` is false if it was published before."""

    manifest: ModelManifest
    changed: bool


def model_build_folder(workspace: Workspace, model_id: str) -> Path:
    """The folder in which the model of that name is built."""
    return workspace.builds_folder / "models" / model_id


def twin_suffix(kind: TwinKind) -> str:
    """The end of the name of a twin, and of a store built with it."""
    return f"-{kind}"


def twin_id(model_id: str, kind: TwinKind) -> str:
    """The name of a model's twin.

    Raises:
        WorkspaceError: it is too long.
    """
    return check_artefact_name(f"{model_id}{twin_suffix(kind)}")


def is_published(planned: PlannedModel) -> bool:
    """Whether the published model is the planned one, every file as it was published."""
    return is_current(planned.published, planned.fingerprint, planned.ledger)


def find_model(planned: PlannedModel) -> FinishedModel | None:
    """The finished model, published or staged, if it is the planned one; else None."""
    published = planned.published
    if published is not None and is_published(planned):
        return FinishedModel(published, load_model_manifest(published))
    if is_intact(planned.staged, planned.fingerprint, planned.digests):
        return FinishedModel(planned.staged, load_model_manifest(planned.staged))
    return None


def publish_model(planned: PlannedModel, finished: FinishedModel) -> PublishedModel:
    """Publish a finished model, unless it is the published one.

    Raises:
        PublishingError: the disk is full or not writable; the earlier build stays published.
    """
    if finished.folder != planned.staged:
        shutil.rmtree(planned.staged, ignore_errors=True)
        return PublishedModel(finished.manifest, changed=False)
    before = planned.published
    folder = publish_staged(planned.ledger, planned.link, finished.manifest.for_publishing(), planned.fingerprint)
    return PublishedModel(load_model_manifest(folder), changed=folder.resolve() != before)
