"""What a state store is made of, and where it is built."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exported_models.contract.manifest import ModelManifest, SpaceSpec
from exported_models.contract.publishing import digest_value
from exported_models.contract.workspace import Workspace
from pipeline.build.corpora import ProjectCorpora
from pipeline.build.project_file import Project
from pipeline.errors import ProjectFileError
from pipeline.export.checkpoints import PlannedModel, model_build_folder
from pipeline.work.ledger import STAGED, Ledger

STORE_REVISION = 3
"""Raised when the same inputs would give another store than before."""


@dataclass(frozen=True, slots=True)
class StoreBuild:
    """One build of a project's store.

    Attributes:
        folder: where it is built, ``<workspace>/.beamscope/stores/<store_id>``; what is to be published is gathered in
            ``staged`` below it.
        batch_tokens: most tokens a batch; a part of the plan, see `pipeline.store.batches`.
    """

    project: Project
    workspace: Workspace
    model: PlannedModel
    corpora: ProjectCorpora
    ledger: Ledger
    batch_tokens: int

    @property
    def folder(self) -> Path:
        return self.ledger.folder

    @property
    def staged(self) -> Path:
        return self.folder / STAGED

    @property
    def sources(self) -> Path:
        """Where sources without targets are kept, which are staged when they are translated."""
        return self.folder / "sources"

    @property
    def corpus_name(self) -> str:
        """The name of the encoded corpus, for people."""
        return self.project.content.corpus.train.name

    @property
    def planned(self) -> dict[str, Any]:
        """The plan of the staged pairs, as recorded last: `pipeline.store.plan.StorePlan` as a document."""
        return self.ledger.last_result("plan" if self.corpora.train.has_targets else "translate")

    @property
    def shards(self) -> Path:
        """Where the encoded corpus is gathered, until all of it is there."""
        return self.folder / "shards"

    @property
    def plan_fingerprint(self) -> str:
        """Of the pairs that are encoded and of how."""
        settings = [self.project.content.store.shard_pairs, self.batch_tokens]
        return digest_value(["plan", STORE_REVISION, self.model.fingerprint, self.corpora.fingerprint, settings])

    @property
    def fingerprint(self) -> str:
        """Of the whole store: equal when the published store would be."""
        store = self.project.content.store.model_dump(mode="json", exclude={"id"})
        return digest_value(["store", self.plan_fingerprint, self.project.store_id, store])

    def chosen_spaces(self, manifest: ModelManifest) -> Sequence[SpaceSpec]:
        """The spaces that are indexed: those the project names, else every recorded one.

        Raises:
            ProjectFileError: the project names a space that the model does not have, or one that is a table.
        """
        wanted = self.project.content.store.spaces
        known = [space for space in manifest.spaces if space.kind != "table"]
        if wanted is None:
            return [space for space in known if space.kind == "recorded"]
        names = [space.name for space in known]
        for name in wanted:
            if name not in names:
                raise ProjectFileError(
                    f"{self.project.path}: store.spaces names {name!r}, {self._explain(name, manifest)} "
                    f"(known: {', '.join(names)})."
                )
        return [space for space in known if space.name in wanted]

    def _explain(self, name: str, manifest: ModelManifest) -> str:
        if any(space.name == name for space in manifest.spaces):
            return f"a table that is read from {manifest.model_id} itself and not indexed"
        return f"which {manifest.model_id} does not have"


def build_folders(project: Project, workspace: Workspace) -> tuple[Path, Path]:
    """Where the project's store is built, and where its model is."""
    return workspace.builds_folder / "stores" / project.store_id, model_build_folder(workspace, project.model_id)


def published_store(workspace: Workspace, store_id: str) -> Path | None:
    """The folder of the published store of that name, or None."""
    return workspace.store_folder(store_id) if store_id in workspace.store_ids() else None
