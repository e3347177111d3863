"""The manifest of a state store, validated where it is read."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from pydantic import Field

from exported_models.contract.errors import shorten
from exported_models.contract.manifest import ArtefactManifest, Frozen, SpaceName, load_manifest
from state_store.errors import SpaceError

GlobalMapKind = Literal["umap", "landmark_mds"]
GLOBAL_MAP_KINDS: tuple[GlobalMapKind, ...] = get_args(GlobalMapKind)


class CorpusEntry(Frozen):
    """The corpus whose sentence pairs are in the store."""

    name: str
    fingerprint: str = Field(description="Digest of the corpus files and of how they were read.")
    pairs: int = Field(gt=0)
    kind: Literal["parallel", "model_output"] = Field(
        default="parallel", description="Whether the targets are references or the model's own output."
    )


class IndexEntry(Frozen):
    """The index of a space; its settings were raised until the wanted recall was reached."""

    kind: Literal["exact", "tree"]
    leaves: int = Field(default=0, ge=0, description="Partitions of a tree index.")
    leaves_searched: int = Field(default=0, ge=0)
    candidates: int = Field(default=1, ge=1, description="Candidates rescored from the vectors for each row wanted.")
    recall_at_10: float = Field(ge=0, le=1, description="Against exact search, over held-out states.")
    recall_queries: int = Field(ge=0)


class SpaceEntry(Frozen):
    """One space of the store: its size, owner, index and maps."""

    name: SpaceName
    owner: Literal["source", "target"]
    size: int = Field(gt=0)
    rows: int = Field(gt=0)
    normalization: Literal["center+unit"] = "center+unit"
    index: IndexEntry
    maps: tuple[GlobalMapKind, ...] = ()
    calibration_states: int = Field(ge=0, description="Held-out states behind the calibration.")


class StoreManifest(ArtefactManifest):
    """Contents of a store, and the model that the store is bound to."""

    remedy = "build the store again"

    format: Literal[1] = 1
    store_id: str
    model_id: str
    model_hash: str
    corpus: CorpusEntry
    spaces: tuple[SpaceEntry, ...]
    settings: dict[str, int | float | str | bool] = Field(
        default={}, description="Build settings that decide the content, for people and for comparing builds."
    )

    @property
    def space_names(self) -> tuple[str, ...]:
        return tuple(space.name for space in self.spaces)

    def space(self, name: str) -> SpaceEntry:
        """The space of that name.

        Raises:
            SpaceError: there is none; the message lists the known ones.
        """
        for space in self.spaces:
            if space.name == name:
                return space
        known = ", ".join(self.space_names)
        raise SpaceError(f"The store {self.store_id!r} has no space {shorten(name)!r} (known: {known}).")


def load_store_manifest(folder: Path) -> StoreManifest:
    """The manifest of a state store; see `load_manifest`."""
    return load_manifest(folder, StoreManifest)
