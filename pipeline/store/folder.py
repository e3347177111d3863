"""The folders in which a store is made."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from pipeline.work.ledger import STAGED


@dataclass(frozen=True, slots=True)
class StoreFolder:
    """The build folder of a store, ``<workspace>/.beamscope/stores/<store_id>``.

    Attributes:
        root: the build folder itself.
    """

    root: Path

    @property
    def staged(self) -> Path:
        """The folder that gets published: pairs and spaces."""
        return self.root / STAGED

    @property
    def sources(self) -> Path:
        """Sources without targets; they are staged when they are translated."""
        return self.root / "sources"

    @property
    def tokenizers(self) -> Path:
        """The model's tokenizers, which are needed before the model is made."""
        return self.root / "tokenizers"

    @property
    def shards(self) -> Path:
        """The encoded blocks of the corpus, a folder each, named by what decides their content."""
        return self.root / "shards"

    @property
    def translations(self) -> Path:
        """The translated blocks of sources, a file each, named by what decides their content."""
        return self.root / "translations"

    @property
    def held_out_sources(self) -> Path:
        """Held-out sources without targets."""
        return self.root / "held_out_sources"

    @property
    def held_out(self) -> Path:
        """Held-out pairs, and their states in every space."""
        return self.root / "held_out"


def keep_only(folder: Path, names: Collection[str]) -> None:
    """Remove files and folders of other names: what was made of blocks that the corpus does not have any more."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name not in names:
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
