"""The manifest of a state store, validated where it is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from exported_models.publishing import read_manifest
from state_store.errors import SpaceError, StoreError

FORMAT: Final = 1

GlobalMapKind = Literal["umap", "landmark_mds"]
GLOBAL_MAP_KINDS: tuple[GlobalMapKind, ...] = get_args(GlobalMapKind)


class Frozen(BaseModel):
    """Base of the manifest's parts: immutable, and a key nobody knows is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class CorpusEntry(Frozen):
    """Which sentence pairs are in the store."""

    name: str
    fingerprint: str = Field(description="Digest of the corpus files and of how they were read.")
    pairs: int = Field(gt=0)
    kind: Literal["parallel", "model_output"] = Field(
        default="parallel", description="Whether the targets are references or the model's own output."
    )


class IndexEntry(Frozen):
    """How a space is searched; the settings were raised until the recall was reached."""

    kind: Literal["exact", "tree"]
    leaves: int = Field(default=0, ge=0, description="Partitions of a tree index.")
    leaves_searched: int = Field(default=0, ge=0)
    candidates: int = Field(default=1, ge=1, description="Candidates rescored from the vectors for each row wanted.")
    recall_at_10: float = Field(ge=0, le=1, description="Against exact search, over held-out states.")
    recall_queries: int = Field(ge=0)


class SpaceEntry(Frozen):
    """One space of the store: whose tokens its rows belong to, and how it was prepared."""

    name: str
    owner: Literal["source", "target"]
    size: int = Field(gt=0)
    rows: int = Field(gt=0)
    normalization: Literal["center+unit"] = "center+unit"
    index: IndexEntry
    maps: tuple[GlobalMapKind, ...] = ()
    calibration_states: int = Field(ge=0, description="Held-out states behind the calibration.")


class StoreManifest(Frozen):
    """What a store holds, and the model it is bound to."""

    format: Literal[1] = FORMAT
    store_id: str
    model_id: str
    model_hash: str
    corpus: CorpusEntry
    spaces: tuple[SpaceEntry, ...]
    settings: dict[str, int | float | str | bool] = Field(
        default={}, description="Build settings that decide the content, for people and for comparing builds."
    )
    files: dict[str, dict[str, int | str]] = {}
    content_hash: str = ""

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
        raise SpaceError(f"The store {self.store_id!r} has no space {name!r} (known: {known}).")

    def for_publishing(self) -> dict[str, Any]:
        """The manifest as `exported_models.publishing.publish` wants it: without what publishing itself adds."""
        return self.model_dump(mode="json", exclude={"files", "content_hash"})


def load_store_manifest(folder: Path) -> StoreManifest:
    """Read and validate the manifest of a state store.

    Raises:
        ArtefactError: it is missing or damaged.
        StoreError: it is not valid, or written by another format revision.
    """
    value = read_manifest(folder)
    if value.get("format") != FORMAT:
        raise StoreError(
            f"{folder} has format {value.get('format')!r}, this version of Beamscope reads {FORMAT}; build it again."
        )
    try:
        return StoreManifest.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise StoreError(f"The manifest in {folder} is not valid at {place}: {first['msg']}.") from error
