"""The setting in which a part of the campaign runs, and what it found."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from exported_models.contract.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Setting:
    """Attributes:
    workspace: a model ``dates`` with a store; it is copied where a part damages or replaces something.
    project: the project file that builds them.
    scratch: an empty folder to work in.
    cases: number of cases, or of clients where a part is a crowd.
    seconds: duration of the parts that are one.
    """

    workspace: Workspace
    project: Path
    scratch: Path
    cases: int
    seconds: float

    def copy_workspace(self) -> Workspace:
        """A copy in the scratch folder, to damage, to publish into or to build in."""
        copy, origin = Workspace(self.scratch / "copy"), self.workspace
        for folder in (origin.models_folder, origin.stores_folder, origin.builds_folder):
            shutil.copytree(folder.resolve(), copy.root / folder.name, symlinks=True)
        return copy


@dataclass(slots=True)
class Outcome:
    """Cases by what became of them, and a sentence for each that must not be.

    Attributes:
        counts: number of cases by their outcome.
        broken: what a part found that must not be.
        figures: what was measured besides.
    """

    counts: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)

    @property
    def cases(self) -> int:
        return sum(self.counts.values())

    def note(self, outcome: str, broken: str = "") -> None:
        """Add a case; ``broken`` says what must not be about it."""
        self.counts[outcome] += 1
        if broken:
            self.broken.append(broken)

    def to_document(self) -> Mapping[str, object]:
        """As a JSON object."""
        return {"cases": self.cases, "counts": dict(self.counts), "figures": self.figures, "broken": self.broken}
