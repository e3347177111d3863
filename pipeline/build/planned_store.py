"""Stores that are going to be published: everything that decides one, and where it is built."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from exported_models.contract.manifest import ModelManifest, SpaceSpec
from exported_models.contract.publishing import digest_value
from exported_models.contract.workspace import Workspace
from pipeline.build.corpora import ProjectCorpora
from pipeline.build.project_file import Project
from pipeline.errors import ProjectFileError
from pipeline.export.planned import FinishedModel, PlannedModel, model_build_folder
from pipeline.store.encode import StateSettings
from pipeline.store.folder import StoreFolder
from pipeline.store.translate import TRANSLATION_REVISION, TranslationSettings
from pipeline.work.ledger import Ledger

STORE_REVISION = 3
"""Raised when the same inputs would give another store than before."""


@dataclass(frozen=True, slots=True)
class PlannedStore:
    """A store that is going to be published, and everything that it is made from.

    Attributes:
        ledger: of the build folder, ``<workspace>/.beamscope/stores/<store_id>``.
        batch_tokens: most tokens a batch, see `pipeline.store.batches`; it decides the last bits of states.
    """

    project: Project
    workspace: Workspace
    model: PlannedModel
    corpora: ProjectCorpora
    ledger: Ledger
    batch_tokens: int

    @property
    def folder(self) -> StoreFolder:
        return StoreFolder(self.ledger.folder)

    @property
    def link(self) -> Path:
        """The published store's place in the workspace."""
        return self.workspace.stores_folder / self.project.store_id

    @property
    def published(self) -> Path | None:
        """The folder of the published store of that name, whatever it was made of; None if there is none."""
        store_id = self.project.store_id
        return self.workspace.store_folder(store_id) if store_id in self.workspace.store_ids() else None

    @property
    def corpus_name(self) -> str:
        """The name of the encoded corpus, for people."""
        return self.project.content.corpus.train.name

    @property
    def block_lines(self) -> int:
        """Corpus lines that are encoded between two savings of the work."""
        return self.project.content.store.shard_pairs

    @property
    def plan_fingerprint(self) -> str:
        """Of the pairs that are encoded, and of the blocks they are cut into."""
        return digest_value(
            ["plan", STORE_REVISION, self.model.fingerprint, self.corpora.fingerprint, self.block_lines]
        )

    @property
    def fingerprint(self) -> str:
        """Of the whole store: equal when the published store would be."""
        store = self.project.content.store.model_dump(mode="json", exclude={"id"})
        return digest_value(["store", self.plan_fingerprint, self.batch_tokens, self.project.store_id, store])

    def translate_fingerprint(self, model_hash: str) -> str:
        """Of the pairs of the store, where the targets are the model's translations."""
        return digest_value(["translate", TRANSLATION_REVISION, self.plan_fingerprint, model_hash, self.batch_tokens])

    def translation_settings(self, model: FinishedModel) -> TranslationSettings:
        """The settings that translations are made with."""
        return TranslationSettings(model.folder, model.manifest.content_hash, self.batch_tokens)

    def state_settings(self, model: FinishedModel) -> StateSettings:
        """The settings that states are made with.

        Raises:
            ProjectFileError: see `chosen_spaces`.
        """
        spaces = tuple(self.chosen_spaces(model.manifest))
        return StateSettings(model.folder, model.manifest.content_hash, spaces, self.batch_tokens)

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
    """The folders in which the project's store and its model are built."""
    return workspace.builds_folder / "stores" / project.store_id, model_build_folder(workspace, project.model_id)
