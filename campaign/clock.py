"""A clock that was set back: files of the earlier builds bear times that are yet to come."""

from __future__ import annotations

import os
import random
import shutil
import time
from pathlib import Path
from typing import Final

from campaign.builds import NAME, begin_with_published, build_again, build_command, run, write_small_project
from campaign.outcome import Outcome, Setting
from exported_models.contract.workspace import Workspace
from exported_models.engine import Engine
from state_store.catalog import StoreCatalog

_DAY: Final = 86_400
_MOST_DAYS: Final = 7_300
_LAST: Final = "published-last"
_LAST_PAIRS: Final = 20


def set_clock_back(setting: Setting) -> Outcome:
    """Date every file of a workspace up to twenty years ahead, build in it, and publish another store of the model.

    The build must end with the hashes of one that nothing disturbed, and the store published last must be served.
    """
    outcome, chance = Outcome(), random.Random(7)
    beginning = begin_with_published(setting)
    last = write_small_project(setting.scratch / "last", _LAST_PAIRS, _LAST)
    for number in range(setting.cases):
        workspace, days = Workspace(setting.scratch / f"ahead-{number}"), chance.uniform(0.01, _MOST_DAYS)
        beginning.lay_out(workspace)
        _date_ahead(workspace.root, days)
        build_again(outcome, beginning, workspace, f"set back by {days:.0f} days")
        _date_ahead(workspace.root, days)
        run(build_command(last, workspace, "--no-prefect")).check_returncode()
        served = _name_served(workspace)
        if served != _LAST:
            outcome.broken.append(f"set back by {days:.0f} days: {served} is served, not the store published last")
        shutil.rmtree(workspace.root)
    return outcome


def _date_ahead(folder: Path, days: float) -> None:
    ahead = time.time() + days * _DAY
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (ahead, ahead), follow_symlinks=False)


def _name_served(workspace: Workspace) -> str:
    """The store that a server answers from."""
    store = StoreCatalog(workspace, Engine(workspace, threads=1)).store_for(NAME)
    return store.manifest.store_id if store else "none"
