"""The process that runs the build flow for `pipeline.run.flow`.

``python -m pipeline.run.worker PROJECT WORKSPACE DIGESTS``, the last a file with the digests of files that the parent
read; it is removed.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from exported_models.contract.errors import BeamscopeError
from pipeline.progress import Advance
from pipeline.run.child import open_answers
from pipeline.work.digests import Digests


class PipeProgress:
    """Reports to the parent process as JSON lines."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def send(self, kind: str, **content: Any) -> None:
        """Write one message."""
        self._stream.write(json.dumps({"kind": kind, **content}) + "\n")
        self._stream.flush()

    def note(self, message: str) -> None:
        self.send("note", text=message)

    @contextmanager
    def track(self, title: str, total: int, unit: str) -> Iterator[Advance]:
        self.send("track", title=title, total=total, unit=unit)
        yield lambda count: self.send("advance", count=count)
        self.send("tracked")


def main(project_path: str, workspace_root: str, handed: str) -> None:
    """Run the flow and report its summary or its error."""
    progress = PipeProgress(open_answers())
    from pipeline.run.tasks import PARENT, Parent, build_flow

    PARENT.set(Parent(progress, _take_digests(Path(handed))))
    try:
        summary = build_flow(project_path, workspace_root)
    except BeamscopeError as error:
        progress.send("error", type=type(error).__name__, text=str(error))
    except Exception as error:  # Prefect has many kinds, of its server and of its client
        reason = str(error).strip().splitlines()[0:1] or [type(error).__name__]
        log = Path(os.environ["PREFECT_HOME"]) / "build.log"
        text = f"The build failed unexpectedly: {reason[0][:300]} (the traceback is in {log})."
        progress.send("error", type=type(error).__name__, text=text)
    else:
        progress.send("summary", summary=summary)


def _take_digests(path: Path) -> Digests:
    """Read and remove the file: the digests are of this run alone."""
    document = json.loads(path.read_text(encoding="utf-8"))
    path.unlink()
    return Digests.from_document(document)


if __name__ == "__main__":
    main(*sys.argv[1:])
